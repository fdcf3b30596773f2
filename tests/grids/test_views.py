"""Views: laid or drawn, then applied; they agree with the dense picture and lose no tissue."""

from __future__ import annotations

import numpy as np
import pytest

from histopress.core.geometry import Lattice, Size, Spacing
from histopress.grids.grid import FeatureGrid, SlideIdentity, Window
from histopress.grids.views import (
    View,
    ViewRule,
    apply_view,
    depth,
    draw_view,
    lay_views,
    some_of,
    spread,
)


def make_grid(cells: object, shape: tuple[int, int] = (23, 31), dim: int = 3, seed: int = 0) -> FeatureGrid:
    at = np.array(sorted(map(tuple, np.asarray(cells).reshape(-1, 2).tolist())), dtype=np.int32).reshape(
        -1, 2
    )
    random = np.random.default_rng(seed)
    return FeatureGrid(
        lattice=Lattice(64.0, 48.0, *shape, spacing=0.5, tile=32),
        slide=SlideIdentity("a", Size(shape[1] * 64, shape[0] * 48), Spacing(0.25, 0.33), "hash"),
        encoder={"identity": "e"},
        identity="i",
        settings={},
        features=random.normal(size=(len(at), dim)).astype(np.float16),
        cells=at,
        tissue=np.ones(len(at), dtype=np.float32),
    )


@pytest.fixture
def grid() -> FeatureGrid:
    random = np.random.default_rng(4)
    return make_grid(np.argwhere(random.random((23, 31)) < 0.3))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("window", [Window(2, 5, 7, 12), Window(-4, -3, 9, 40), Window(50, 0, 2, 3)])
def test_a_view_is_the_dense_picture_mirrored_then_turned(
    grid: FeatureGrid, window: Window, mirrored: bool, turns: int
) -> None:
    dense, mask = grid.dense(window)
    if mirrored:
        dense, mask = dense[:, :, ::-1], mask[:, ::-1]
    seen, where = apply_view(grid, View(window, mirrored, turns)).dense()
    np.testing.assert_array_equal(seen, np.rot90(dense, turns, axes=(1, 2)))
    np.testing.assert_array_equal(where, np.rot90(mask, turns))


def test_a_drawn_window_is_bounded_and_holds_tissue(grid: FeatureGrid) -> None:
    random = np.random.default_rng(0)
    whole = grid.window
    for _ in range(50):
        view = draw_view(grid, ViewRule(size=9), random)
        assert (view.window.rows, view.window.cols) == (9, 9)
        assert whole.row <= view.window.row <= whole.row + whole.rows - 9
        assert whole.col <= view.window.col <= whole.col + whole.cols - 9
        assert len(apply_view(grid, view))


def test_a_grid_smaller_than_the_size_is_seen_whole(grid: FeatureGrid) -> None:
    view = draw_view(grid, ViewRule(size=25), np.random.default_rng(0))
    assert (view.window.row, view.window.rows) == (grid.window.row, grid.window.rows)
    assert view.window.cols == 25


def test_every_cell_is_the_centre_in_time_and_nothing_is_turned() -> None:
    grid = make_grid([[0, 0], [0, 30], [22, 0], [22, 30]])
    random = np.random.default_rng(0)
    views = [draw_view(grid, ViewRule(size=3), random) for _ in range(200)]
    assert {(v.mirrored, v.turns) for v in views} == {(False, 0)}
    assert len({(v.window.row, v.window.col) for v in views}) == 4


def test_without_a_size_the_tissue_is_seen_whole(grid: FeatureGrid) -> None:
    rule = ViewRule(size=0)
    drawn, (laid,) = draw_view(grid, rule, np.random.default_rng(0)), lay_views(grid, rule)
    assert drawn == laid
    assert len(apply_view(grid, laid)) == len(grid)
    assert laid.share == 1


def test_so_many_cells_at_most_are_drawn_without_repeats(grid: FeatureGrid) -> None:
    cells, random = apply_view(grid, View(grid.window)), np.random.default_rng(0)
    some = some_of(cells, 20, random)
    assert len({tuple(at) for at in some.at.tolist()}) == len(some.features) == 20
    known = {tuple(at): row.tobytes() for at, row in zip(cells.at.tolist(), cells.features, strict=True)}
    assert all(known[tuple(a)] == f.tobytes() for a, f in zip(some.at.tolist(), some.features, strict=True))
    assert some_of(cells, 20, random).at.tolist() != some.at.tolist()
    assert some_of(cells, 0, random) is some_of(cells, len(cells), random) is cells


def test_the_same_random_numbers_draw_the_same_view(grid: FeatureGrid) -> None:
    one, two = (draw_view(grid, ViewRule(size=9), np.random.default_rng(7)) for _ in range(2))
    assert one == two


def test_exact_windows_have_their_size_whatever_the_grid(grid: FeatureGrid) -> None:
    rule = ViewRule(size=40, exact=True, crops=10)
    assert draw_view(grid, rule, np.random.default_rng(0)).window.rows == 40
    views = lay_views(grid, rule)
    assert {(v.window.rows, v.window.cols) for v in views} == {(40, 40)}
    assert len({v.window for v in views}) == 10
    centres = {(v.window.row + 20, v.window.col + 20) for v in views}
    assert centres <= set(map(tuple, grid.cells.tolist()))


def test_orientations_are_all_eight(grid: FeatureGrid) -> None:
    views = lay_views(grid, ViewRule(size=9, exact=True, crops=3, orientations=True))
    assert len(set(views)) == 24
    assert len({apply_view(grid, v).dense()[0].tobytes() for v in views[:8]}) == 8
    assert sum(v.share for v in views) == pytest.approx(1)


@pytest.mark.parametrize("size", [5, 8, 22, 40])
def test_blocks_hold_every_cell_once_by_their_share(grid: FeatureGrid, size: int) -> None:
    views = lay_views(grid, ViewRule(size=size))
    masks = [apply_view(grid, v).dense()[1] for v in views]
    assert max(max(m.shape) for m in masks) <= size
    assert sum(int(m.sum()) for m in masks) == len(grid)
    for view, mask in zip(views, masks, strict=True):
        assert view.share == pytest.approx(mask.sum() / len(grid))


def test_blocks_without_tissue_are_left_out() -> None:
    views = lay_views(make_grid([[0, 0], [0, 29]]), ViewRule(size=10))
    assert len(views) == 2


def test_depth_is_the_squared_distance_to_the_edge() -> None:
    block = make_grid([[r, c] for r in range(4, 9) for c in range(10, 17)])
    chances = depth(block).reshape(5, 7)
    expected = np.square([[min(r + 1, 5 - r, c + 1, 7 - c) for c in range(7)] for r in range(5)])
    np.testing.assert_allclose(chances, expected / expected.sum())


def test_depth_decides_the_centres() -> None:
    thick = [[r, c] for r in range(11) for c in range(11)]
    grid = make_grid(thick + [[r, 20] for r in range(22)])
    random = np.random.default_rng(0)
    rule = ViewRule(size=3, exact=True, centre="depth")
    drawn = [draw_view(grid, rule, random).window.col + 1 for _ in range(100)]
    assert sum(col == 20 for col in drawn) < 10
    even = [draw_view(grid, ViewRule(size=3, exact=True), random).window.col + 1 for _ in range(300)]
    assert 20 < sum(col == 20 for col in even) < 80


def test_spread_cells_are_far_apart_and_belong_to_the_tissue(grid: FeatureGrid) -> None:
    block = np.argwhere(np.ones((20, 50))).astype(np.int32)
    centres = spread(block, 10)
    assert len({tuple(c) for c in centres.tolist()}) == 10
    gaps = np.linalg.norm(centres[:, None] - centres[None], axis=2) + 99 * np.eye(10)
    assert gaps.min() >= 7
    assert len(spread(grid.cells[:4], 10)) == 4


def test_a_grid_without_tissue_still_has_a_view() -> None:
    empty = make_grid(np.zeros((0, 2)))
    for rule in (ViewRule(size=5), ViewRule(size=5, exact=True, centre="depth")):
        view = draw_view(empty, rule, np.random.default_rng(0))
        assert not len(apply_view(empty, view))
        (laid,) = lay_views(empty, rule)
        assert laid.share == 1
