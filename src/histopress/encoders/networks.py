"""Networks that turn uint8 tiles into codes, built from plain settings that a card can hold."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from histopress.core.errors import EncoderError, RecipeError
from histopress.core.recipe import build, plain
from histopress.encoders.network import ImageNetwork, Network, PixelScale, Settings
from histopress.encoders.texture import StainTexture, StainTextureSettings
from histopress.encoders.timm_encoder import TimmNetwork, TimmSettings
from histopress.encoders.turned_conv import (
    TurnedConv,
    TurnedConvSettings,
    TurnedPyramid,
    TurnedPyramidSettings,
)


@dataclass(frozen=True)
class MeanColourSettings:
    """Settings of `MeanColour`: width and height of a tile in px."""

    tile: int


@dataclass(frozen=True)
class StridedConvSettings:
    """Settings of `StridedConv`; the defaults are the four-task encoder of Tellez et al. (MIDL 2020).

    Attributes:
        tile: width and height of a tile in px.
        shrink: tiles are first averaged over blocks of this many px a side, 1 to 8.
        filters: of each convolution, 3 x 3 with stride 2 and no padding.
        hidden: units of the dense layers before the code.
        dim: length of a code.
        slope: of the leaky ReLU below zero.
        epsilon: added to the variance by batch norm.
        norm_first: batch norm stands before the activation rather than after it.
    """

    tile: int = 128
    shrink: int = 2
    filters: tuple[int, ...] = (128, 128, 128, 128)
    hidden: tuple[int, ...] = ()
    dim: int = 128
    slope: float = 0.2
    epsilon: float = 1e-3
    norm_first: bool = False

    def __post_init__(self) -> None:
        if min(self.tile, self.dim, *self.filters, *self.hidden) < 1:
            raise EncoderError(f"every size of a network must be at least 1, found {self}")
        if not 1 <= self.shrink <= 8 or self.tile % self.shrink:
            raise EncoderError(
                f"shrink is {self.shrink}, expected a divisor of the tile ({self.tile} px) from 1 to 8"
            )
        smallest = (2 ** (len(self.filters) + 1) - 1) * self.shrink
        if self.tile < smallest:
            raise EncoderError(
                f"tiles of {self.tile} px are too small for {len(self.filters)} convolutions after shrinking "
                f"by {self.shrink}, expected at least {smallest} px; use larger tiles or fewer convolutions"
            )

    @property
    def sides(self) -> list[int]:
        """Width and height in px of the shrunk tile and after each convolution."""
        sides = [self.tile // self.shrink]
        for _ in self.filters:
            sides.append((sides[-1] - 3) // 2 + 1)
        return sides


class MeanColour(Network):
    """The mean of each colour over a tile, 0 to 1.

    Sums are whole numbers, so that no flip or rotation of a tile changes a single bit of its code.
    """

    def __init__(self, settings: MeanColourSettings) -> None:
        super().__init__(settings, dim=3, normalisation="uint8 0..255 scaled linearly to 0..1")

    def forward(self, tiles: Tensor) -> Tensor:
        """Tiles (batch, tile, tile, 3) uint8 -> mean red, green and blue (batch, 3) float32."""
        columns = tiles.flatten(2).sum(1, dtype=torch.int32)
        sums: Tensor = columns.view(-1, self.tile, 3).sum(1).double()
        return (sums / (255 * self.tile**2)).float()


class StridedConv(ImageNetwork):
    """Strided 3 x 3 convolutions, flattened, then dense layers down to the code.

    Leaky ReLU and batch norm follow each convolution and each hidden dense layer. The last map is flattened
    with channels last, as Keras does, so that dense weights can be exchanged with it.
    """

    def __init__(self, settings: StridedConvSettings) -> None:
        pooled = f", then mean over {settings.shrink} x {settings.shrink} px" if settings.shrink > 1 else ""
        super().__init__(settings, settings.dim, f"uint8 0..255 scaled linearly to -1..+1{pooled}")
        self.shrink = settings.shrink
        self.pixels = PixelScale(settings.shrink, (2 / 255,) * 3, (-1.0,) * 3)
        widths = (3, *settings.filters)
        units = (widths[-1] * settings.sides[-1] ** 2, *settings.hidden)
        self.trunk = nn.Sequential(
            *(
                _block("conv", nn.Conv2d(before, after, 3, 2), nn.BatchNorm2d(after), settings)
                for before, after in pairwise(widths)
            )
        )
        self.hidden = nn.Sequential(
            *(
                _block("dense", nn.Linear(before, after), nn.BatchNorm1d(after), settings)
                for before, after in pairwise(units)
            )
        )
        self.code = nn.Linear(units[-1], settings.dim)

    def forward(self, tiles: Tensor) -> Tensor:
        """Tiles (batch, tile, tile, 3) uint8 -> codes (batch, dim) float32."""
        return self.codes(self.prepare(tiles))

    def prepare(self, tiles: Tensor) -> Tensor:
        """Tiles (batch, tile, tile, 3) uint8 -> images (batch, 3, side, side) float32, -1 to +1."""
        pixels, step = tiles.to(torch.int16), self.shrink
        rows = sum((pixels[:, i::step] for i in range(1, step)), pixels[:, ::step])
        sums = sum((rows[:, :, i::step] for i in range(1, step)), rows[:, :, ::step])
        return sums.permute(0, 3, 1, 2).float().mul_(2 / (255 * step**2)).sub_(1)

    def codes(self, images: Tensor) -> Tensor:
        """Images (batch, 3, side, side), -1 to +1 -> codes (batch, dim), in the type of the images."""
        maps: Tensor = self.trunk(images)
        codes: Tensor = self.code(self.hidden(maps.permute(0, 2, 3, 1).flatten(1)))
        return codes


def _block(
    name: str, layer: nn.Module, norm: nn.BatchNorm1d | nn.BatchNorm2d, settings: StridedConvSettings
) -> nn.Sequential:
    norm.eps, norm.momentum = settings.epsilon, 0.2
    activation = nn.LeakyReLU(settings.slope, inplace=True)
    after = [("norm", norm), ("activation", activation)]
    return nn.Sequential(OrderedDict([(name, layer), *(after if settings.norm_first else reversed(after))]))


NETWORKS: dict[str, tuple[type[Any], type[Any]]] = {
    "mean-colour": (MeanColourSettings, MeanColour),
    "strided-conv": (StridedConvSettings, StridedConv),
    "stain-texture": (StainTextureSettings, StainTexture),
    "timm": (TimmSettings, TimmNetwork),
    "turned-conv": (TurnedConvSettings, TurnedConv),
    "turned-pyramid": (TurnedPyramidSettings, TurnedPyramid),
}
"""Name in a card -> settings and network."""


def architecture_of(network: Network) -> dict[str, Any]:
    """Name and settings of a network as plain values, from which `build_network` builds it again."""
    name = next(name for name, (_, kind) in NETWORKS.items() if kind is type(network))
    return {"network": name, **plain(network.settings)}


def build_network(architecture: dict[str, Any], weights: dict[str, Tensor]) -> Network:
    """A network of this architecture with these weights; the global random state is left alone.

    Raises:
        EncoderError: no such network or settings, or weights of other names, shapes or types.
    """
    settings = dict(architecture)
    name = settings.pop("network", None)
    if name not in NETWORKS:
        raise EncoderError(
            f"no network {name!r}, expected one of {', '.join(NETWORKS)}; is this package up to date?"
        )
    settings_kind, kind = NETWORKS[name]
    try:
        network: Network = without_weights(kind, build(settings_kind, settings, where=f"architecture {name}"))
    except RecipeError as error:
        raise EncoderError(str(error)) from error
    _check_weights(network, weights)
    network.load_state_dict(weights, assign=True)
    return network


def without_weights(kind: type[Any], settings: Settings) -> Any:
    """A network of this kind whose weights are to be filled; leaves torch's random numbers as they are.

    Torch's device "meta" would be tidier, but imports half a second of libraries.
    """
    with torch.random.fork_rng(devices=[]):
        return kind(settings)


def _check_weights(network: Network, weights: dict[str, Tensor]) -> None:
    wanted = {name: (tuple(w.shape), w.dtype) for name, w in network.state_dict().items()}
    found = {name: (tuple(w.shape), w.dtype) for name, w in weights.items()}
    wrong = [
        f"{name} is {found.get(name, 'missing')}, expected {wanted.get(name, 'nothing of this name')}"
        for name in sorted({*wanted, *found})
        if wanted.get(name) != found.get(name)
    ]
    if wrong:
        raise EncoderError(f"{len(wrong)} weights do not fit the network, the first: {'; '.join(wrong[:3])}")


def draw_weights(network: nn.Module, seed: int) -> None:
    """Draw fresh weights in place, the same on every machine for one seed, as Keras initialises them.

    Convolutions are He-uniform, dense layers Glorot-uniform, biases zero, batch norm does nothing yet.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            _draw(layer, math.sqrt(6 / layer.weight[0].numel()), generator)
        elif isinstance(layer, nn.Linear):
            _draw(layer, math.sqrt(6 / (layer.in_features + layer.out_features)), generator)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.reset_parameters()


def _draw(layer: nn.Conv2d | nn.Linear, bound: float, generator: torch.Generator) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.rand(layer.weight.shape, generator=generator).mul_(2).sub_(1).mul_(bound))
        if layer.bias is not None:
            layer.bias.zero_()
