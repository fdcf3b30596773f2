"""How each kind of encoder is made of what stands behind its name; heavy libraries only when one is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histopress.core.errors import EncoderError
from histopress.encoders.foundation import find_model
from histopress.encoders.name_settings import settings_of, shortest_name
from histopress.encoders.plugin import load_script

if TYPE_CHECKING:
    from histopress.encoders.encoder import Encoder


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


@dataclass(frozen=True)
class HubOptions:
    """What can be set of `hf-hub`.

    Attributes:
        spacing: um/px of its tiles; 0 is what its makers state.
        tile: width and height of its tiles in px; 0 is what its makers state.
    """

    spacing: float = 0.0
    tile: int = 0


def _shipped(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.shipped import load_shipped

    if argument or given:
        raise EncoderError(f"encoder {name!r} has fixed weights and cannot be set; write histopress-small")
    return load_shipped()


def _mean_rgb(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.untrained import mean_rgb

    settings = settings_of(PlainSettings, name, argument, given)
    return mean_rgb(settings.spacing, settings.tile, name=shortest_name("mean-rgb", settings))


def _stain_texture(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.untrained import stain_texture

    settings = settings_of(PlainSettings, name, argument, given)
    return stain_texture(settings.spacing, settings.tile, name=shortest_name("stain-texture", settings))


def _random(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.networks import StridedConvSettings
    from histopress.encoders.untrained import random_weights

    settings = settings_of(RandomSettings, name, argument, given)
    network = StridedConvSettings(
        tile=settings.tile, filters=(settings.width,) * settings.depth, dim=settings.dim
    )
    return random_weights(settings.seed, network, settings.spacing, name=shortest_name("random", settings))


def _nic(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.pickled import refuse_pickled
    from histopress.encoders.published import load_nic

    path = _path(name, argument, given)
    refuse_pickled(path)
    return load_nic(path)


def _saved(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.saved import load_kept

    return load_kept(_path(name, argument, given))


def _timm(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.timm_encoder import load_timm

    model, path, options = _with_weights(name, argument, given, TimmOptions)
    shown = f"timm:{model}" if path is None else f"timm:{model}@{path.name}"
    return load_timm(
        model,
        path,
        spacing=options.spacing,
        tile=options.tile or None,
        seed=options.seed,
        name=shortest_name(shown, options, ","),
    )


def _hub(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.hub import cached_weights

    model, path, options = _with_weights(name, argument, given, HubOptions)
    known = find_model(model)
    weights = path or cached_weights(known)
    from histopress.encoders.foundation_encoder import load_foundation

    shown = f"hf-hub:{known.name}" if path is None else f"hf-hub:{known.name}@{path.name}"
    return load_foundation(
        known,
        weights,
        spacing=options.spacing or known.spacing,
        tile=options.tile or known.tile,
        name=shortest_name(shown, options, ","),
    )


def _with_weights(
    name: str, argument: str, given: dict[str, float], kind: type[Any]
) -> tuple[str, Path | None, Any]:
    """`MODEL[@WEIGHTS][,key=value]`; the path of the weights cannot hold a comma."""
    from histopress.encoders.hub import local_weights

    what, _, rest = argument.partition(",")
    model, at, weights = what.partition("@")
    if not model or (at and not weights):
        start = name.partition(":")[0]
        raise EncoderError(
            f"encoder {name!r} lacks a part; write {start}:MODEL or {start}:MODEL@FILE.safetensors"
        )
    options = settings_of(kind, name, rest, given)
    try:
        return model, local_weights(Path(weights).expanduser()) if weights else None, options
    except EncoderError as error:
        raise EncoderError(f"encoder {name!r}: {error}") from error


def _onnx(name: str, argument: str, given: dict[str, float]) -> Encoder:
    from histopress.encoders.onnx_encoder import load_onnx
    from histopress.encoders.onnx_form import OnnxSettings

    file, _, rest = argument.partition(",")
    if not file:
        raise EncoderError(f"encoder {name!r} lacks its file; write onnx:FILE.onnx,spacing=0.5")
    path = Path(file).expanduser()
    settings = settings_of(OnnxSettings, name, rest, given)
    return load_onnx(path, settings, shortest_name(f"onnx:{path.name}", settings, ","))


def _export(name: str, argument: str, given: dict[str, float]) -> Encoder:
    """Files of torch.export: refused, as torch unpickles parts of them and runs expressions in them."""
    file = argument.partition(",")[0] or "FILE.pt2"
    raise EncoderError(
        f"encoder {name!r}: files of torch.export are refused: to load one, torch unpickles parts of it and "
        "runs expressions in it, and with them any program; where you trust it, turn it into ONNX once: "
        f"torch.onnx.export(torch.export.load({file!r}).module(), (images,), 'model.onnx', dynamo=True, "
        "external_data=False), and use onnx:model.onnx"
    )


LOADERS: dict[str, Callable[[str, str, dict[str, float]], Encoder]] = {
    "export": _export,
    "hf-hub": _hub,
    "histopress-small": _shipped,
    "mean-rgb": _mean_rgb,
    "nic": _nic,
    "onnx": _onnx,
    "random": _random,
    "saved": _saved,
    "script": load_script,
    "stain-texture": _stain_texture,
    "timm": _timm,
}
"""What stands before the colon -> how the encoder is made."""


def _path(name: str, argument: str, given: dict[str, float]) -> Path:
    if given:
        raise EncoderError(
            f"encoder {name!r} has fixed weights and cannot be set {', '.join(given)}; leave it out"
        )
    if not argument:
        raise EncoderError(f"encoder {name!r} lacks the path of its weights; write {name}:PATH")
    return Path(argument).expanduser()
