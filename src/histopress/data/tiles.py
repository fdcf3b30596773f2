"""Lattice and mask -> the cells that are kept; cells -> tiles of pixels, read ahead in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Lattice, Spacing
from histopress.data.damage import Damage
from histopress.data.slide import RGB, Slide
from histopress.data.tissue import TissueMask

BATCH = 64
"""Tiles that are read together."""

AHEAD = 2
"""Batches that are read before they are asked for, for each thread."""

MEMORY = 256 << 20
"""Bytes of decoded pixels that are held at once."""


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


def lay_lattice(slide: Slide, wanted: float, tile: int, tolerance: float) -> Lattice:
    """The lattice over a slide at the wanted spacing, or at one so near to it that pixels need no resampling.

    Scanners give 0.2527 or 0.499 um/px where 0.25 or 0.5 is meant. If a whole number of stored pixels makes
    one of nearly the wanted spacing, those are taken as they are: sharper, and several times faster.

    Args:
        slide: open.
        wanted: um/px.
        tile: px a side.
        tolerance: by how much the spacing may differ, as a share of the wanted one; 0 resamples always.

    Returns:
        A lattice that states its own spacing, um/px.
    """
    stored = slide.spacing
    merged_x, merged_y = slide.merged(wanted)
    native = stored.scaled(merged_x, merged_y)
    if max(abs(native.x / wanted - 1), abs(native.y / wanted - 1)) > tolerance:
        return Lattice.over(slide.size, stored, wanted, tile)
    return Lattice.stepping(slide.size, tile * merged_x, tile * merged_y, native.mean, tile)


def read_tiles(
    slide: Slide,
    lattice: Lattice,
    cells: NDArray[np.int32],
    *,
    threads: int = 2,
    batch: int = BATCH,
    damage: Damage | None = None,
    memory: int = MEMORY,
) -> Iterator[RGB]:
    """The tiles of cells in their order, read ahead by threads.

    Args:
        slide: open for reading.
        lattice: of the slide.
        cells: (tiles, 2) row and col, best row by row: then each stored tile is decoded once.
        threads: that read.
        batch: tiles a time.
        damage: what to do about pixels that cannot be decoded, and a list of them; without, it is an error.
        memory: bytes of decoded pixels held at once, about; when it is short, stored tiles are decoded again.

    Yields:
        (batch, tile, tile, 3) uint8; the last has what is left.

    Raises:
        UnreadableSlideError: when all batches before the damaged one have been given.
    """
    damage = damage or Damage("fail")
    ahead = _batches_ahead(memory // 2, batch * 3 * lattice.tile**2, threads)
    reader = slide.cell_reader(lattice, cells, memory // 2)
    waiting: deque[Future[RGB]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="tiles") as pool:
        try:
            for start in range(0, len(cells), batch):
                stop = min(start + batch, len(cells))
                waiting.append(pool.submit(reader.read, start, stop, damage))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _batches_ahead(memory: int, size: int, threads: int) -> int:
    """How many batches of `size` bytes are read ahead: at least one."""
    return max(1, min(AHEAD * threads, memory // size))
