"""What can be told of a tile without learning: how much of each stain, and how coarsely it is spread."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from histopress.core.errors import EncoderError
from histopress.encoders.network import Network

HAEMATOXYLIN = (0.650, 0.704, 0.286)
EOSIN = (0.072, 0.990, 0.105)
RESIDUAL = (0.268, 0.570, 0.776)
"""Optical densities of the stains in red, green and blue (Ruifrok and Johnston 2001)."""

BLOCKS = (2, 4, 8, 16, 32)
"""Sides of the blocks over which the spread of a stain is measured, in px of the halved tile."""

DARKNESS = (0.2, 0.4, 0.6, 0.8, 1.0, 1.3)
"""Haematoxylin, as optical density, above which the area is measured."""

SMOOTHED = (1, 2, 4, 8)
"""Sides of the blocks over which haematoxylin is averaged before."""

SOFT = 0.05
"""Width of the step from pale to dark, so that codes change smoothly with the stain."""


@dataclass(frozen=True)
class StainTextureSettings:
    """Settings of `StainTexture`.

    Attributes:
        tile: width and height of the tiles in px, a multiple of 64.
        revision: of the statistics; raised when their definition changes.
    """

    tile: int = 128
    revision: int = 1

    def __post_init__(self) -> None:
        if self.tile % (2 * BLOCKS[-1]):
            raise EncoderError(f"tile is {self.tile} px, expected a multiple of {2 * BLOCKS[-1]}")


class StainTexture(Network):
    """Stain statistics that no weights were learned for.

    The tile is halved and unmixed into haematoxylin and eosin (Ruifrok and Johnston, Anal Quant Cytol Histol
    2001). The code holds the mean optical density of red, green and blue; the mean of both stains; how much
    each stain varies between neighbouring blocks of 2 to 32 px (scale by scale, as a Haar wavelet splits the
    variance); and the share of the tile that is darker than six densities of haematoxylin, after averaging
    over 1 to 8 px: large dark nuclei outlive the averaging, small ones do not. All of it is the same for the
    tile mirrored or turned by quarters.
    """

    def __init__(self, settings: StainTextureSettings) -> None:
        dim = 3 + 2 + 2 * len(BLOCKS) + len(SMOOTHED) * len(DARKNESS)
        super().__init__(settings, dim, "uint8 halved by 2 x 2 means, as optical density -ln((v + 1) / 256)")
        stains = functional.normalize(torch.tensor([HAEMATOXYLIN, EOSIN, RESIDUAL], device="cpu"), dim=1)
        self.unmixing = torch.linalg.inv(stains)[:, :2].tolist()

    def forward(self, tiles: Tensor) -> Tensor:
        """Tiles (batch, tile, tile, 3) uint8 -> statistics (batch, 39) float32."""
        light = functional.avg_pool2d(tiles.permute(0, 3, 1, 2).float(), 2)
        density = -torch.log((light + 1) / 256)
        unmixing = torch.tensor(self.unmixing, device=tiles.device)
        stains = functional.conv2d(density, unmixing.T[:, :, None, None])
        means = [density.mean((2, 3)), stains.mean((2, 3))]
        return torch.cat([*means, *_spread(stains), *_dark(stains[:, :1])], dim=1)


def _spread(stains: Tensor) -> list[Tensor]:
    """Standard deviation of block means within blocks of twice the side, scale by scale."""
    powers = [stains.square().mean((2, 3))]
    powers += [functional.avg_pool2d(stains, side).square().mean((2, 3)) for side in BLOCKS]
    return [(fine - coarse).clamp_min(0).sqrt() for fine, coarse in pairwise(powers)]


def _dark(haematoxylin: Tensor) -> list[Tensor]:
    """Share of the area above each darkness, smoothing by smoothing."""
    maps = [functional.avg_pool2d(haematoxylin, side) for side in SMOOTHED]
    return [((m - level) / SOFT).sigmoid().mean((2, 3)) for m in maps for level in DARKNESS]
