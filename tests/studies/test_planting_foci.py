"""Foci: how many, connected, apart, inside of what is allowed, and always of the right size."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import label

from histopress.studies.planting_foci import grow


def lattice(rows: int, cols: int) -> NDArray[np.int32]:
    return np.argwhere(np.ones((rows, cols))).astype(np.int32)


def picture(cells: NDArray[np.int32], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found = np.zeros(cells.max(axis=0) + 1, np.bool_)
    found[cells[chosen][:, 0], cells[chosen][:, 1]] = True
    return found


@pytest.mark.parametrize("foci", [1, 2, 7])
@pytest.mark.parametrize("size", [7, 40, 123])
@pytest.mark.parametrize("seed", range(3))
def test_as_many_connected_groups_as_asked_for(foci: int, size: int, seed: int) -> None:
    cells = lattice(40, 50)
    chosen = grow(cells, np.ones(len(cells), np.bool_), size, foci, np.random.default_rng(seed))
    shown = picture(cells, chosen)
    beside, count = label(shown)
    assert shown.sum() == size and count == foci
    assert label(shown, np.ones((3, 3)))[1] == foci  # they do not touch at corners either
    sizes = np.bincount(beside.ravel())[1:]
    assert sizes.max() - sizes.min() <= 1


def test_no_more_foci_than_cells() -> None:
    cells = lattice(9, 11)
    chosen = grow(cells, np.ones(99, np.bool_), 3, 8, np.random.default_rng(0))
    assert chosen.sum() == 3


@pytest.mark.parametrize("size", [1, 20, 90])
def test_they_stay_where_they_may_be(size: int) -> None:
    cells = lattice(15, 20)
    allowed = np.random.default_rng(1).random(300) < 0.3
    chosen = grow(cells, allowed, min(size, int(allowed.sum())), 4, np.random.default_rng(2))
    assert chosen.sum() == min(size, int(allowed.sum())) and not (chosen & ~allowed).any()


def test_all_allowed_cells_can_be_taken() -> None:
    cells = lattice(6, 7)
    allowed = cells[:, 1] % 2 == 0
    assert np.array_equal(grow(cells, allowed, int(allowed.sum()), 3, np.random.default_rng(0)), allowed)


def test_a_focus_is_round_rather_than_long() -> None:
    cells = lattice(60, 70)
    chosen = grow(cells, np.ones(len(cells), np.bool_), 100, 1, np.random.default_rng(5))
    extent = np.ptp(cells[chosen], axis=0) + 1
    assert extent.max() <= 20  # of a disc of as many cells it is 12


def test_it_lies_anywhere() -> None:
    cells = lattice(20, 30)
    rows = [
        cells[grow(cells, np.ones(600, np.bool_), 1, 1, np.random.default_rng(s))][0, 0] for s in range(200)
    ]
    counts = np.bincount(np.array(rows) // 5, minlength=4)
    assert counts.min() > 30 and counts.max() < 75
