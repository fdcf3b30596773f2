"""Lattice and mask -> the cells that are kept; cells -> tiles of pixels, read ahead in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Lattice, Spacing
from histopress.data.slide import Slide
from histopress.data.tissue import TissueMask

LONGEST_RUN = 16
AHEAD = 2
"""Runs that wait for the reader's customer, for each thread."""


@dataclass(frozen=True)
class Run:
    """Neighbouring cells of one row that are read at once."""

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


def runs(cells: NDArray[np.int32], longest: int = LONGEST_RUN) -> list[Run]:
    """Cells, row by row, as runs of neighbours."""
    if not len(cells):
        return []
    breaks = np.flatnonzero((np.diff(cells[:, 0]) != 0) | (np.diff(cells[:, 1]) != 1)) + 1
    found = []
    for start, stop in zip([0, *breaks], [*breaks, len(cells)], strict=True):
        row, col = map(int, cells[start])
        found += [Run(row, col + at, min(longest, stop - start - at)) for at in range(0, stop - start, longest)]
    return found


def read_run(slide: Slide, lattice: Lattice, run: Run) -> NDArray[np.uint8]:
    """The tiles of one run, (length, tile, tile, 3) uint8."""
    tile = lattice.tile
    box = lattice.box(run.row, run.col, cols=run.length)
    pixels = slide.read(box, Spacing.square(lattice.spacing))
    return pixels.reshape(tile, run.length, tile, 3).transpose(1, 0, 2, 3)


def read_tiles(
    slide: Slide, lattice: Lattice, cells: NDArray[np.int32], threads: int = 2
) -> Iterator[NDArray[np.uint8]]:
    """The tiles of cells in their order, run by run, read ahead by threads.

    Args:
        slide: open for reading.
        lattice: of the slide.
        cells: (tiles, 2) row and col, row by row.
        threads: that read.

    Yields:
        (length, tile, tile, 3) uint8.

    Raises:
        UnreadableSlideError: when the tiles up to the damaged one have been given.
    """
    waiting: deque[Future[NDArray[np.uint8]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="tiles") as pool:
        try:
            for run in runs(cells):
                waiting.append(pool.submit(read_run, slide, lattice, run))
                if len(waiting) > AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
