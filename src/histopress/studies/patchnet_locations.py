"""Where the locations of a map lie in the picture, and the map laid over it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it


@dataclass(frozen=True)
class Locations:
    """Where the locations of a map lie: the same along both axes.

    Location i stands for the pixels from `offset + i * stride` on, `field` of them.

    Attributes:
        stride: px from one location to the next.
        field: px that a location stands for: all that it sees, for networks whose receptive field is known.
        offset: first pixel of the first location.
    """

    stride: int
    field: int
    offset: int = 0

    def square(self, row: int, col: int) -> tuple[int, int, int]:
        """(top, left, side) in px of what a location stands for."""
        return self.offset + row * self.stride, self.offset + col * self.stride, self.field

    @property
    def centre(self) -> float:
        """Px from the middle of the first pixel to the middle of the first location."""
        return self.offset + (self.field - 1) / 2


def over_picture(maps: Tensor, locations: Locations, height: int, width: int) -> Tensor:
    """Maps (batch, classes, rows, cols) -> (batch, classes, height, width), linear between the middles.

    Pixels beyond the outermost middles have the value of the nearest one.
    """
    rows, cols = maps.shape[2:]
    down, right = (_reach(*axis, locations, maps.device) for axis in ((height, rows), (width, cols)))
    places = torch.stack([right.expand(height, width), down[:, None].expand(height, width)], dim=-1)
    grid = places.to(maps.dtype).expand(len(maps), -1, -1, -1)
    return F.grid_sample(maps, grid, padding_mode="border", align_corners=True)


def _reach(pixels: int, count: int, locations: Locations, device: torch.device) -> Tensor:
    """(pixels,) where each pixel falls between the first (-1) and the last (+1) of so many locations."""
    index = (torch.arange(pixels, device=device) - locations.centre) / locations.stride
    return 2 * index / max(count - 1, 1) - 1
