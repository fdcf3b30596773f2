"""Needle grids: what is known of the cells, and that nothing but the needle tells the label."""

from __future__ import annotations

import numpy as np
import pytest

from histopress.core.errors import RecipeError
from histopress.metrics.scores import auroc
from histopress.studies.needles import (
    LABELS,
    NeedlesRecipe,
    draw_needles,
    needle_grid,
    needle_grids,
    oracle,
)

KNOWN_PLACE = [145]
KNOWN_CELLS = [[0, 23], [10, 18], [20, 17]]
KNOWN_CODE = [-0.936, -0.595, -1.272, 0.385, 2.377, 0.434]

SMALL = NeedlesRecipe(cells=300, dim=6, informative=2, effect=3.0)


def test_both_labels_differ_in_the_informative_cell_alone() -> None:
    negative, positive = (needle_grid(SMALL, 5, positive=p) for p in (False, True))
    assert np.array_equal(negative.cells, positive.cells)
    shift = positive.features.astype(np.float64) - negative.features.astype(np.float64)
    (changed,) = np.flatnonzero(shift.any(axis=1))[None]
    assert changed.tolist() == draw_needles(SMALL, 5).places.tolist()
    assert np.allclose(shift[changed[0]], [3, 3, 0, 0, 0, 0], atol=0.01)


@pytest.mark.parametrize("needles", [1, 7])
def test_as_many_needles_as_asked_for(needles: int) -> None:
    recipe = NeedlesRecipe(cells=300, needles=needles, dim=6, effect=30.0)
    features = needle_grid(recipe, 1, positive=True).features
    assert (features[:, : recipe.informative] > 15).all(axis=1).sum() == needles


@pytest.mark.parametrize("cells", [40, 1000, 10_000])
def test_tissue_is_a_blob_of_exactly_so_many_cells_in_order(cells: int) -> None:
    recipe = NeedlesRecipe(cells=cells, dim=2, informative=1)
    rows, cols = recipe.shape
    at = draw_needles(recipe, 3).cells
    flat = at[:, 0] * cols + at[:, 1]
    assert len(at) == cells and (np.diff(flat) > 0).all()
    assert at.min() >= 0 and at[:, 0].max() < rows and at[:, 1].max() < cols
    assert 0.45 < cells / (rows * cols) < 0.65
    picture = np.zeros((rows, cols), np.bool_)
    picture[at[:, 0], at[:, 1]] = True
    beside = (picture[:, 1:] & picture[:, :-1]).sum() / cells
    assert beside > 0.7  # of scattered cells it would be about half


def test_other_cells_are_standard_noise() -> None:
    grids, _ = needle_grids(SMALL, 60)
    codes = np.concatenate([grids[name].features for name in list(grids)[::2]]).astype(np.float64)
    assert np.abs(codes.mean(axis=0)).max() < 5 / np.sqrt(len(codes))
    assert np.abs(codes.std(axis=0) - 1).max() < 0.03


def test_a_needle_lies_anywhere_in_the_tissue() -> None:
    places = np.array([draw_needles(SMALL, index).places[0] for index in range(400)])
    counts = np.bincount(places * 4 // SMALL.cells, minlength=4)
    assert counts.min() > 70 and counts.max() < 130


def test_labels_take_turns() -> None:
    grids, table = needle_grids(SMALL, 6)
    assert table["label"].tolist() == [*LABELS] * 3
    assert np.array_equal(grids["needles-000003"].features, needle_grid(SMALL, 3, positive=True).features)


def test_the_same_number_gives_the_same_grid_in_any_order() -> None:
    first, _ = needle_grids(SMALL, 3)
    other, _ = needle_grids(SMALL, 9)
    assert np.array_equal(first["needles-000002"].features, other["needles-000002"].features)
    assert not np.array_equal(first["needles-000000"].features, first["needles-000002"].features)
    seeded, _ = needle_grids(NeedlesRecipe(cells=300, dim=6, informative=2, effect=3.0, seed=1), 3)
    assert not np.array_equal(first["needles-000002"].features, seeded["needles-000002"].features)
    assert first["needles-000002"].encoder["identity"] != seeded["needles-000002"].encoder["identity"]


def test_known_values() -> None:
    """Other machines and versions must draw the same; numbers are rounded, as libraries round differently."""
    grid = needle_grid(SMALL, 1, positive=True)
    assert draw_needles(SMALL, 1).places.tolist() == KNOWN_PLACE
    assert grid.cells[[0, 150, 299]].tolist() == KNOWN_CELLS
    assert np.allclose(grid.features[0].astype(float), KNOWN_CODE, atol=2e-3)


def test_the_oracle_sees_what_the_mean_does_not() -> None:
    recipe = NeedlesRecipe(cells=1000, dim=4, informative=4, effect=4.0)
    grids, table = needle_grids(recipe, 200)
    positive = (table["label"] == LABELS[1]).to_numpy()
    told = [oracle(recipe, grids[name]) for name in grids]
    means = [float(grids[name].features.astype(np.float64).mean()) for name in grids]
    assert auroc(positive, told)[0] > 0.99
    assert auroc(positive, means)[0] < 0.72  # sqrt(4) * 4 / sqrt(1000) = 0.25 standard deviations


@pytest.mark.parametrize(
    "settings", [{"needles": 0}, {"needles": 2000}, {"informative": 0}, {"informative": 64}]
)
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match="expected 1 or more"):
        NeedlesRecipe(**settings)
