"""The study of rectangles from end to end, on pictures of a few cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from histopress.core.errors import RecipeError
from histopress.heads.train_recipe import TrainRecipe
from histopress.studies.rectangles_recipe import PUBLISHED_STUDY, CellEncoderRecipe, RectanglesStudyRecipe
from histopress.studies.rectangles_study import (
    by_lesion,
    cell_trials,
    grid_trials,
    long_side,
    scene_of,
    study_rectangles,
)
from histopress.studies.rectangles_trials import GridTrial

TINY = RectanglesStudyRecipe(
    side=12,
    lesions=(0.5,),
    sizes=(8,),
    tuning=4,
    test=10,
    encoders=("mean-colour", "supervised"),
    encoder=CellEncoderRecipe(dim=4, pairs=64, updates=10, batch=16),
    head=TrainRecipe(head="cnn:width=4,blocks=1,kernel=3", batch=4, patience=9),
    visits=16,
    replicates=1,
)


def test_the_study_from_end_to_end_and_again(
    tmp_path: Path, write_digits: Callable[[Path, int, int], Path]
) -> None:
    mnist, output = write_digits(tmp_path / "mnist", 300, 100), tmp_path / "out"
    summary = study_rectangles(mnist, output, TINY)
    assert not len(summary.failures) and summary.now == 4
    table = pd.read_csv(output / "lesions.csv", keep_default_na=False)
    real = table[table["control"] == ""]
    assert sorted(zip(real["encoder"], real["lesion"].round(2), strict=True)) == [
        ("mean-colour", 0.5), ("supervised", 0.5),
    ]  # fmt: skip
    assert sorted(table.loc[table["control"] != "", "control"]) == ["noise", "permuted"]
    assert table["test_accuracy"].between(0, 1).all() and (table["chance"] == 0.5).all()
    assert (table["area"] - table["lesion"] ** 2 / 2).abs().max() < 1e-9
    assert (output / "accuracy.png").exists()
    assert "ignores places reaches 0.5 at most" in (output / "accuracy.md").read_text()
    again = study_rectangles(mnist, output, TINY)
    assert again.now == 0 and again.before == 4


def test_an_encoder_that_fails_is_told_and_stops_no_other(
    tmp_path: Path, write_digits: Callable[[Path, int, int], Path]
) -> None:
    recipe = replace(TINY, encoders=("best", "mean-colour"), controls=False)  # type: ignore[arg-type]
    summary = study_rectangles(write_digits(tmp_path / "mnist", 300, 100), tmp_path / "out", recipe)
    assert [failure.reason.count("expected one of mean-colour") for failure in summary.failures] == [1, 0]
    assert "could not be trained" in list(summary.failures)[1].reason
    assert summary.now == 1


def test_every_combination_is_a_trial_and_an_encoder_serves_all_sizes() -> None:
    recipe = RectanglesStudyRecipe()
    trials, cells = grid_trials(recipe, "content"), cell_trials(recipe, "content")
    kinds = len(recipe.encoders) * len(recipe.lesions) * len(recipe.sizes)
    assert len(trials) == (kinds + 2) * recipe.replicates
    assert len({trial.name for trial in trials}) == len(trials)
    assert {trial.settings.cells for trial in trials} == {trial.settings for trial in cells}
    seeds = {(trial.settings.head.seed, trial.settings.cells.replicate) for trial in trials}
    assert seeds == {(n, n) for n in range(recipe.replicates)}


def test_sizes_are_even_numbers_of_cells() -> None:
    recipe = RectanglesStudyRecipe()
    assert [long_side(recipe, lesion) for lesion in (0.01, 0.125, 0.1875, 0.25, 0.375, 0.5)] == [
        4,
        4,
        6,
        8,
        12,
        16,
    ]
    scene = scene_of(recipe, (0.25,))
    assert (scene.shortest, scene.longest, scene.digits) == (8, 8, 819)


def test_the_published_study_is_the_published_task() -> None:
    recipe = PUBLISHED_STUDY
    trials = grid_trials(recipe, "content")
    settings = trials[0].settings
    assert isinstance(settings, GridTrial)
    scene = settings.scene
    assert (scene.side, scene.digits, scene.labels) == (400, 25_920, 10)
    assert (scene.shortest, scene.longest) == (4, 200)
    assert (settings.train, settings.tuning, settings.test) == (16_875, 5625, 25_000)
    assert recipe.encoder.pairs == 1_000_000 and settings.head.head == "cnn:published"
    assert settings.lesions == (4, 8, 20, 40, 80, 120, 160, 200)
    assert len(trials) == len(recipe.encoders) + 2


def test_mixed_sizes_become_a_row_each() -> None:
    recipe = replace(TINY, mixed=True, lesions=(0.34, 0.5))
    row = {"encoder": "vae", "control": "", "replicate": 0, "test_accuracy": 0.7, "train_size": 8}
    sizes = {"accuracy_4": 0.6, "pictures_4": 3, "accuracy_6": 0.8, "pictures_6": 7}
    table = by_lesion(pd.DataFrame([row | sizes]), recipe)
    assert table["lesion"].tolist() == pytest.approx([4 / 12, 6 / 12])
    assert table["test_accuracy"].tolist() == [0.6, 0.8] and table["pictures"].tolist() == [3, 7]


@pytest.mark.parametrize(
    "wrong",
    [
        {"lesions": (0.6,)},
        {"lesions": ()},
        {"test": 1},
        {"replicates": 0},
        {"encoders": ()},
        {"digits": (1, 1)},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match="expected"):
        replace(TINY, **wrong)  # type: ignore[arg-type]
