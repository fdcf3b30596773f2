"""Pixels -> a pyramidal, tiled JPEG TIFF that OpenSlide and every viewer open with the right spacing."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from histopress.core.files import whole
from histopress.core.geometry import Size, Spacing
from histopress.data.slide import RGB
from histopress.data.tiff_pages import Page, TiffPages

Rows = Callable[[int, int], RGB]
"""(start, stop) -> (stop - start, width, 3) uint8: rows of level 0; asked for once, from top to bottom."""

SHARING = {"444": (1, 1), "422": (2, 1), "420": (2, 2)}
"""Pixels along x and y that share one colour."""

LARGE = 1 << 30
"""px; from here on the file is a BigTIFF, as it could grow beyond the 4 GiB that a TIFF can address."""


@dataclass(frozen=True, slots=True)
class _Coding:
    quality: int
    tile: int
    factor: int
    subsampling: str

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError(f"JPEG quality {self.quality}, expected 1 to 100")
        if self.tile < 16 or self.tile % 16:
            raise ValueError(f"tiles of {self.tile} px, expected a multiple of 16")
        if self.factor not in (2, 4):
            raise ValueError(f"levels {self.factor} times coarser, expected 2 or 4")
        if self.subsampling not in SHARING:
            raise ValueError(f"subsampling {self.subsampling!r}, expected one of {', '.join(SHARING)}")


def write_slide(
    path: str | Path,
    size: Size,
    spacing: Spacing,
    rows: Rows | RGB,
    *,
    quality: int = 85,
    tile: int = 256,
    factor: int = 2,
    subsampling: str = "420",
) -> None:
    """Write a slide; the file is whole or absent.

    Memory holds a few bands of tiles whatever the height of the slide, if `rows` is a function. Each level is
    made of means of the pixels of the one above it, before JPEG touches them; the last level is the first
    that fits one tile.

    Args:
        path: ends in .tif or .tiff.
        size: of level 0.
        spacing: um/px of level 0.
        rows: (height, width, 3) uint8, or a function that gives bands of rows from top to bottom.
        quality: of JPEG, 1 to 100.
        tile: px a side of the stored tiles, a multiple of 16.
        factor: how many times coarser each level is than the one above it, 2 or 4.
        subsampling: of colour: "444" keeps it sharp, "422" halves it along x, "420" both ways as scanners do.

    Raises:
        ValueError: an option is out of range, or `rows` gives arrays of another shape or type than asked for.
    """
    coding = _Coding(quality, tile, factor, subsampling)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryFile(dir=path.parent) as spool,
        whole(path) as partial,
        partial.open("wb") as file,
    ):
        pages = TiffPages(file, big=size.width * size.height >= LARGE)
        first = _Level(size, coding, spool)
        pages.append(first.page(spacing, reduced=False), _tiles(first, rows))
        for level in first.lower():
            spacing = spacing.scaled(factor, factor)
            pages.append(level.page(spacing, reduced=True), level.spooled())


def _tiles(level: _Level, rows: Rows | RGB) -> Iterator[bytes]:
    """The tiles of level 0; those of the levels below it are spooled on the way."""
    size, step = level.size, level.coding.tile
    for start in range(0, size.height, step):
        stop = min(start + step, size.height)
        band = rows(start, stop) if callable(rows) else rows[start:stop]
        if band.shape != (stop - start, size.width, 3) or band.dtype != np.uint8:
            raise ValueError(
                f"rows {start} to {stop} are {band.shape} {band.dtype}, "
                f"expected {(stop - start, size.width, 3)} uint8"
            )
        yield from level.push(band, last=stop == size.height)


class _Level:
    """One resolution in the making: takes rows from above, gives tiles, and hands merged rows to the next."""

    def __init__(self, size: Size, coding: _Coding, spool: IO[bytes]) -> None:
        self.size, self.coding, self.spool = size, coding, spool
        self.waiting: list[RGB] = []
        self.places: list[tuple[int, int]] = []
        smaller = Size(math.ceil(size.width / coding.factor), math.ceil(size.height / coding.factor))
        self.below = _Level(smaller, coding, spool) if max(size.shape) > coding.tile else None

    def lower(self) -> Iterator[_Level]:
        """The levels below this one, finest first."""
        level = self.below
        while level is not None:
            yield level
            level = level.below

    def page(self, spacing: Spacing, reduced: bool) -> Page:
        """What the page of this level is like."""
        return Page(self.size, spacing, self.coding.tile, SHARING[self.coding.subsampling], reduced)

    def push(self, rows: RGB, last: bool) -> Iterator[bytes]:
        """Take rows; gives encoded tiles whenever a band of them is full."""
        self.waiting.append(rows)
        if not last and sum(map(len, self.waiting)) < self.coding.tile:
            return
        band = np.concatenate(self.waiting)
        self.waiting.clear()
        if self.below is not None:
            self.below.keep(_merge(band, self.coding.factor), last)
        yield from _encode(band, self.coding)

    def keep(self, rows: RGB, last: bool) -> None:
        """Take rows; encoded tiles wait in the spool until the level above is written."""
        for tile in self.push(rows, last):
            self.places.append((self.spool.seek(0, 2), len(tile)))
            self.spool.write(tile)

    def spooled(self) -> Iterator[bytes]:
        """The tiles that were kept."""
        for offset, length in self.places:
            self.spool.seek(offset)
            yield self.spool.read(length)


def _merge(band: RGB, factor: int) -> RGB:
    """Means of factor x factor pixels, of fewer at the far edges."""
    from PIL import Image

    return np.asarray(Image.fromarray(band).reduce(factor))


def _encode(band: RGB, coding: _Coding) -> Iterator[bytes]:
    """JPEG tiles from left to right; what they lack at the far edges repeats the last pixel."""
    import simplejpeg

    height, width, _ = band.shape
    side = coding.tile
    padded = np.pad(band, ((0, -height % side), (0, -width % side), (0, 0)), mode="edge")
    for left in range(0, width, side):
        tile = np.ascontiguousarray(padded[:, left : left + side])
        yield simplejpeg.encode_jpeg(tile, coding.quality, "RGB", coding.subsampling)
