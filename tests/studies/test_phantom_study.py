"""The study of phantoms: parts that share nothing, controls, and one command that can be asked twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histopress.core.errors import CohortError, RecipeError
from histopress.grids.store import grid_path, write_grid
from histopress.studies.phantom_study import phantom_trials, study_phantom, write_findings
from histopress.studies.phantom_study_negatives import gather_material
from histopress.studies.phantom_study_recipe import PhantomStudyRecipe
from histopress.studies.phantom_study_trial import PhantomTrial, planted_parts, trained_labels
from histopress.studies.planting import LABELS
from histopress.studies.planting_negatives import drawn_negatives
from histopress.studies.sweep import run_sweep

TINY = PhantomStudyRecipe(
    o2i=(0.2,),
    sizes=(8,),
    signal="effect:6:0.5",
    cells=20,
    dim=4,
    test=12,
    replicates=1,
    controls=False,
    epochs=3,
    processes=1,
)


def test_parts_share_no_patient_and_the_test_part_is_clean_and_always_the_same(tmp_path: Path) -> None:
    recipe = replace(
        TINY, sizes=(8, 16), replicates=2, label_noise=(0.25,), confounding=(1.0,), site_shift=(1.0,)
    )
    material = gather_material(recipe, tmp_path)
    tested, learned = [], []
    for trial in phantom_trials(recipe, material.identity):
        train, test = planted_parts(trial.settings, material)
        assert not set(train.table["patient"]) & set(test.table["patient"])
        assert len(train.table) == trial.settings.size and len(test.table) == 12
        assert (train.table["label"] != train.truth["label"]).sum() == round(0.25 * trial.settings.size)
        assert (test.table["label"] == test.truth["label"]).all()
        assert train.truth.groupby("label")["site"].nunique().tolist() == [1, 1]
        assert test.truth.groupby("label")["site"].nunique().tolist() == [2, 2]
        tested.append([test.grids[slide].identity for slide in test.grids])
        learned.append(set(train.table["patient"]))
    assert all(own == tested[0] for own in tested)
    small, large = learned[0], learned[2]
    assert small < large and not learned[0] & learned[1]


def test_permuted_labels_go_with_nothing(tmp_path: Path) -> None:
    recipe = replace(TINY, sizes=(40,), controls=True)
    material = gather_material(recipe, tmp_path)
    (trial,) = (t for t in phantom_trials(recipe, material.identity) if t.axes["control"])
    train, _ = planted_parts(trial.settings, material)
    given = trained_labels(train, trial.settings)
    true = train.truth.set_index("patient")["label"]
    assert [int(((true == t) & (given == g)).sum()) for t in LABELS for g in LABELS] == [10] * 4


def test_every_combination_is_a_trial_and_controls_stand_at_the_highest_ratio() -> None:
    recipe = replace(
        TINY, o2i=(0.1, 0.2), heads=("mean", "max"), contrast=(0.5, 1.0), controls=True, replicates=3
    )
    trials = phantom_trials(recipe, "x")
    real = [trial for trial in trials if not trial.axes["control"]]
    assert len(real) == 2 * 2 * 2 * 3 and len(trials) - len(real) == 2 * 2 * 3
    assert {trial.axes["o2i"] for trial in trials if trial.axes["control"]} == {0.2}
    assert len({trial.name for trial in trials}) == len(trials)


def test_one_command_trains_tells_and_draws_and_does_nothing_twice(tmp_path: Path) -> None:
    recipe = replace(TINY, heads=("max",))
    found = study_phantom(tmp_path, recipe)
    assert not len(found.failures) and found.table is not None
    row = found.table.iloc[0]
    assert 0 <= row["test_auroc"] <= 1 and row["patients"] == 8 and row["outcome"]
    assert {"results.md", "results.csv", "auroc.png", "patients.png"} <= {p.name for p in tmp_path.iterdir()}
    assert "20 %" in (tmp_path / "results.md").read_text()
    again = study_phantom(tmp_path, recipe)
    assert (again.now, again.before) == (0, 1)


def test_every_axis_has_its_figure(tmp_path: Path) -> None:
    recipe = replace(TINY, o2i=(0.1, 0.2), heads=("mean", "topk:k=1"), contrast=(0.5, 1.0), controls=True)
    table = run_sweep(phantom_trials(recipe, "x"), half_right, tmp_path).table
    assert table is not None
    write_findings(table, tmp_path, recipe, ["a remark"])
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert {"auroc-by-head.png", "auroc-by-contrast.png", "auroc-head-topk-k-1-contrast-0.5.png"} <= drawn
    assert len(drawn) == 2 + 2 * 4
    told = (tmp_path / "results.md").read_text()
    assert told.startswith("a remark.") and told.count("## head") == 4


def half_right(settings: PhantomTrial, folder: Path) -> dict[str, float]:
    return {"test_auroc": 0.5 + settings.plant.contrast * settings.plant.o2i}


def test_own_tiles_make_slides_whose_test_part_has_tiles_of_its_own(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, base in (("normal", 60), ("tumour", 180)):
        (tmp_path / name).mkdir()
        for number in range(10):
            pixels = np.full((16, 16, 3), base, np.uint8) + random.integers(0, 60, 3, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    recipe = replace(
        TINY,
        tiles=str(tmp_path / "normal"),
        signal=str(tmp_path / "tumour"),
        encoder="mean-rgb:tile=16",
    )
    material = gather_material(recipe, tmp_path)
    train, test = planted_parts(phantom_trials(recipe, material.identity)[0].settings, material)
    held = [{c.tobytes() for g in part.grids.values() for c in g.features} for part in (train, test)]
    assert not held[0] & held[1]
    for part in (train, test):
        bright = {slide: int((part.grids[slide].features.mean(axis=1) > 0.6).sum()) for slide in part.grids}
        assert bright == dict(zip(part.truth["slide"], part.truth["planted"], strict=True))
        assert set(part.truth.loc[part.truth["label"] == LABELS[1], "planted"]) == {4}


def test_stored_grids_are_planted_into(tmp_path: Path) -> None:
    drawn, _ = drawn_negatives(13, cells=20, dim=4)
    for slide in drawn:
        write_grid(grid_path(tmp_path, slide), drawn[slide])
    recipe = replace(TINY, grids=tmp_path, test=4, replicates=2)
    material = gather_material(recipe, tmp_path)
    assert material.notes == ("each slide is taken as a patient of its own",)
    for trial in phantom_trials(recipe, material.identity):
        train, test = planted_parts(trial.settings, material)
        assert len(train.table) == 8 and not set(train.table["patient"]) & set(test.table["patient"])
    with pytest.raises(CohortError, match="13 patients with grids, expected 44"):
        gather_material(replace(recipe, sizes=(40,)), tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"sizes": (4,)},
        {"o2i": ()},
        {"o2i": (2.0,)},
        {"tiles": "a", "grids": Path("b")},
        {"cohort": Path("c.csv")},
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match="expected"):
        PhantomStudyRecipe(**settings)  # type: ignore[arg-type]
