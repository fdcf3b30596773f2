"""One planted grid: as many cells as asked for, what they look like, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from histopress.core.errors import GridError, RecipeError
from histopress.grids.grid import FeatureGrid
from histopress.studies.needles import NeedlesRecipe, needle_grid
from histopress.studies.planting_ground import measure
from histopress.studies.planting_object import object_size, plant, shifted
from histopress.studies.planting_recipe import CONTEXTS, PlantRecipe
from histopress.studies.planting_signal import EffectSignal, TileSignal

GRID = needle_grid(NeedlesRecipe(cells=400, dim=6, informative=1), 3, positive=False)
TILES = TileSignal(np.random.default_rng(1).normal(20, 1, (30, 6)).astype(np.float32))


@pytest.mark.parametrize(("o2i", "cells"), [(0.0, 1), (0.0005, 1), (0.01, 4), (0.191, 76), (1.0, 400)])
@pytest.mark.parametrize("foci", [1, 5])
def test_the_ratio_is_reached_to_a_cell(o2i: float, cells: int, foci: int) -> None:
    planted = plant(GRID, TILES, PlantRecipe(o2i=o2i, foci=foci), 0)
    assert planted.cells.sum() == cells == object_size(o2i, len(GRID))
    assert np.array_equal(planted.cells, (planted.grid.features > 10).all(axis=1))


def test_all_other_cells_stay_bit_for_bit() -> None:
    planted = plant(GRID, TILES, PlantRecipe(o2i=0.05), 0)
    rest = ~planted.cells
    assert np.array_equal(planted.grid.features[rest].view(np.uint16), GRID.features[rest].view(np.uint16))
    assert np.array_equal(planted.grid.cells, GRID.cells)
    assert (GRID.features < 10).all()


def test_contrast_leads_from_the_cell_to_the_object() -> None:
    own, half, whole = (plant(GRID, TILES, PlantRecipe(o2i=0.1, contrast=c), 0) for c in (0.0, 0.5, 1.0))
    assert np.array_equal(own.cells, whole.cells)
    assert np.array_equal(own.grid.features, GRID.features)
    seen = whole.grid.features[whole.cells]
    known = {code.tobytes() for code in TILES.codes.astype(np.float16)}
    assert {code.tobytes() for code in seen} <= known
    between = (GRID.features[own.cells].astype(np.float32) + seen) / 2
    assert np.allclose(half.grid.features[half.cells], between, atol=0.02)


def test_an_effect_shifts_some_numbers_by_standard_deviations() -> None:
    ground, signal = measure({"a": GRID}), EffectSignal(3.0, 0.5, seed=4)
    planted = plant(GRID, signal, PlantRecipe(o2i=0.1), 0, ground=ground)
    moved = (planted.grid.features - GRID.features.astype(np.float64))[planted.cells] / ground.sd
    assert (signal.direction(6) != 0).sum() == 3
    assert np.allclose(moved, 3 * signal.direction(6), atol=0.02)


def test_every_change_has_an_identity_of_its_own() -> None:
    recipe = PlantRecipe(o2i=0.05, inside="core")
    found = [
        GRID,
        plant(GRID, TILES, recipe, 0).grid,
        plant(GRID, TILES, recipe, 1).grid,
        plant(GRID, TILES, recipe, 0, decoy=True).grid,
        plant(GRID, TILES, replace(recipe, contrast=0.5), 0).grid,
        plant(GRID, TILES.share(0, 2), recipe, 0).grid,
        shifted(GRID, replace(recipe, site_shift=1.0), 0, measure({"a": GRID})),
    ]
    assert len({grid.identity for grid in found}) == len(found)
    assert plant(GRID, TILES, recipe, 0).grid.identity == found[1].identity


@pytest.mark.parametrize("inside", [c for c in CONTEXTS if c != "anywhere"])
def test_an_object_and_a_decoy_are_as_large_and_never_in_one_place(inside: str) -> None:
    recipe = PlantRecipe(o2i=0.3, inside=inside)  # type: ignore[arg-type]
    ones = [plant(GRID, TILES, recipe, index).cells for index in range(5)]
    decoys = [plant(GRID, TILES, recipe, index, decoy=True).cells for index in range(5)]
    assert {int(cells.sum()) for cells in ones + decoys} == {120}
    assert not (np.any(ones, axis=0) & np.any(decoys, axis=0)).any()


def test_codes_stay_finite() -> None:
    loud = TileSignal(np.full((1, 6), 1e30, np.float32))
    planted = plant(GRID, loud, PlantRecipe(o2i=0.1, contrast=0.7), 0).grid
    moved = shifted(planted, PlantRecipe(o2i=0.1, site_shift=1e6), 1, measure({"a": GRID}))
    assert np.isfinite(planted.features).all() and np.isfinite(moved.features).all()
    assert planted.features.dtype == moved.features.dtype == np.float16


def test_a_site_moves_all_codes_by_one_vector_of_the_wanted_size() -> None:
    wide = needle_grid(NeedlesRecipe(cells=50, dim=400, informative=1), 0, positive=False)
    ground, recipe = measure({"a": wide}), PlantRecipe(o2i=0.1, site_shift=2.0)
    vectors = [
        (shifted(wide, recipe, site, ground).features.astype(np.float64) - wide.features) / ground.sd
        for site in (0, 1)
    ]
    for vector in vectors:
        assert np.abs(vector - vector[0]).max() < 0.02
        assert 1.8 < vector[0].std() < 2.2
    assert abs(np.corrcoef(vectors[0][0], vectors[1][0])[0, 1]) < 0.2
    assert shifted(wide, replace(recipe, site_shift=0.0), 0, ground) is wide


def test_what_cannot_be_planted_is_refused() -> None:
    empty = replace(GRID, features=GRID.features[:0], cells=GRID.cells[:0], tissue=GRID.tissue[:0])
    with pytest.raises(GridError, match="no tissue cell"):
        plant(empty, TILES, PlantRecipe(o2i=0.1), 0)
    with pytest.raises(GridError, match="have 3 numbers"):
        plant(GRID, TileSignal(np.ones((2, 3), np.float32)), PlantRecipe(o2i=0.1), 0)
    with pytest.raises(GridError, match="expected one encoder"):
        plant(GRID, replace(TILES, encoder="other"), PlantRecipe(o2i=0.1), 0)
    with pytest.raises(GridError, match="200 of 400 cells may hold it"):
        plant(GRID, TILES, PlantRecipe(o2i=0.6, inside="border"), 0)


@pytest.mark.parametrize(
    "settings",
    [{"o2i": 1.1}, {"foci": 0}, {"inside": "left"}, {"site_shift": -1}, {"confounding": 0.5, "sites": 1}],
)
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match="expected"):
        PlantRecipe(**{"o2i": 0.1, **settings})  # type: ignore[arg-type]


def test_the_grid_that_is_given_is_not_changed() -> None:
    before: FeatureGrid = replace(GRID, features=GRID.features.copy())
    plant(before, TILES, PlantRecipe(o2i=0.5), 0)
    assert np.array_equal(before.features, GRID.features)
