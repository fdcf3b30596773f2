"""Augmentation of grids: exact orientations, and changes that are drawn once and can be applied again."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest

from histopress.core.errors import GridError, RecipeError
from histopress.grids.augment import AugmentRule, apply, draw, oriented
from histopress.grids.cells import Cells

SHAPES = [(7, 12), (1, 9), (23, 5)]
WAYS = list(product([False, True], range(4)))
STILL = AugmentRule(flips=False, turns=False)


def make_cells(shape: tuple[int, int] = (7, 12), share: float = 0.6, seed: int = 0, dim: int = 3) -> Cells:
    random = np.random.default_rng(seed)
    at = np.argwhere(random.random(shape) < share)
    return Cells(random.normal(5, 2, size=(len(at), dim)).astype(np.float32), at, shape)


def augmented(cells: Cells, rule: AugmentRule, seed: int = 0, other: Cells | None = None) -> Cells:
    return apply(cells, draw(cells.shape, len(cells), rule, np.random.default_rng(seed)), other)


def listed(cells: Cells) -> dict[tuple[int, ...], bytes]:
    return {tuple(at): code.tobytes() for at, code in zip(cells.at.tolist(), cells.features, strict=True)}


def inside(cells: Cells) -> bool:
    return bool(((cells.at >= 0) & (cells.at < cells.shape)).all()) and len(listed(cells)) == len(cells)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("mirrored", "turns"), WAYS)
def test_orientations_are_those_of_the_dense_picture(
    shape: tuple[int, int], mirrored: bool, turns: int
) -> None:
    cells = make_cells(shape)
    picture, mask = cells.dense()
    if mirrored:
        picture, mask = picture[:, :, ::-1], mask[:, ::-1]
    seen, where = oriented(cells, mirrored, turns).dense()
    np.testing.assert_array_equal(seen, np.rot90(picture, turns, axes=(1, 2)))
    np.testing.assert_array_equal(where, np.rot90(mask, turns))


def test_orientations_are_a_group_of_eight_and_leave_features_alone() -> None:
    cells = make_cells()
    ways = [listed(oriented(cells, *way)) for way in WAYS]
    assert all(ways.count(way) == 1 for way in ways)
    for one, other in product(WAYS, WAYS):
        both = oriented(oriented(cells, *one), *other)
        assert listed(both) in ways
        assert both.features is cells.features


def test_all_orientations_are_alike_likely_and_only_those_that_are_asked_for() -> None:
    random = np.random.default_rng(0)

    def ways(rule: AugmentRule) -> Counter[tuple[bool, int]]:
        drawn = [draw((7, 12), 9, rule, random) for _ in range(400)]
        return Counter((changes.mirrored, changes.turns) for changes in drawn)

    both = ways(AugmentRule())
    assert len(both) == 8
    assert min(both.values()) > 25
    assert set(ways(AugmentRule(turns=False))) == {(False, 0), (True, 0)}
    assert set(ways(AugmentRule(flips=False))) == {(False, turns) for turns in range(4)}


def test_equal_seeds_give_equal_orientations_whatever_else_is_drawn() -> None:
    strong = AugmentRule(cell_dropout=0.3, noise=0.5, elastic=2.0, mix=2)
    for seed in range(20):
        one, other = (draw((7, 12), 50, r, np.random.default_rng(seed)) for r in (AugmentRule(), strong))
        assert (one.mirrored, one.turns) == (other.mirrored, other.turns)


def test_a_rule_that_asks_for_nothing_changes_nothing() -> None:
    cells = make_cells()
    same = augmented(cells, STILL)
    assert same.features is cells.features
    np.testing.assert_array_equal(same.at, cells.at)
    assert same.shape == cells.shape


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_drawn_can_be_applied_again_and_inputs_stay(shape: tuple[int, int]) -> None:
    rule = AugmentRule(cell_dropout=0.3, noise=0.5, elastic=2.0, mix=2)
    cells, other = make_cells(shape), make_cells((5, 4), seed=1)
    before = listed(cells), listed(other)
    changes = draw(cells.shape, len(cells), rule, np.random.default_rng(3))
    one, two = apply(cells, changes, other), apply(cells, changes, other)
    assert listed(one) == listed(two)
    assert one.shape == two.shape
    assert inside(one)
    assert one.features.dtype == np.float32
    assert one.at.dtype == np.int64
    assert (listed(cells), listed(other)) == before
    assert listed(augmented(cells, rule, 4, other)) != listed(one)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_dropout_leaves_out_its_share_and_never_all(share: float) -> None:
    cells = make_cells()
    left = augmented(cells, AugmentRule(flips=False, turns=False, cell_dropout=share))
    assert len(left) == len(cells) - int(share * len(cells))
    assert listed(left).items() <= listed(cells).items()
    single = Cells(cells.features[:1], cells.at[:1], cells.shape)
    assert len(augmented(single, AugmentRule(cell_dropout=share))) == 1


def test_every_cell_is_left_out_in_time() -> None:
    cells = make_cells()
    rule = AugmentRule(flips=False, turns=False, cell_dropout=0.3)
    left = Counter(place for seed in range(200) for place in listed(augmented(cells, rule, seed)))
    assert len(left) == len(cells)
    assert 100 < min(left.values()) < max(left.values()) < 180


def test_noise_is_measured_by_the_spread_of_each_channel() -> None:
    random = np.random.default_rng(0)
    at = np.argwhere(np.ones((60, 90)))
    scale = np.array([1.0, 100.0, 0.01, 0.0])
    cells = Cells((7 + scale * random.normal(size=(len(at), 4))).astype(np.float32), at, (60, 90))
    added = augmented(cells, AugmentRule(flips=False, turns=False, noise=0.25)).features - cells.features
    np.testing.assert_allclose(added.std(axis=0), 0.25 * scale, rtol=0.05)
    np.testing.assert_allclose(added.mean(axis=0), 0, atol=0.02 * scale.max())
    assert np.abs(np.corrcoef(added[:, :2].T)[0, 1]) < 0.05
    along = added[:-1, 0] * added[1:, 0]
    assert abs(float(along.mean())) < 0.1 * float(added[:, 0].var())


def test_elastic_moves_neighbours_alike_and_as_far_as_asked() -> None:
    shape = (180, 240)
    at = np.argwhere(np.ones(shape))
    cells = Cells(at.astype(np.float32), at, shape)
    moved = augmented(cells, AugmentRule(flips=False, turns=False, elastic=3.0))
    away = moved.at - moved.features
    middle = ((moved.features > 12) & (moved.features < np.array(shape) - 12)).all(axis=1)
    assert inside(moved)
    assert away[middle].std() == pytest.approx(3.0, rel=0.2)
    field = np.full((*shape, 2), np.nan)
    field[tuple(moved.features.astype(int).T)] = away
    assert np.nanmax(np.abs(np.diff(field, axis=1))) <= 4
    assert len(moved) > 0.6 * len(cells)


def test_where_cells_meet_one_is_kept_whatever_their_order() -> None:
    cells = make_cells((40, 30), share=0.9)
    changes = draw(cells.shape, len(cells), AugmentRule(elastic=2.0), np.random.default_rng(1))
    moved = apply(cells, changes)
    assert inside(moved)
    assert len(moved) < len(cells)
    assert set(listed(moved).values()) <= set(listed(cells).values())
    order = np.random.default_rng(0).permutation(len(cells))
    assert listed(apply(Cells(cells.features[order], cells.at[order], cells.shape), changes)) == listed(moved)


@pytest.mark.parametrize("theirs", [(7, 12), (3, 20), (30, 4), (2, 2)])
def test_a_paste_replaces_the_lower_right_block(theirs: tuple[int, int]) -> None:
    cells, other = make_cells(share=1.0), make_cells(theirs, share=1.0, seed=1)
    changes = draw(
        cells.shape, len(cells), AugmentRule(flips=False, turns=False, mix=1), np.random.default_rng(5)
    )
    (paste,) = changes.pastes
    top, left = (int(share * side) for share, side in zip(paste.corner, cells.shape, strict=True))
    height, width = min(7 - top, theirs[0]), min(12 - left, theirs[1])
    expected = cells.dense()[0].copy()
    expected[:, 7 - height :, 12 - width :] = other.dense()[0][:, theirs[0] - height :, theirs[1] - width :]
    np.testing.assert_array_equal(apply(cells, changes, other).dense()[0], expected)


def test_pastes_are_turned_one_after_the_other() -> None:
    cells, other = make_cells(), make_cells((9, 10), seed=1)
    changes = draw(cells.shape, len(cells), AugmentRule(mix=3), np.random.default_rng(2))
    mixed = apply(cells, changes, other)
    turns = sum(paste.turns for paste in changes.pastes) + changes.turns
    assert len(changes.pastes) == 3
    assert mixed.shape == ((12, 7) if turns % 2 else (7, 12))
    assert inside(mixed)
    own, theirs, seen = (set(listed(view).values()) for view in (cells, other, mixed))
    assert seen <= own | theirs
    assert seen & own
    assert seen & theirs


def test_pasting_needs_another_view_and_leaves_something() -> None:
    cells = make_cells()
    nothing = Cells(cells.features[:0], cells.at[:0], (4, 6))
    rule = AugmentRule(flips=False, turns=False, mix=4)
    assert listed(augmented(cells, rule)) == listed(cells)
    assert listed(augmented(cells, rule, other=nothing)) == listed(cells)
    corner = Cells(cells.features[:1], np.array([[6, 11]]), (7, 12))
    far = Cells(cells.features[1:2], np.array([[0, 0]]), (7, 12))
    assert all(len(augmented(corner, rule, seed, far)) for seed in range(20))


def test_a_view_without_tissue_stays_one() -> None:
    cells = make_cells()
    empty = Cells(cells.features[:0], cells.at[:0], (7, 12))
    rule = AugmentRule(cell_dropout=0.5, noise=0.5, elastic=1.0)
    assert len(augmented(empty, rule)) == 0
    assert augmented(empty, rule).features.shape == (0, 3)


def test_changes_of_another_view_are_refused() -> None:
    cells = make_cells()
    changes = draw((12, 7), len(cells), AugmentRule(), np.random.default_rng(0))
    with pytest.raises(GridError, match=r"expected \(12, 7\).*draw for the view"):
        apply(cells, changes)


@pytest.mark.parametrize("wrong", [{"cell_dropout": 1.0}, {"cell_dropout": -0.1}, {"noise": -1}, {"mix": -1}])
def test_rules_that_cannot_be_drawn_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match="expected 0 or more"):
        AugmentRule(**wrong)  # type: ignore[arg-type]
