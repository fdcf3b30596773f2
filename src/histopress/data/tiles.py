"""Lattice and mask -> the cells that are kept; cells -> tiles of pixels, read ahead in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Lattice, Spacing
from histopress.data.slide import RGB, Slide
from histopress.data.tissue import TissueMask

LONGEST = 16
"""Cells of a stretch, at most."""
AHEAD = 2
"""Stretches that are read before they are asked for, for each thread."""


@dataclass(frozen=True)
class Stretch:
    """Neighbouring cells of one row that are read together."""

    row: int
    col: int
    length: int


def select_cells(
    mask: TissueMask, lattice: Lattice, stored: Spacing, share: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The cells with enough tissue.

    Args:
        mask: of the slide.
        lattice: of the slide.
        stored: um/px of the slide's level 0.
        share: least share of tissue in a kept cell, 0 to 1; a cell without any is never kept.

    Returns:
        (tiles, 2) int32 row and col, row by row, and (tiles,) float32 share of tissue.
    """
    tissue = mask.share(lattice, stored)
    kept = (tissue >= share) & (tissue > 0)
    return np.argwhere(kept).astype(np.int32), tissue[kept]


def stretches(cells: NDArray[np.int32], longest: int = LONGEST) -> list[Stretch]:
    """Cells as stretches of neighbours, in the order of the cells."""
    if not len(cells):
        return []
    breaks = np.flatnonzero((np.diff(cells[:, 0]) != 0) | (np.diff(cells[:, 1]) != 1)) + 1
    found = []
    for part in np.split(cells, breaks):
        row, col = map(int, part[0])
        found += [Stretch(row, col + at, min(longest, len(part) - at)) for at in range(0, len(part), longest)]
    return found


def read_stretch(slide: Slide, lattice: Lattice, stretch: Stretch) -> RGB:
    """The tiles of neighbouring cells, (length, tile, tile, 3) uint8.

    Each cell is read by itself: resampling a longer box rounds differently in the last bit, and then a tile
    would depend on which of its neighbours are read with it.
    """
    spacing = Spacing.square(lattice.spacing)
    cols = range(stretch.col, stretch.col + stretch.length)
    return np.stack([slide.read(lattice.box(stretch.row, col), spacing) for col in cols])


def read_tiles(slide: Slide, lattice: Lattice, cells: NDArray[np.int32], threads: int = 2) -> Iterator[RGB]:
    """The tiles of cells in their order, stretch by stretch, read ahead by threads.

    Args:
        slide: open for reading.
        lattice: of the slide.
        cells: (tiles, 2) row and col, best row by row.
        threads: that read.

    Yields:
        (length, tile, tile, 3) uint8, at most 16 tiles.

    Raises:
        UnreadableSlideError: when all stretches before the damaged one have been given.
    """
    waiting: deque[Future[RGB]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="tiles") as pool:
        try:
            for stretch in stretches(cells):
                waiting.append(pool.submit(read_stretch, slide, lattice, stretch))
                if len(waiting) > AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
