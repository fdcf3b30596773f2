"""Slides side by side: nothing is lost, nothing touches, and everything can be taken apart again."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import distance_transform_cdt

from histopress.core.errors import GridError
from histopress.core.geometry import Lattice, Size, Spacing
from histopress.grids.grid import FeatureGrid, SlideIdentity
from histopress.grids.joint import JointGrid, lay_side_by_side
from histopress.grids.store import read_grid, write_grid


def make_grid(name: str, shape: tuple[int, int], seed: int, share: float = 0.5) -> FeatureGrid:
    random = np.random.default_rng(seed)
    cells = np.argwhere(random.random(shape) < share).astype(np.int32)
    return FeatureGrid(
        lattice=Lattice(64.0, 48.0, *shape, spacing=0.5, tile=32),
        slide=SlideIdentity(name, Size(shape[1] * 64, shape[0] * 48), Spacing(0.25, 0.33), f"h{seed}"),
        encoder={"identity": "e", "dim": 4},
        identity=f"i{seed}",
        settings={"tissue_share": 0.25, "mask": name},
        features=random.normal(size=(len(cells), 4)).astype(np.float16),
        cells=cells + np.array([2, 3], dtype=np.int32),
        tissue=random.random(len(cells)).astype(np.float32),
    )


GRIDS = [
    make_grid("b", (9, 14), 0),
    make_grid("d", (5, 40), 1),
    make_grid("a", (6, 3), 2, share=0.0),
    make_grid("c", (17, 4), 3),
    make_grid("b2", (9, 11), 4),
]


@pytest.fixture(scope="module")
def joint() -> JointGrid:
    return lay_side_by_side(GRIDS)


def test_every_cell_is_there_once_in_order(joint: JointGrid) -> None:
    cells = joint.grid.cells
    assert len(joint.grid) == sum(len(grid) for grid in GRIDS)
    assert cells.dtype == np.int32
    flat = cells[:, 0].astype(np.int64) * joint.grid.shape[1] + cells[:, 1]
    assert (np.diff(flat) > 0).all()
    assert (cells >= 0).all()
    assert (cells < joint.grid.shape).all()


def test_every_cell_knows_where_it_comes_from(joint: JointGrid) -> None:
    for i, (owner, cell) in enumerate(zip(joint.owners, joint.cells_in_slide, strict=True)):
        (own,) = np.flatnonzero((GRIDS[owner].cells == cell).all(axis=1))
        np.testing.assert_array_equal(joint.grid.features[i], GRIDS[owner].features[own])
        assert joint.grid.tissue[i] == GRIDS[owner].tissue[own]


def test_taken_apart_it_is_what_was_laid(joint: JointGrid) -> None:
    for part, places, grid in zip(
        joint.apart(joint.grid.features), joint.apart(joint.cells_in_slide), GRIDS, strict=True
    ):
        np.testing.assert_array_equal(part, grid.features)
        np.testing.assert_array_equal(places, grid.cells)


def test_slides_keep_their_shape(joint: JointGrid) -> None:
    for own, grid in zip(joint.apart(joint.grid.cells), GRIDS, strict=True):
        assert len(np.unique(own - grid.cells, axis=0)) <= 1


@pytest.mark.parametrize("gap", [0, 1, 8])
def test_slides_are_at_least_a_gap_apart(gap: int) -> None:
    joint = lay_side_by_side(GRIDS, gap)
    for slide in range(len(GRIDS)):
        own = joint.owners == slide
        if own.any():
            away = np.ones(joint.grid.shape, dtype=np.int32)
            away[tuple(joint.grid.cells[own].T)] = 0
            distance = distance_transform_cdt(away, metric="chessboard")[tuple(joint.grid.cells[~own].T)]
            assert distance.min() > gap


def test_the_order_changes_nothing_but_the_owners(joint: JointGrid) -> None:
    for order in list(permutations(range(5)))[::17]:
        other = lay_side_by_side([GRIDS[i] for i in order])
        np.testing.assert_array_equal(other.grid.features, joint.grid.features)
        np.testing.assert_array_equal(other.grid.cells, joint.grid.cells)
        np.testing.assert_array_equal(np.array(order)[other.owners], joint.owners)
        assert (other.grid.identity, other.grid.slide) == (joint.grid.identity, joint.grid.slide)


@pytest.mark.parametrize("count", [4, 9, 20])
def test_the_whole_is_roughly_square(count: int) -> None:
    grids = [make_grid(f"s{i:02d}", (20 + i % 7, 30 - i % 5), i) for i in range(count)]
    rows, cols = lay_side_by_side(grids).grid.shape
    assert 0.5 < rows / cols < 2
    area = sum((g.window.rows + 8) * (g.window.cols + 8) for g in grids)
    assert rows * cols < 1.8 * area


def test_the_header_stands_for_all(joint: JointGrid) -> None:
    grid = joint.grid
    assert grid.slide.slide == "a+b+b2+c+d"
    assert grid.encoder == GRIDS[0].encoder
    assert grid.settings == {"tissue_share": 0.25, "gap": 8}
    assert grid.slide.size == Size(grid.shape[1] * 32, grid.shape[0] * 32)
    assert grid.lattice.cell_um == GRIDS[0].lattice.cell_um
    assert grid.lattice.step_x * grid.slide.spacing.x == pytest.approx(grid.lattice.cell_um)
    others = {
        lay_side_by_side(some).grid.identity for some in (GRIDS, GRIDS[:2], GRIDS[:1], GRIDS[:1] * 2)
    } | {lay_side_by_side(GRIDS, 9).grid.identity}
    assert len(others) == 5


def test_it_can_be_stored(joint: JointGrid, tmp_path: Path) -> None:
    path = tmp_path / "joint.grid.zarr.zip"
    write_grid(path, joint.grid)
    np.testing.assert_array_equal(read_grid(path).features, joint.grid.features)


def test_slides_without_tissue_alone_make_a_grid_without_tissue() -> None:
    joint = lay_side_by_side([GRIDS[2], GRIDS[2]])
    assert joint.grid.shape == (1, 1)
    assert joint.grid.features.shape == (0, 4)
    assert [len(part) for part in joint.apart(joint.grid.tissue)] == [0, 0]


def test_a_single_grid_is_cut_to_its_tissue() -> None:
    joint = lay_side_by_side(GRIDS[:1])
    assert joint.grid.shape == (GRIDS[0].window.rows, GRIDS[0].window.cols)
    np.testing.assert_array_equal(joint.grid.features, GRIDS[0].features)


def test_several_encoders_and_no_grids_are_refused() -> None:
    other = replace(GRIDS[1], encoder={"identity": "other"})
    with pytest.raises(GridError, match=r"of d was made by encoder other, that of b by e.*same encoder"):
        lay_side_by_side([GRIDS[0], other])
    with pytest.raises(GridError, match="expected one or more"):
        lay_side_by_side([])
