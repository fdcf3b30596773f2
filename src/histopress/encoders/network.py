"""What every network behind an encoder is: tiles of pixels in, codes out, built from plain settings."""

from __future__ import annotations

from typing import Protocol

from torch import nn


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
