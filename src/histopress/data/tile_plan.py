"""Which stored tiles the cells of a lattice need: each is decoded once and kept until its last use."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Box, Lattice, Size
from histopress.data.damage import Damage
from histopress.data.resample import TINY, margin_of, resample
from histopress.data.slide import RGB, WHITE, white_around
from histopress.data.slide_facts import Level
from histopress.data.source import Source
from histopress.data.tile_cache import Place, Tile, TileCache
from histopress.data.tile_codec import SCALES

if TYPE_CHECKING:
    from histopress.data.jpeg_slide import JpegSlide


TOGETHER = 8
"""Cells whose stored tiles are decoded and then cut, while both lie in the processor's cache."""


class PlannedCells:
    """Reads cells of a `JpegSlide`; their pixels are those of `Slide.read`, bit for bit."""

    def __init__(
        self, slide: JpegSlide, source: Source, lattice: Lattice, cells: NDArray[np.int32], memory: int
    ) -> None:
        self._slide = slide
        self.source = source
        self._lattice = lattice
        self._cells = cells
        self._side = Size(lattice.tile, lattice.tile)
        self._whole = is_whole(source, lattice, 1)
        self._spans = spans_of(lattice, cells, source, slide.tile_of(source))
        shape = slide.shape_of(source)
        self._cache = TileCache(partial(slide.load, source), memory, count_uses(self._spans, shape))

    @property
    def decoded(self) -> int:
        """Stored tiles that were decoded so far."""
        return self._cache.decoded

    @property
    def held_bytes(self) -> int:
        """Bytes of decoded tiles that are kept for cells to come."""
        return self._cache.held_bytes

    def read(self, start: int, stop: int, damage: Damage) -> RGB:
        """See `CellReader.read`."""
        pixels = np.empty((stop - start, *self._side.shape, 3), np.uint8)
        for first in range(start, stop, TOGETHER):
            self._fill(first, pixels[first - start : first - start + TOGETHER], damage)
        return pixels

    def _fill(self, start: int, pixels: RGB, damage: Damage) -> None:
        """Read some cells into (cells, tile, tile, 3) pixels."""
        stop = start + len(pixels)
        needed = [_places(*span) for span in self._spans[start:stop].tolist()]
        tiles = self._cache.get(sorted(set(chain.from_iterable(needed))))
        self._without_damage(tiles, dict(enumerate(needed, start)), damage)
        fill = self._copy if self._whole else self._resample
        for cell, places, picture in zip(self._cells[start:stop].tolist(), needed, pixels, strict=True):
            box = self.source.box(self._lattice.box(*cell))
            fill(box, {place: tiles[place] for place in places}, picture)
        self._cache.release(chain.from_iterable(needed))

    def _copy(self, box: Box, tiles: dict[Place, Tile], picture: RGB) -> None:
        """The picture of a cell whose px are those of the source."""
        x, y = round(box.x), round(box.y)
        inside = picture[: self.source.size.height - y, : self.source.size.width - x]
        if inside.shape != picture.shape:
            picture[:] = WHITE
        self._slide.paste(self.source, tiles, x, y, inside)

    def _resample(self, box: Box, tiles: dict[Place, Tile], picture: RGB) -> None:
        inside = partial(self._slide.assemble, self.source, partial(_look_up, tiles))
        picture[:] = resample(partial(white_around, inside, self.source.size), box, self._side)

    def _without_damage(
        self, tiles: dict[Place, Tile], needed: dict[int, list[Place]], damage: Damage
    ) -> None:
        """Put white in the place of damaged tiles, and note which cells they touch."""
        if damage.on_bad_tile == "fail":
            return  # the tile fails where it is used
        for place, found in self._slide.whiten(self.source, tiles).items():
            for number in (number for number, places in needed.items() if place in places):
                damage.add(self._slide.path, found, number)


def _look_up(tiles: dict[Place, Tile], places: Sequence[Place]) -> dict[Place, Tile]:
    return {place: tiles[place] for place in places}


def _places(first_row: int, last_row: int, first_col: int, last_col: int) -> list[Place]:
    return [(row, col) for row in range(first_row, last_row + 1) for col in range(first_col, last_col + 1)]


def averaged(source: Source, lattice: Lattice, level: Level) -> Source:
    """The source whose px are means over blocks of this one, if the lattice asks for just these.

    Args:
        source: a level as it is stored.
        lattice: of the slide.
        level: that the source shows.
    """
    factor = next((scale for scale in SCALES if is_whole(source, lattice, scale)), 1)
    return Source.of(source.level, level, factor)


def is_whole(source: Source, lattice: Lattice, factor: int) -> bool:
    """Whether each px of a cell is made of just `factor` x `factor` px of a source."""
    return all(
        abs(found - round(found)) < TINY and abs(side - factor * lattice.tile) < TINY
        for box in (source.box(lattice.box(0, 0)), source.box(lattice.box(lattice.rows, lattice.cols)))
        for found, side in ((box.x / factor, box.width), (box.y / factor, box.height))
    )


def spans_of(lattice: Lattice, cells: NDArray[np.int32], source: Source, tile: Size) -> NDArray[np.int32]:
    """The stored tiles that each cell needs.

    Args:
        lattice: of the slide.
        cells: (tiles, 2) row and col.
        source: that cells are read from.
        tile: px of a decoded tile of it.

    Returns:
        (tiles, 4) int32 first and last row, first and last column of stored tiles; none where the last is
        before the first.
    """
    corner, side = source.box(lattice.box(0, 0)), Size(lattice.tile, lattice.tile)
    margin = max(margin_of(source.box(lattice.box(n, n)), side) for n in (0, 1, max(lattice.shape)))
    step = np.array([corner.height, corner.width])
    first = np.array([corner.y, corner.x]) + cells * step - margin
    last = first + step + 2 * margin
    unit, size = np.array(tile.shape), np.array(source.size.shape)
    tiny = 1e-6
    low = np.maximum(np.floor(first + tiny), 0) // unit
    high = (np.minimum(np.ceil(last - tiny), size) - 1) // unit
    return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1).astype(np.int32)


def count_uses(spans: NDArray[np.int32], shape: tuple[int, int]) -> NDArray[np.int32]:
    """How many cells need each stored tile, (rows, cols) int32."""
    uses = np.zeros(shape, np.int32)
    heights, widths = spans[:, 1] - spans[:, 0] + 1, spans[:, 3] - spans[:, 2] + 1
    for down in range(int(heights.max(initial=0))):
        for across in range(int(widths.max(initial=0))):
            there = (down < heights) & (across < widths)
            np.add.at(uses, (spans[there, 0] + down, spans[there, 2] + across), 1)
    return uses
