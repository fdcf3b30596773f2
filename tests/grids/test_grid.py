from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from histopress.core.errors import GridError
from histopress.grids.grid import FeatureGrid, Window

MakeGrid = Callable[..., FeatureGrid]


def test_dense_puts_every_code_in_its_cell(make_grid: MakeGrid) -> None:
    grid = make_grid()
    picture, mask = grid.dense()
    assert picture.shape == (grid.dim, *grid.shape)
    assert mask.sum() == len(grid)
    for code, (row, col) in zip(grid.features, grid.cells, strict=True):
        assert (picture[:, row, col] == code).all()
    assert (picture[:, ~mask] == 0).all()


@pytest.mark.parametrize("window", [Window(3, 5, 7, 11), Window(-4, -2, 9, 6), Window(15, 30, 20, 25)])
def test_a_window_is_a_part_of_the_whole(make_grid: MakeGrid, window: Window) -> None:
    grid = make_grid()
    whole, whole_mask = grid.dense(Window(-50, -50, 150, 160))
    picture, mask = grid.dense(window)
    rows = slice(window.row + 50, window.row + 50 + window.rows)
    cols = slice(window.col + 50, window.col + 50 + window.cols)
    assert (picture == whole[:, rows, cols]).all()
    assert (mask == whole_mask[rows, cols]).all()


def test_the_tight_window_loses_no_tile(make_grid: MakeGrid) -> None:
    grid = make_grid(share=0.01)
    picture, mask = grid.dense(grid.window)
    assert mask.sum() == len(grid) > 0
    assert mask.any(axis=1)[[0, -1]].all()
    assert mask.any(axis=0)[[0, -1]].all()
    assert picture.shape[1:] == mask.shape


def test_an_empty_grid_has_a_window(make_grid: MakeGrid) -> None:
    grid = make_grid(share=0.0)
    _, mask = grid.dense(grid.window)
    assert mask.shape == (1, 1)
    assert not mask.any()


def test_parts_that_do_not_fit_are_refused(make_grid: MakeGrid) -> None:
    grid = make_grid()
    with pytest.raises(GridError, match="do not fit"):
        replace(grid, tissue=np.ones(3, np.float32))
