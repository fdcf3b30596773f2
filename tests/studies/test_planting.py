"""Planted cohorts: the signal is found, nothing else tells the label, and the truth is told."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import CohortError
from histopress.grids.grid import FeatureGrid
from histopress.metrics.scores import auroc
from histopress.studies.planting import (
    LABELS,
    EffectSignal,
    PlantedCohort,
    PlantRecipe,
    TileSignal,
    measure,
    planted_grids,
)
from histopress.studies.planting_context import context_cells
from histopress.studies.planting_negatives import drawn_negatives

COUNT = 80
LAZY, TABLE = drawn_negatives(COUNT, cells=200, dim=8, seed=2)
GRIDS: dict[str, FeatureGrid] = dict(LAZY)
GROUND = measure(GRIDS)
EFFECT = EffectSignal(8.0, 0.5)
BRIGHT = TileSignal(np.random.default_rng(7).normal(9 * EFFECT.direction(8), 1, (50, 8)).astype(np.float32))


def cohort(recipe: PlantRecipe, signal: EffectSignal | TileSignal = EFFECT) -> PlantedCohort:
    return planted_grids(GRIDS, TABLE, signal, recipe, ground=GROUND)


def area(found: PlantedCohort, signal: EffectSignal) -> float:
    """AUROC of the highest projection on the direction that was planted."""
    told = [float((g.features.astype(float) @ signal.direction(8)).max()) for g in found.grids.values()]
    return float(auroc((found.truth["label"] == LABELS[1]).to_numpy(), np.array(told))[0])


def test_the_truth_is_what_the_grids_hold() -> None:
    found = cohort(PlantRecipe(o2i=0.03, foci=2, label_noise=0.1))
    for row in found.truth.to_dict("records"):
        changed = (found.grids[row["slide"]].features != GRIDS[row["slide"]].features).any(axis=1)
        assert changed.sum() == row["planted"] == (6 if row["label"] == LABELS[1] else 0)
        assert row["o2i"] == row["planted"] / 200
    assert (found.table["label"] != found.truth["label"]).sum() == 8
    assert found.table.columns.tolist() == ["patient", "slide", "label", "site"]
    assert list(found.grids) == found.table["slide"].tolist() == sorted(GRIDS)


def test_negatives_are_the_very_grids_that_were_given() -> None:
    found = cohort(PlantRecipe(o2i=0.03))
    negative = found.truth.loc[found.truth["label"] == LABELS[0], "slide"]
    assert all(found.grids[slide] is GRIDS[slide] for slide in negative)


def test_a_planted_signal_is_found_and_none_gives_chance() -> None:
    assert area(cohort(PlantRecipe(o2i=0.005)), EFFECT) > 0.99
    for nothing in (
        cohort(PlantRecipe(o2i=0.1, contrast=0.0)),
        cohort(PlantRecipe(o2i=0.1), EffectSignal(0.0)),
    ):
        assert 0.3 < area(nothing, EFFECT) < 0.7


def test_label_goes_with_nothing_but_the_signal() -> None:
    sizes = {slide: int(np.random.default_rng(i).integers(60, 200)) for i, slide in enumerate(sorted(GRIDS))}
    uneven = {
        slide: replace(g, **{n: getattr(g, n)[: sizes[slide]] for n in ("features", "cells", "tissue")})
        for slide, g in GRIDS.items()
    }
    areas = []
    for seed in range(20):
        found = planted_grids(uneven, TABLE, EFFECT, PlantRecipe(o2i=0.05, seed=seed), ground=GROUND)
        positive = (found.truth["label"] == LABELS[1]).to_numpy()
        assert len(found.grids["needles-000000"]) == sizes["needles-000000"]
        counts = np.array([sizes[slide] for slide in found.truth["slide"]])
        areas.append(float(auroc(positive, counts)[0]))
    assert abs(np.mean(areas) - 0.5) < 0.05


@pytest.mark.parametrize("inside", ["border", "core", "cluster"])
def test_where_it_lies_tells_the_label_and_that_it_is_there_does_not(inside: str) -> None:
    recipe = PlantRecipe(o2i=0.05, inside=inside)  # type: ignore[arg-type]
    found = cohort(recipe)
    assert set(found.truth["planted"] + found.truth["decoys"]) == {10}
    assert ((found.truth["decoys"] == 0) == (found.truth["label"] == LABELS[1])).all()
    for row in found.truth.to_dict("records"):
        slide = row["slide"]
        changed = (found.grids[slide].features != GRIDS[slide].features).any(axis=1)
        counts = context_cells(GRIDS[slide], recipe, GROUND)
        assert changed.sum() == 10
        assert np.array_equal(changed & counts, changed) == (row["label"] == LABELS[1])
        assert (changed & counts).any() == (row["label"] == LABELS[1])
    assert 0.3 < area(cohort(recipe, BRIGHT), EFFECT) < 0.7


def test_no_two_patients_share_a_tile_where_there_are_enough() -> None:
    tiles = TileSignal(np.random.default_rng(0).normal(30, 1, (90, 8)).astype(np.float32))
    train, test = (
        planted_grids(GRIDS, part, tiles.share(n, 2), PlantRecipe(o2i=0.02), ground=GROUND)
        for n, part in enumerate((TABLE[:40], TABLE[40:]))
    )
    seen: list[set[bytes]] = []
    for found in (train, test):
        for slide in found.truth.loc[found.truth["planted"] > 0, "slide"]:
            codes = found.grids[slide].features
            seen.append({code.tobytes() for code in codes[(codes > 15).all(axis=1)]})
    assert len(seen) == 40 and sum(map(len, seen)) == len(set().union(*seen))
    assert min(map(len, seen)) >= 2 and not train.notes
    scarce = cohort(PlantRecipe(o2i=0.02), tiles.share(0, 10))
    assert scarce.notes == (
        "9 signal tiles for 40 patients: some share a tile, so a head may know a tile again; give more tiles",
    )


def test_grids_are_the_same_in_any_order_and_any_process() -> None:
    recipe = PlantRecipe(o2i=0.05, foci=3, inside="core", site_shift=0.5, confounding=0.5)
    one = planted_grids(LAZY, TABLE, EFFECT, recipe)
    other = pickle.loads(
        pickle.dumps(planted_grids(LAZY, TABLE.sample(frac=1), EFFECT, recipe, ground=GROUND))
    )
    pd.testing.assert_frame_equal(one.truth, other.truth)
    for slide in list(one.grids)[::-13]:
        assert np.array_equal(one.grids[slide].features, other.grids[slide].features)
        assert one.grids[slide].identity == other.grids[slide].identity


def test_sites_keep_their_looks_from_one_cohort_to_another() -> None:
    recipe = PlantRecipe(o2i=0.05, site_shift=3.0, prevalence=0.0)
    vectors: dict[str, list[np.ndarray]] = {}
    for part in (TABLE[:30], TABLE[30:]):
        found = planted_grids(GRIDS, part, EFFECT, recipe, ground=GROUND)
        for row in found.table.to_dict("records"):
            moved = found.grids[row["slide"]].features.astype(float) - GRIDS[row["slide"]].features
            vectors.setdefault(row["site"], []).append(moved.mean(axis=0))
    assert len(vectors) == 2
    assert all(np.ptp(own, axis=0).max() < 0.01 for own in vectors.values())


def test_only_one_slide_of_a_patient_is_touched() -> None:
    pairs = TABLE.assign(patient=[f"p{i // 2:02d}" for i in range(COUNT)])
    found = planted_grids(GRIDS, pairs, EFFECT, PlantRecipe(o2i=0.05, inside="border"), ground=GROUND)
    held = (found.truth["planted"] + found.truth["decoys"] > 0).groupby(found.truth["patient"]).sum()
    assert (held == 1).all()
    assert found.table.groupby("patient")["label"].nunique().max() == 1


def test_slides_without_grid_are_refused() -> None:
    with pytest.raises(CohortError, match="1 of 81 slides have no grid, such as 'lost'"):
        lost = pd.DataFrame({"patient": ["lost"], "slide": ["lost"]})
        planted_grids(GRIDS, pd.concat([TABLE, lost]), EFFECT, PlantRecipe(o2i=0.1))


def test_grids_tell_what_they_hold_without_being_made() -> None:
    found = cohort(PlantRecipe(o2i=0.1))
    assert "lost" not in found.grids and "needles-000001" in found.grids and len(found.grids) == COUNT
    with pytest.raises(KeyError):
        found.grids["lost"]
