"""What a tile is on one slide, where tiles may lie, and which stored pixels are taken for one."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Box, Size
from histopress.data.patch_source import Place
from histopress.data.patch_squares import WHOLE
from histopress.data.slide import Slide

Floats = NDArray[np.float64]

TOLERANCE = 0.02
"""Where the spacings differ by no more than this share, stored pixels are taken as they are."""


@dataclass(frozen=True)
class Frame:
    """What a tile is on one slide, in level-0 px.

    Attributes:
        width: of a tile.
        height: of a tile; differs from the width where pixels are not square.
        size: of the slide.
    """

    width: float
    height: float
    size: Size

    @classmethod
    def on(cls, slide: Slide, field: float) -> Frame:
        """The frame of tiles that show a square of the slide.

        Args:
            slide: open.
            field: width of a tile in um.
        """
        return cls(_whole(field / slide.spacing.x), _whole(field / slide.spacing.y), slide.size)

    @property
    def fits(self) -> float:
        """How much of a tile's width or height the slide has at least, 1 at most."""
        return min(1.0, self.size.width / self.width, self.size.height / self.height)

    def scaled(self, factor: float) -> Frame:
        """A frame of tiles that show more or less."""
        return Frame(self.width * factor, self.height * factor, self.size)

    def inside(self, lefts: Floats, tops: Floats) -> tuple[Floats, Floats]:
        """The upper left corners, on whole px, shifted so that tiles lie inside the slide.

        Args:
            lefts: (n,) px.
            tops: (n,) px.
        """
        return _inside(lefts, self.width, self.size.width), _inside(tops, self.height, self.size.height)

    def lattice(self, stride: float) -> tuple[Floats, Floats]:
        """The upper left corners of all whole tiles of a lattice from the slide's origin, row by row.

        Args:
            stride: distance of neighbours in widths of a tile.
        """
        cols = _steps(self.width, stride, self.size.width)
        rows = _steps(self.height, stride, self.size.height)
        tops, lefts = np.meshgrid(rows, cols, indexing="ij")
        return self.inside(lefts.ravel(), tops.ravel())


def _whole(px: float) -> float:
    return float(round(px)) if abs(px - round(px)) < WHOLE else px


def _inside(starts: Floats, length: float, whole: int) -> Floats:
    room = whole - length
    if room < 0:
        return np.full(len(starts), room / 2, np.float64)
    return np.clip(np.round(starts), 0.0, float(math.floor(room + WHOLE)))


def _steps(length: float, stride: float, whole: int) -> Floats:
    count = math.floor((whole - length) / (length * stride) + WHOLE) + 1
    return np.arange(max(1, count), dtype=np.float64) * (length * stride)


def box_of(slide: Slide, place: Place, tile: int) -> Box:
    """The level-0 px that a tile is made of, inside the slide where it is large enough.

    Args:
        slide: open.
        place: on it.
        tile: px a side; stored px are taken as they are if a whole number of them is nearly one of a tile.
    """
    height = place.width * slide.spacing.x / slide.spacing.y
    frame = Frame(_native(place.width, tile), _native(height, tile), slide.size)
    left, top = place.x - frame.width / 2, place.y - frame.height / 2
    lefts, tops = frame.inside(np.array([left]), np.array([top]))
    return Box(float(lefts[0]), float(tops[0]), frame.width, frame.height)


def _native(length: float, tile: int) -> float:
    near = max(1, round(length / tile)) * tile
    return float(near) if abs(length / near - 1) <= TOLERANCE else length


def generator(seed: int, *names: str) -> np.random.Generator:
    """The same draws for the same seed and names, whatever other files there are."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])
