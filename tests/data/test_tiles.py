"""Cells that are kept, and tiles: the same however they are read, in order, and nothing left running."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from histopress.core.errors import UnreadableSlideError
from histopress.core.geometry import Lattice, Size, Spacing
from histopress.data.slide import Level, Slide, SlideFacts, open_slide
from histopress.data.tiles import AHEAD, BATCH, read_tiles, select_cells
from histopress.data.tissue import TissueMask, TissueRecipe, mask_slide

STORED = Spacing(0.5, 0.4)


class PaintedSlide(Slide):
    """Every pixel tells where it is; some rows are damaged, some take longer; counts what is read."""

    def __init__(self, size: Size, damaged_from: int = 10**9) -> None:
        super().__init__(None, STORED)
        self.path, self.size, self.levels = Path("painted"), size, (Level(size, 1.0, 1.0),)
        self.facts = SlideFacts("none", "drawn", "drawn")
        self.damaged_from = damaged_from
        self.reads = 0
        self.lock = threading.Lock()
        self.first_may_go = threading.Event()
        self.first_may_go.set()

    def _read_level(self, level: int, x: int, y: int, size: Size) -> NDArray[np.uint8]:
        with self.lock:
            self.reads += 1
        if (x, y) == (0, 0):
            assert self.first_may_go.wait(20)
        if y + size.height > self.damaged_from:
            raise UnreadableSlideError("damaged")
        rows, cols = np.mgrid[y : y + size.height, x : x + size.width]
        return np.stack([rows % 251, cols % 241, (rows + cols) % 239], axis=-1).astype(np.uint8)

    def close(self) -> None: ...


def lattice(rows: int, cols: int) -> Lattice:
    """Tiles of 10 px at 2 um/px are 40 x 50 px of the slide."""
    return Lattice(step_x=40, step_y=50, rows=rows, cols=cols, spacing=2.0, tile=10)


def cells(rows: int, cols: int, share: float = 1.0) -> NDArray[np.int32]:
    kept = np.random.default_rng(0).random((rows, cols)) < share
    return np.argwhere(kept).astype(np.int32)


def running() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("tiles")]


def test_cells_are_kept_by_share_row_by_row() -> None:
    mask = np.zeros((6, 8), bool)
    mask[1:3, 1:4] = mask[5, 7] = True
    tissue = TissueMask(mask, Spacing(10, 10))
    grid = Lattice(step_x=40, step_y=50, rows=3, cols=4, spacing=2.0, tile=10)
    found, share = select_cells(tissue, grid, STORED, 0.25)
    assert found.dtype == np.int32 and share.dtype == np.float32
    assert found.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 3]]
    np.testing.assert_allclose(share, [0.25, 0.5, 0.25, 0.5, 0.25])
    assert select_cells(tissue, grid, STORED, 0.3)[0].tolist() == [[0, 1], [1, 1]]


def test_a_cell_without_tissue_is_never_kept() -> None:
    tissue = TissueMask(np.zeros((6, 8), bool), Spacing(10, 10))
    found, share = select_cells(tissue, lattice(3, 4), STORED, 0.0)
    assert found.shape == (0, 2) and share.shape == (0,)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_tiles_come_in_the_order_of_cells(threads: int) -> None:
    slide, grid, wanted = PaintedSlide(Size(920, 310)), lattice(7, 23), cells(7, 23, 0.8)
    parts = list(read_tiles(slide, grid, wanted, threads=threads, batch=16))
    assert [len(p) for p in parts[:-1]] == [16] * (len(parts) - 1)
    alone = [slide.read(grid.box(row, col), Spacing.square(2.0)) for row, col in wanted.tolist()]
    assert np.array_equal(np.concatenate(parts), np.stack(alone))
    assert not running()


def test_a_slow_first_read_changes_nothing() -> None:
    slide, grid, wanted = PaintedSlide(Size(920, 310)), lattice(7, 23), cells(7, 23)
    quick = np.concatenate(list(read_tiles(slide, grid, wanted)))
    slide.first_may_go.clear()
    threading.Timer(0.2, slide.first_may_go.set).start()
    assert np.array_equal(np.concatenate(list(read_tiles(slide, grid, wanted))), quick)


def test_no_more_is_read_ahead_than_allowed() -> None:
    slide, threads = PaintedSlide(Size(40 * 64, 50 * 30)), 2
    tiles = read_tiles(slide, lattice(30, 64), cells(30, 64), threads=threads)
    next(tiles)
    tiles.close()  # waits for what was begun
    assert slide.reads <= BATCH * (AHEAD * threads + 1)
    assert not running()


def test_errors_come_after_all_good_tiles_before_them() -> None:
    slide, grid, wanted = PaintedSlide(Size(400, 500), damaged_from=300), lattice(10, 10), cells(10, 10)
    given = []
    with pytest.raises(UnreadableSlideError, match="damaged"):
        for part in read_tiles(slide, grid, wanted, batch=20):
            given.append(part)
    assert sum(map(len, given)) == 60
    assert not running()


def test_closing_early_leaves_no_thread_and_no_cells_give_no_tiles() -> None:
    slide = PaintedSlide(Size(920, 310))
    tiles = read_tiles(slide, lattice(7, 23), cells(7, 23))
    next(tiles)
    assert running()
    tiles.close()
    assert not running()
    assert list(read_tiles(slide, lattice(7, 23), np.zeros((0, 2), np.int32))) == []


@pytest.mark.parametrize(
    ("name", "spacing"), [("cmu-1-small-region", None), ("tcga-cr-7395-01a-01-ts1", 0.5)]
)
def test_tiles_of_real_slides_are_those_of_each_cell_alone(
    name: str, spacing: float | None, shared_data: Path
) -> None:
    with open_slide(shared_data / "wsi" / f"{name}.svs", spacing) as slide:
        tile, wanted = (128, 0.5) if spacing is None else (64, 1.0)
        grid = Lattice.over(slide.size, slide.spacing, wanted, tile)
        found, share = select_cells(mask_slide(slide, TissueRecipe()), grid, slide.spacing, 0.5)
        found = found[np.isin(found[:, 0], [3, 8, 9, grid.rows - 1])]
        assert len(found) > 20 and share.min() >= 0.5
        tiles = np.concatenate(list(read_tiles(slide, grid, found)))
        assert tiles.shape == (len(found), tile, tile, 3)
        for tile_, (row, col) in zip(tiles, found.tolist(), strict=True):
            assert np.array_equal(tile_, slide.read(grid.box(row, col), Spacing.square(wanted)))
        later = np.concatenate(list(read_tiles(slide, grid, found[5:])))
        assert np.array_equal(later, tiles[5:]), "a tile depends on where reading starts"
