"""Encoders by name.

A name is `NAME[:ARGUMENT]`. The argument is a path, or settings as `key=value,key=value`:

    mean-rgb                        random:seed=3,dim=32
    mean-rgb:spacing=1.0,tile=64    nic:weights/encoder_multitask-4.h5
    stain-texture                   stain-texture:spacing=1.0
    saved:runs/encoder              runs/encoder (any folder that holds a card.json)
    timm:resnet50                   timm:resnet50@model.safetensors,spacing=0.25,tile=256
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from histopress.core.errors import EncoderError
from histopress.core.geometry import PLAUSIBLE_SPACING, Spacing

if TYPE_CHECKING:
    from histopress.encoders.encoder import Encoder

S = TypeVar("S")


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


@dataclass(frozen=True)
class PlainSettings:
    """What can be set of `mean-rgb` and `stain-texture`: um/px, and width and height of its tiles in px."""

    spacing: float = 0.5
    tile: int = 128


@dataclass(frozen=True)
class RandomSettings:
    """What can be set of `random`; the defaults are the architecture of the published four-task encoder.

    Attributes:
        seed: of the weights.
        dim: length of a code.
        spacing: um/px of its tiles.
        tile: width and height of its tiles in px; they are halved first.
        depth: number of convolutions.
        width: filters of each.
    """

    seed: int = 0
    dim: int = 128
    spacing: float = 0.5
    tile: int = 128
    depth: int = 4
    width: int = 128


@dataclass(frozen=True)
class TimmOptions:
    """What can be set of `timm`.

    Attributes:
        spacing: um/px of its tiles.
        tile: width and height of its tiles in px; 0 is what timm states for the model.
        seed: of weights that are drawn.
    """

    spacing: float = 0.5
    tile: int = 0
    seed: int = 0


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
    if name and Path(name).expanduser().is_dir():
        return _saved(name, name, settings)
    raise EncoderError(
        f"no encoder {name!r}; {_suggestion(kind)}known: {', '.join(e.name for e in listing())}"
    )


def _suggestion(kind: str) -> str:
    near = difflib.get_close_matches(kind.lower(), LOADERS, n=2, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}? "
    if Path(kind).suffix in (".h5", ".hdf5"):
        return f"did you mean nic:{kind}? "
    return ""


def _mean_rgb(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.untrained import mean_rgb

    settings = _settings(PlainSettings, name, argument, given)
    return mean_rgb(settings.spacing, settings.tile, name=_name("mean-rgb", settings))


def _stain_texture(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.untrained import stain_texture

    settings = _settings(PlainSettings, name, argument, given)
    return stain_texture(settings.spacing, settings.tile, name=_name("stain-texture", settings))


def _random(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.networks import StridedConvSettings
    from histopress.encoders.untrained import random_weights

    settings = _settings(RandomSettings, name, argument, given)
    network = StridedConvSettings(
        tile=settings.tile, filters=(settings.width,) * settings.depth, dim=settings.dim
    )
    return random_weights(settings.seed, network, settings.spacing, name=_name("random", settings))


def _nic(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.published import load_nic

    return load_nic(_path(name, argument, given))


def _saved(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.encoder import load_saved

    return load_saved(_path(name, argument, given))


def _timm(name: str, argument: str, given: dict[str, float]) -> Encoder:
    """`MODEL[@WEIGHTS][,key=value]`; the path of the weights cannot hold a comma."""
    from histopress.encoders.timm_encoder import load_timm

    what, _, rest = argument.partition(",")
    model, at, weights = what.partition("@")
    if not model or (at and not weights):
        raise EncoderError(f"encoder {name!r} lacks a part; write timm:MODEL or timm:MODEL@FILE.safetensors")
    options = _settings(TimmOptions, name, rest, given)
    path = Path(weights).expanduser() if weights else None
    if path is not None and not path.is_file():
        raise EncoderError(f"encoder {name!r}: {path}: no such file; weights are read from local safetensors")
    shown = f"timm:{model}" if path is None else f"timm:{model}@{path.name}"
    return load_timm(
        model,
        path,
        spacing=options.spacing,
        tile=options.tile or None,
        seed=options.seed,
        name=_name(shown, options, ","),
    )


LOADERS: dict[str, Callable[[str, str, dict[str, float]], Encoder]] = {
    "mean-rgb": _mean_rgb,
    "nic": _nic,
    "random": _random,
    "saved": _saved,
    "stain-texture": _stain_texture,
    "timm": _timm,
}
"""What stands before the colon -> how the encoder is made."""


def listing() -> list[EncoderEntry]:
    """Every encoder that can be named here."""
    torch, h5py = find_spec("torch") is not None, find_spec("h5py") is not None
    mean, random, timm = PlainSettings(), RandomSettings(), find_spec("timm") is not None
    return [
        EncoderEntry(
            "mean-rgb", 3, mean.spacing, mean.tile, "none needed", torch,
            f"mean colour, a baseline; can be set: {_settable(mean)}",
        ),
        EncoderEntry(
            "stain-texture", 39, mean.spacing, mean.tile, "none needed", torch,
            f"amount and texture of each stain, nothing learned; can be set: {_settable(mean)}",
        ),
        EncoderEntry(
            "nic:PATH", 128, 0.5, 128, "MIT", torch and h5py,
            "four-task encoder of Tellez et al. (MIDL 2020); PATH is its Keras file encoder_multitask-4.h5",
        ),
        EncoderEntry(
            "random", random.dim, random.spacing, random.tile, "none needed", torch,
            f"the network of nic, untrained, a control; can be set: {_settable(random)}",
        ),
        EncoderEntry(
            "saved:FOLDER", None, None, None, "see its card.json", torch,
            "an encoder that was trained or saved here; the folder alone will do as well",
        ),
        EncoderEntry(
            "timm:MODEL", None, TimmOptions().spacing, None, "none needed", torch and timm,
            "any network of timm with random weights, or timm:MODEL@FILE.safetensors; "
            f"can be set behind a comma: {_settable(TimmOptions())}",
        ),
    ]  # fmt: skip


def table(entries: Sequence[EncoderEntry]) -> str:
    """The entries as text: for each a line of facts, and a line that says what it is."""
    line = "{:15}{:>5}{:>7}{:>9}  {}"
    lines = [line.format("encoder", "dim", "um/px", "tile px", "licence")]
    for entry in entries:
        numbers = ("-" if n is None else f"{n:g}" for n in (entry.dim, entry.spacing, entry.tile))
        lines.append(line.format(entry.name, *numbers, entry.licence))
        lines.append(f"    {entry.note}{'' if entry.available else ' (not installed here)'}")
    return "\n".join(lines)


def _path(name: str, argument: str, given: dict[str, float]) -> Path:
    if given:
        raise EncoderError(
            f"encoder {name!r} has fixed weights and cannot be set {', '.join(given)}; leave it out"
        )
    if not argument:
        raise EncoderError(f"encoder {name!r} lacks the path of its weights; write {name}:PATH")
    return Path(argument).expanduser()


def _settings(kind: type[S], name: str, argument: str, given: dict[str, float]) -> S:
    """Settings from `key=value,key=value` and keywords: known keys only, each once, of their own type."""
    pairs = [pair.partition("=") for pair in argument.split(",")] if argument else []
    texts = [(key, value) for key, _, value in pairs] + [(key, str(value)) for key, value in given.items()]
    defaults: dict[str, Any] = asdict(kind())  # type: ignore[call-overload]
    settings: dict[str, Any] = {}
    for key, text in texts:
        if key not in defaults or key in settings:
            fault = "is set twice" if key in settings else "cannot be set"
            raise EncoderError(
                f"encoder {name!r}: {key!r} {fault}; can be set, each once: {_settable(kind())}"
            )
        settings[key] = _value(name, key, text, type(defaults[key]))
    return kind(**settings)


def _value(name: str, key: str, text: str, kind: type[int] | type[float]) -> int | float:
    """One setting: a plausible spacing, or a whole number (from 0 for seeds, from 1 for sizes)."""
    low, high = PLAUSIBLE_SPACING
    least = 0 if key == "seed" else 1
    try:
        value = kind(text)
    except ValueError:
        value = None
    if isinstance(value, float) and Spacing.square(value).plausible:
        return value
    if isinstance(value, int) and value >= least:
        return value
    expected = f"{low:g} to {high:g} um/px" if kind is float else f"a whole number from {least}"
    raise EncoderError(f"encoder {name!r}: {key} is {text!r}, expected {expected}")


def _settable(settings: Any) -> str:
    return ", ".join(f"{key}={value}" for key, value in asdict(settings).items())


def _name(kind: str, settings: Any, sign: str = ":") -> str:
    """The shortest name that asks for these settings: those that are not the default, in their own order."""
    changed = [
        f"{f.name}={value}" for f in fields(settings) if (value := getattr(settings, f.name)) != f.default
    ]
    return f"{kind}{sign}{','.join(changed)}" if changed else kind
