"""What every network behind an encoder is: tiles of pixels in, codes out, built from plain settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn


class Settings(Protocol):
    """A frozen dataclass of plain values, from which a network is built."""

    @property
    def tile(self) -> int:
        """Width and height of a tile in px."""


class Network(nn.Module):
    """uint8 tiles (batch, tile, tile, 3) -> codes (batch, dim) float32; can be trained; checks nothing.

    Attributes:
        settings: what it was built from.
        tile: width and height of a tile in px.
        dim: length of a code.
        normalisation: how uint8 pixels become numbers, in words.
    """

    def __init__(self, settings: Settings, dim: int, normalisation: str) -> None:
        super().__init__()
        self.settings = settings
        self.tile = settings.tile
        self.dim = dim
        self.normalisation = normalisation


@dataclass(frozen=True)
class PixelScale:
    """How pixels become images: the mean over blocks of pixels, times scale plus shift.

    Attributes:
        shrink: side of the blocks in px; 1 leaves the pixels alone.
        scale: of red, green and blue, for pixels of 0 to 255.
        shift: of red, green and blue.
    """

    shrink: int
    scale: tuple[float, float, float]
    shift: tuple[float, float, float]


class ImageNetwork(Network):
    """A network that scales its pixels colour by colour, and computes codes from the images.

    It says so in two parts, so that the scaling may move into its first layer, and numbers of lower
    precision may be used.

    Attributes:
        pixels: how pixels become images.
    """

    pixels: PixelScale

    def codes(self, images: Tensor) -> Tensor:
        """Images (batch, 3, height, width) -> codes (batch, dim), in the type of the images."""
        raise NotImplementedError

    def plain(self) -> ImageNetwork:
        """The same function in torch's own layers, for engines that know no others; itself where it is so."""
        return self


def scaled(images: Tensor, pixels: PixelScale, shrunk: int = 1) -> Tensor:
    """Images (batch, 3, height, width), 0 to 1 -> what `ImageNetwork.codes` takes.

    The way of training, where tiles are altered before they are scaled; float32 throughout.

    Args:
        images: of full size, or means of blocks.
        pixels: what the network wants.
        shrunk: side of the blocks in px; divides `pixels.shrink`.
    """
    if pixels.shrink > shrunk:
        images = nn.functional.avg_pool2d(images, pixels.shrink // shrunk)
    scale, shift = torch.tensor([pixels.scale, pixels.shift], device=images.device)
    ready: Tensor = images * (scale * 255)[:, None, None] + shift[:, None, None]
    return ready
