"""Encoders by name.

A name is `NAME[:ARGUMENT]`. The argument is a path, or settings as `key=value,key=value`:

    histopress-small                the encoder that comes with the package
    mean-rgb                        random:seed=3,dim=32
    mean-rgb:spacing=1.0,tile=64    nic:weights/encoder_multitask-4.h5
    stain-texture                   stain-texture:spacing=1.0
    saved:runs/encoder              runs/encoder (any folder that holds a card.json)
    timm:resnet50                   timm:resnet50@model.safetensors,spacing=0.25,tile=256
    hf-hub:uni2-h                   hf-hub:MahmoodLab/UNI@model.safetensors,spacing=0.25
    onnx:model.onnx                 onnx:model.onnx,spacing=0.5,mean=0.5/0.5/0.5,deviation=0.5/0.5/0.5
    script:mine.py                  NAME of an encoder that a script or an installed package registers
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.errors import EncoderError
from histopress.encoders.foundation import MODELS, FoundationModel
from histopress.encoders.loaders import LOADERS, PlainSettings, RandomSettings, TimmOptions
from histopress.encoders.name_settings import settable
from histopress.encoders.plugin import is_plugin, load_plugin, plugins

if TYPE_CHECKING:
    from histopress.encoders.encoder import Encoder


@dataclass(frozen=True)
class EncoderEntry:
    """One line of the catalogue.

    Attributes:
        name: as it is typed; what stands in capitals is to be filled in.
        dim: length of a code; none where only the file tells.
        spacing: um/px of its tiles, likewise.
        tile: width and height of its tiles in px, likewise.
        licence: of the weights.
        available: whether the libraries it needs are installed.
        note: what it is, and what can be set.
    """

    name: str
    dim: int | None
    spacing: float | None
    tile: int | None
    licence: str
    available: bool
    note: str


def load_encoder(name: str, **settings: float) -> Encoder:
    """The encoder of this name, on the CPU, ready to run.

    Args:
        name: see the head of this file; `listing` lists what there is.
        settings: the same as behind the colon of the weightless ones.

    Raises:
        EncoderError: unknown name or settings, or a file that is not what it should be.
    """
    kind, colon, argument = name.partition(":")
    if kind in LOADERS:
        if colon and not argument:
            raise EncoderError(
                f"encoder {name!r} ends in a colon; leave it out, or write what belongs behind it"
            )
        return LOADERS[kind](name, argument, settings)
    if is_plugin(kind):
        return load_plugin(name, argument, settings)
    if name and Path(name).expanduser().is_dir():
        return LOADERS["saved"](name, name, settings)
    raise EncoderError(
        f"no encoder {name!r}; {_suggestion(kind)}known: "
        f"{', '.join([*(entry.name for entry in _own()), *(plugin.name for plugin in plugins())])}"
    )


def _suggestion(kind: str) -> str:
    suffix = Path(kind).suffix.lower()
    if suffix in MEANT:
        return MEANT[suffix].format(kind)
    if any(kind.lower() in (model.name, model.repository.lower()) for model in MODELS):
        return f"did you mean hf-hub:{kind}? "
    near = difflib.get_close_matches(kind.lower(), [*LOADERS, *(p.name for p in plugins())], n=2, cutoff=0.5)
    return f"did you mean {' or '.join(near)}? " if near else ""


MEANT = {
    ".h5": "did you mean nic:{}? ",
    ".hdf5": "did you mean nic:{}? ",
    ".onnx": "did you mean onnx:{},spacing=0.5? ",
    ".py": "did you mean script:{}? ",
    ".safetensors": "weights alone are no encoder: did you mean timm:MODEL@{0} or hf-hub:NAME@{0}? ",
}
"""Ending of a file that is no name by itself -> what may have been meant."""


def listing() -> list[EncoderEntry]:
    """Every encoder that can be named here: kinds of our own, foundation encoders, and those of others."""
    here = find_spec("timm") is not None and find_spec("huggingface_hub") is not None
    return [
        *_own(),
        *(_foundation(model, here) for model in MODELS),
        *(
            EncoderEntry(plugin.name, None, None, None, "see its makers", True, plugin.origin)
            for plugin in plugins()
            if plugin.name not in LOADERS
        ),
    ]


def _own() -> list[EncoderEntry]:
    torch, h5py = find_spec("torch") is not None, find_spec("h5py") is not None
    mean, random, timm = PlainSettings(), RandomSettings(), find_spec("timm") is not None
    return [
        EncoderEntry(
            "histopress-small", 128, 0.5, 128, "Apache-2.0", torch,
            "the default: learned from five patch tasks and a published encoder; the same for turned tiles",
        ),
        EncoderEntry(
            "mean-rgb", 3, mean.spacing, mean.tile, "none needed", torch,
            f"mean colour, a baseline; can be set: {settable(mean)}",
        ),
        EncoderEntry(
            "stain-texture", 39, mean.spacing, mean.tile, "none needed", torch,
            f"amount and texture of each stain, nothing learned; can be set: {settable(mean)}",
        ),
        EncoderEntry(
            "nic:PATH", 128, 0.5, 128, "MIT", torch and h5py,
            "four-task encoder of Tellez et al. (MIDL 2020); PATH is its Keras file encoder_multitask-4.h5",
        ),
        EncoderEntry(
            "random", random.dim, random.spacing, random.tile, "none needed", torch,
            f"the network of nic, untrained, a control; can be set: {settable(random)}",
        ),
        EncoderEntry(
            "saved:FOLDER", None, None, None, "see its card.json", torch,
            "an encoder that was trained or saved here; the folder alone will do as well",
        ),
        EncoderEntry(
            "timm:MODEL", None, TimmOptions().spacing, None, "none needed", torch and timm,
            "any network of timm with random weights, or timm:MODEL@FILE.safetensors; "
            f"can be set behind a comma: {settable(TimmOptions())}",
        ),
        EncoderEntry(
            "onnx:FILE", None, None, None, "see its makers", find_spec("onnxruntime") is not None,
            "any ONNX model; to be set behind a comma or in a JSON file beside it: spacing, tile, mean, "
            "deviation, output, licence, source",
        ),
        EncoderEntry(
            "script:FILE", None, None, None, "see its makers", torch,
            "a Python script that registers an encoder; script:FILE.py@NAME where it registers several",
        ),
    ]  # fmt: skip


def _foundation(model: FoundationModel, available: bool) -> EncoderEntry:
    note = f"{model.repository}; {'gated' if model.gated else 'open'}; {model.source}"
    return EncoderEntry(
        f"hf-hub:{model.name}", model.dim, model.spacing, model.tile, model.licence, available, note
    )


def table(entries: Sequence[EncoderEntry]) -> str:
    """The entries as text: for each a line of facts, and a line that says what it is."""
    line = "{:21}{:>5}{:>7}{:>9}  {}"
    lines = [line.format("encoder", "dim", "um/px", "tile px", "licence")]
    for entry in entries:
        numbers = ("-" if n is None else f"{n:g}" for n in (entry.dim, entry.spacing, entry.tile))
        lines.append(line.format(entry.name, *numbers, entry.licence))
        lines.append(f"    {entry.note}{'' if entry.available else ' (not installed here)'}")
    return "\n".join(lines)
