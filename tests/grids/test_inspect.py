from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from histopress.grids import store
from histopress.grids.grid import FeatureGrid
from histopress.grids.inspect import inspect, principal_picture

MakeGrid = Callable[..., FeatureGrid]


def test_a_grid_is_described_and_drawn(tmp_path: Path, make_grid: MakeGrid) -> None:
    grid = make_grid()
    store.write_grid(tmp_path / f"a{store.SUFFIX}", grid)
    (report,) = inspect([tmp_path / f"a{store.SUFFIX}"], pictures=tmp_path / "pictures")
    assert report.problems == ()
    assert f"{len(grid)} with tissue" in report.as_text()
    assert "0.5 x 0.4 um/px" in report.as_text()
    with Image.open(tmp_path / "pictures" / "a.png") as drawn:
        assert drawn.size == (grid.shape[1] * 16, grid.shape[0] * 16)


def test_a_damaged_grid_is_a_problem_not_a_crash(tmp_path: Path, make_grid: MakeGrid) -> None:
    store.write_grid(tmp_path / f"a{store.SUFFIX}", make_grid())
    (tmp_path / f"b{store.SUFFIX}").write_text("cut")
    good, bad = inspect([tmp_path])
    assert good.problems == ()
    assert "not a stored grid" in bad.problems[0]


def test_the_picture_shows_the_directions_of_most_change(make_grid: MakeGrid) -> None:
    grid = make_grid(dim=6)
    left = grid.cells[:, 1] < 20
    codes = np.random.default_rng(0).normal(0, 0.01, grid.features.shape)
    codes[left, 3] += 5
    picture = principal_picture(replace(grid, features=codes.astype(np.float16)))
    rows, cols = grid.cells.T
    red = picture[rows, cols, 0].astype(float)
    assert abs(red[left].mean() - red[~left].mean()) > 200
    empty = np.ones(grid.shape, bool)
    empty[rows, cols] = False
    assert (picture[empty] == 255).all()


def test_the_picture_does_not_depend_on_the_sign_of_the_codes(make_grid: MakeGrid) -> None:
    grid = make_grid()
    mirrored = replace(grid, features=-grid.features)
    assert np.array_equal(principal_picture(grid), principal_picture(mirrored))


def test_grids_of_few_numbers_are_drawn_too(make_grid: MakeGrid) -> None:
    assert principal_picture(make_grid(dim=2)).shape[2] == 3
    assert (principal_picture(make_grid(share=0.0)) == 255).all()
