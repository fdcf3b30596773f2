"""Any network of the timm library without its classifier; weights from a file, or drawn.

Foundation encoders are such networks too: with settings of their own, and often codes made of several tokens.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from histopress.core.errors import EncoderError, MissingExtraError
from histopress.encoders.layouts import from_transformers
from histopress.encoders.network import ImageNetwork, PixelScale
from histopress.encoders.pickled import refuse_pickled

if TYPE_CHECKING:
    from histopress.encoders.encoder import NetworkEncoder

Pooling = Literal["model", "class", "mean", "class+mean"]
LAYERS = {"mlp_layer": ("SwiGLUPacked", "SwiGLU", "GluMlp", "Mlp")}
"""Settings of the constructor that are classes of timm, by their name, and those that may be named."""


@dataclass(frozen=True)
class TimmSettings:
    """Settings of `TimmNetwork`; complete, so that another version of timm changes nothing.

    Attributes:
        model: name in timm.
        tile: width and height of a tile in px.
        mean: of red, green and blue, subtracted from pixels of 0 to 1.
        deviation: of red, green and blue, by which they are then divided.
        pooling: what a code is: whatever the model makes of its tokens, its class token, the mean over the
            tokens of its patches, or class token and mean, one behind the other.
        prefix: tokens before those of the patches: class token and registers; counts for poolings of tokens.
        constructor: settings of the architecture that differ from timm's own, as plain values.
    """

    model: str
    tile: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    pooling: Pooling = "model"
    prefix: int = 1
    constructor: dict[str, bool | int | float | str | None] = field(default_factory=dict)


class TimmNetwork(ImageNetwork):
    """A network of timm that ends where its classifier would begin; its weights are drawn from the seed.

    Torch's own random state is left alone, and the network is always made on the CPU.

    Args:
        settings: of the network.
        seed: of the weights; None leaves them without memory, for others to take their place.
    """

    def __init__(self, settings: TimmSettings, seed: int | None = 0) -> None:
        with torch.device("meta" if seed is None else "cpu"), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed or 0)
            model = _create(settings)
        mean, deviation = (", ".join(f"{v:g}" for v in t) for t in (settings.mean, settings.deviation))
        super().__init__(
            settings,
            _dim(model, settings),
            f"uint8 0..255 scaled linearly to 0..1, minus ({mean}), divided by ({deviation})",
        )
        self.model = model
        self.pooling, self.prefix = settings.pooling, settings.prefix
        scale = [1 / (255 * d) for d in settings.deviation]
        shift = [-m / d for m, d in zip(settings.mean, settings.deviation, strict=True)]
        self.pixels = PixelScale(1, (scale[0], scale[1], scale[2]), (shift[0], shift[1], shift[2]))

    def forward(self, tiles: Tensor) -> Tensor:
        """Tiles (batch, tile, tile, 3) uint8 -> codes (batch, dim) float32."""
        scale, shift = torch.tensor([self.pixels.scale, self.pixels.shift], device=tiles.device)
        return self.codes((tiles * scale).add_(shift).permute(0, 3, 1, 2))

    def codes(self, images: Tensor) -> Tensor:
        """Images (batch, 3, tile, tile) -> codes (batch, dim), in the type of the images."""
        if self.pooling == "model":
            codes: Tensor = self.model(images)
            return codes
        tokens: Tensor = self.model.forward_features(images)
        mean = tokens[:, self.prefix :].float().mean(1).to(tokens.dtype)
        if self.pooling == "mean":
            return mean
        return tokens[:, 0] if self.pooling == "class" else torch.cat([tokens[:, 0], mean], 1)


def _dim(model: Any, settings: TimmSettings) -> int:
    """Length of a code.

    Raises:
        EncoderError: the model has no tokens to pool, or others than the settings say.
    """
    if settings.pooling == "model":
        return int(getattr(model, "head_hidden_size", None) or model.num_features)
    found = getattr(model, "num_prefix_tokens", None)
    if found != settings.prefix or (
        settings.pooling != "mean" and not getattr(model, "has_class_token", True)
    ):
        raise EncoderError(
            f"timm {settings.model} has {found or 'no'} tokens before its patches, expected "
            f"{settings.prefix} for a pooling of {settings.pooling}; use pooling model, or state its prefix"
        )
    return int(model.num_features) * (2 if settings.pooling == "class+mean" else 1)


def load_timm(
    model: str, weights: Path | None, *, spacing: float, tile: int | None, seed: int, name: str
) -> NetworkEncoder:
    """A network of timm as an encoder; nothing is ever downloaded.

    Args:
        model: name in timm.
        weights: safetensors file in timm's names, a classifier in it is left out; None draws weights.
        spacing: um/px of the tiles; 0.5 is common, but only the makers of the weights know.
        tile: width and height of the tiles in px; None is what timm states for the model.
        seed: of drawn weights.
        name: stands on the card.

    Raises:
        EncoderError: no such model, it cannot take such tiles, or the weights are not its own.
        MissingExtraError: timm is not installed.
    """
    from histopress.encoders.encoder import NetworkEncoder

    settings = stated_settings(model, tile)
    network = TimmNetwork(settings, seed) if weights is None else filled(settings, weights)
    drawn = f"random weights, drawn from seed {seed}: nothing was learned"
    return NetworkEncoder(
        network,
        name=name,
        spacing=spacing,
        licence="none needed" if weights is None else "not stated",
        source=f"timm {model}; {drawn if weights is None else f'weights of {weights.name}'}",
    )


def stated_settings(model: str, tile: int | None = None) -> TimmSettings:
    """What timm states about the tiles of a model; another size of tile may be asked for."""
    timm = _timm()
    if not timm.is_model(model):
        near = difflib.get_close_matches(model, timm.list_models(), n=3) or timm.list_models(f"*{model}*")[:3]
        hint = f"did you mean {', '.join(near)}? " if near else ""
        raise EncoderError(
            f"timm {timm.__version__} has no model {model!r}; {hint}`timm.list_models()` names them all"
        )
    known = timm.models.get_pretrained_cfg(model)
    stated = timm.data.resolve_data_config({}, pretrained_cfg=known.to_dict() if known else {})
    return TimmSettings(model, tile or stated["input_size"][1], tuple(stated["mean"]), tuple(stated["std"]))


def _create(settings: TimmSettings) -> Any:
    """The bare model; those that must be told the size of their images are told."""
    timm = _timm()
    known = timm.models.get_pretrained_cfg(settings.model)
    told = {"img_size": settings.tile} if known is not None and known.fixed_input_size else {}
    try:
        given = told | _constructor(timm, settings.constructor)
        return timm.create_model(settings.model, pretrained=False, num_classes=0, **given).eval()
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise EncoderError(
            f"timm cannot make {settings.model} for tiles of {settings.tile} px: {error}; leave out the tile"
        ) from error


def _constructor(timm: Any, plain: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for the constructor of a model, where some names stand for classes of timm."""
    given = dict(plain)
    for name, allowed in LAYERS.items():
        if name in given:
            if given[name] not in allowed:
                raise ValueError(f"{name} is {given[name]!r}, expected one of {', '.join(allowed)}")
            given[name] = getattr(timm.layers, given[name])
    return given


def _timm() -> Any:
    if find_spec("timm") is None:
        raise MissingExtraError("timm is not installed; pip install 'histopress[foundation]'")
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # such as a torchvision that was built for another torch
        raise MissingExtraError(
            f"timm cannot be imported ({error}); install torch and torchvision as a pair that fits"
        ) from error
    return timm


def filled(settings: TimmSettings, path: Path, layout: str = "timm") -> TimmNetwork:
    """A network with the weights of a file, as float32; it is drawn only if timm makes tables of its own.

    Args:
        settings: of the network.
        path: safetensors file; a classifier in it is left out.
        layout: whose names its weights bear, "timm" or "transformers".

    Raises:
        EncoderError: pickled or damaged, or the weights are not those of the network.
    """
    weights = _read(path)
    try:
        weights = from_transformers(weights) if layout == "transformers" else weights
    except EncoderError as error:
        raise EncoderError(f"{path}: {error}") from error
    network = TimmNetwork(settings, None)
    _load_weights(network, weights, path)
    if any(table.is_meta for table in network.buffers()):
        network = TimmNetwork(settings, 0)
        _load_weights(network, weights, path)
    return network


def _read(path: Path) -> dict[str, Tensor]:
    refuse_pickled(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise EncoderError(
            f"{path} cannot be read as safetensors: {error}; give the model.safetensors of the model"
        ) from error


def _load_weights(network: TimmNetwork, found: Mapping[str, Tensor], path: Path) -> None:
    """Replace the weights of a network, leaving out a classifier."""
    classifier = tuple(f"{name}." for name in _classifiers(network.model))
    wanted = network.model.state_dict()
    kept = _counters(wanted) | {
        name: weight.to(wanted[name].dtype) if name in wanted else weight
        for name, weight in found.items()
        if name in wanted or not (classifier and name.startswith(classifier))
    }
    wrong = [
        f"{name} is {tuple(kept[name].shape) if name in kept else 'missing'}, "
        f"expected {tuple(wanted[name].shape) if name in wanted else 'nothing of this name'}"
        for name in sorted({*wanted, *kept})
        if name not in wanted or name not in kept or wanted[name].shape != kept[name].shape
    ]
    if wrong:
        raise EncoderError(
            f"{path}: {len(wrong)} weights do not fit timm {network.settings.model}, "  # type: ignore[attr-defined]
            f"the first: {'; '.join(wrong[:3])}; is it the file of another model?"
        )
    network.model.load_state_dict(kept, assign=True)


def _counters(wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """How many batches each norm has seen, which nobody needs and many files leave out."""
    return {
        name: torch.zeros(value.shape, dtype=value.dtype, device="cpu")
        for name, value in wanted.items()
        if name.endswith("num_batches_tracked")
    }


def _classifiers(model: Any) -> tuple[str, ...]:
    """Names of the layers that timm left out."""
    names = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)
