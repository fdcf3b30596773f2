"""The power study: who is learned from and who tests, what is answered, and a study from end to end."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import CohortError, RecipeError
from histopress.grids.store import grid_path, write_grid
from histopress.studies import power_plan
from histopress.studies.planner import Design
from histopress.studies.planting_negatives import drawn_negatives
from histopress.studies.power import PowerSummary, study_power
from histopress.studies.power_answers import (
    Answer,
    Training,
    answer,
    control,
    smallest_detected,
    smallest_useful,
)
from histopress.studies.power_calibration import Calibration, predicted
from histopress.studies.power_cohort import Source, negatives_of
from histopress.studies.power_plan import Plan, sizes_of
from histopress.studies.power_recipe import PowerRecipe
from histopress.studies.power_tables import planner_rows
from histopress.studies.power_trial import Answered, PowerTrial, cases_of, nested
from histopress.studies.power_words import same_objects

SMALL = PowerRecipe(patients=30, cells=20, dim=4, o2i=(0.1, 0.5), replicates=2, visits=40, processes=1)


def plan(recipe: PowerRecipe = SMALL, signal: str = "effect:4:1.0") -> Plan:
    return Plan.of(None, None, signal, recipe)


def settings(asked: Plan, size: int, *, permuted: bool = False) -> PowerTrial:
    trials: list[PowerTrial] = [t.settings for t in asked.trials([size])]
    return next(t for t in trials if t.permuted == permuted and t.plant.o2i == 0.5)


def answered(effect: float, patients: int, seed: int) -> Answered:
    """Answers of a head whose scores lie so many standard deviations apart."""
    random, names = np.random.default_rng(seed), np.repeat([f"P{i:03d}" for i in range(patients)], 2)
    positive = np.tile([False, True], patients)
    return Answered(names, positive, random.standard_normal(2 * patients) + effect * positive)


def trainings(effects: dict[int, float], o2i: float = 0.1) -> list[Training]:
    return [
        Training(o2i, size, False, answered(effect, 40, 100 * size + r))
        for size, effect in effects.items()
        for r in range(3)
    ]


def test_more_patients_hold_all_of_fewer_and_the_share_of_positive_ones_stays() -> None:
    labels = ["positive"] * 15 + ["negative"] * 35
    table = pd.DataFrame({"patient": [f"P{i:02d}" for i in range(50)], "label": labels})
    few, many = nested(table, 20, 3), nested(table, 40, 3)
    assert set(few.index) < set(many.index) and few.equals(many[:20])
    assert (few == "positive").sum() == 6 and (many == "positive").sum() == 12
    assert few.equals(nested(table.sample(frac=1, random_state=0), 20, 3))
    assert set(few.index) != set(nested(table, 20, 4).index)


def test_nobody_does_two_things_and_test_patients_are_seen_both_ways() -> None:
    asked = plan()
    grids, table, fold = cases_of(settings(asked, 12), asked.negatives)
    test, pool = asked.negatives.split(SMALL.test_share, SMALL.seed)
    assert not set(test) & set(pool) and len(test) == 12
    assert len(fold.train) + len(fold.tuning) == 12 and set(fold.train) | set(fold.tuning) <= set(pool)
    assert not set(fold.train) & set(fold.tuning)
    assert sorted(fold.test) == sorted(f"{p}{end}" for p in test for end in ("#with", "#without"))
    labels = table.set_index("patient")["label"]
    assert {labels[p] for p in fold.tuning} == {"negative", "positive"}
    for name in fold.test:
        changed = not np.array_equal(
            grids[name].features, asked.negatives.grids[name.partition("#")[0]].features
        )
        assert changed == name.endswith("#with") == (labels[name] == "positive")


def test_the_null_control_changes_training_labels_alone() -> None:
    asked = plan()
    (_, first, fold), (_, second, other) = (
        cases_of(settings(asked, 18, permuted=p), asked.negatives) for p in (False, True)
    )
    real, null = (t.set_index("patient")["label"] for t in (first, second))
    assert fold.test == other.test and real[list(fold.test)].equals(null[list(fold.test)])
    learned = sorted(set(fold.train) | set(fold.tuning))
    assert learned == sorted(set(other.train) | set(other.tuning))
    assert (real[learned] != null[learned]).any() and sorted(real[learned]) == sorted(null[learned])


def test_replicates_learn_from_other_patients_and_test_the_same() -> None:
    asked = plan()
    one, two = (
        t.settings for t in asked.trials([10]) if t.settings.plant.o2i == 0.5 and not t.settings.permuted
    )
    folds = [cases_of(s, asked.negatives)[2] for s in (one, two)]
    assert folds[0].train != folds[1].train and folds[0].test == folds[1].test


def test_sizes_are_halvings_or_those_asked_for() -> None:
    assert sizes_of(120, 0.5, SMALL) == (15, 30, 60, 120)
    assert sizes_of(18, 0.5, SMALL) == (9, 18)
    assert sizes_of(100, 0.5, replace(SMALL, sizes=(80, 20))) == (20, 80)
    for pool, recipe in ((100, replace(SMALL, sizes=(20, 101))), (12, SMALL)):
        with pytest.raises(CohortError, match=r"expected two\s+sizes from 8"):
            sizes_of(pool, 0.5, recipe)


def test_answers_follow_the_trainings() -> None:
    design = Design(125)
    clear = answer(0.3, trainings({15: 0.5, 30: 1.2, 60: 2.0, 120: 2.6}, 0.3), design, SMALL)
    nothing = answer(0.1, trainings({15: 0.0, 30: 0.0, 60: 0.0, 120: 0.0}), design, SMALL)
    assert clear.learned == 100 and clear.detected and clear.power > 0.99 and clear.auroc > 0.9
    assert not nothing.detected and nothing.power < 0.3 and nothing.needed[0].trust == "never"
    eight, nine = clear.needed
    assert eight.low <= eight.patients <= eight.high and eight.patients < nine.patients
    assert (eight.tried, eight.least) == (150, 19)
    assert smallest_detected([nothing, clear]) is clear and smallest_useful([nothing, clear], 0.8) is clear
    assert smallest_detected([nothing]) is None
    assert nothing.row["patients_0.8"] == math.inf and clear.row["o2i"] == 0.3


def test_a_gap_is_not_skipped_when_the_smallest_is_looked_for() -> None:
    design = Design(125)
    clear, nothing = ({15: 0.5, 60: 2.0, 120: 2.6}, {15: 0.0, 60: 0.0, 120: 0.0})
    small, middle, large = (
        answer(o2i, trainings(effects, o2i), design, SMALL)
        for o2i, effects in ((0.01, clear), (0.03, nothing), (0.1, clear))
    )
    assert smallest_detected([small, middle, large]) is large


def test_the_control_holds_chance_unless_something_leaks() -> None:
    nulls = [Training(0.1, 100, True, answered(0.0, 40, seed)) for seed in range(3)]
    leaks = [Training(0.1, 100, True, answered(1.5, 40, seed)) for seed in range(3)]
    assert control(nulls, SMALL).held and not control(leaks, SMALL).held


def test_calibration_counts_what_the_bands_hold() -> None:
    curve = answer(0.1, trainings({8: 0.5, 15: 1.0, 30: 1.5, 60: 2.0}), Design(125), SMALL).curve
    told = float(curve.at([120])[0])
    good = predicted(curve, 120, [told - 0.01, told + 0.01], 0.01, cohort=0, o2i=0.1)
    bad = predicted(curve, 120, [0.5, 0.5], 0.01, cohort=1, o2i=0.1)
    assert good.covered and good.tried == 60 and not bad.covered and bad.error > 0.2
    facts = Calibration([good, bad]).facts
    assert (facts["predictions"], facts["covered"], facts["close"]) == (2, 1, 1)
    assert facts["bias"] == pytest.approx(bad.error / 2)


def test_a_cohort_with_labels_gives_its_negatives_and_its_prevalence(tmp_path: Path) -> None:
    grids, _ = drawn_negatives(4, cells=12, dim=3)
    for slide in grids:
        write_grid(grid_path(tmp_path / "grids", slide), grids[slide])
    rows = [f"{i},{slide},{'yes' if i == 3 else 'no'}" for i, slide in enumerate(grids)]
    (tmp_path / "cohort.csv").write_text("\n".join(["patient,slide,met", *rows, "4,absent,no"]) + "\n")
    recipe = PowerRecipe(label="met", negative="no")
    found = negatives_of(Source.of(tmp_path / "grids", tmp_path / "cohort.csv", recipe))
    assert found.patients == ["0", "1", "2"] and found.cohort == 5 and found.prevalence == pytest.approx(0.2)
    assert found.notes == ("1 of 4 negative slides have no grid and are left out",)
    with pytest.raises(CohortError, match="nobody has met 'No', found no, yes"):
        negatives_of(Source.of(tmp_path / "grids", tmp_path / "cohort.csv", replace(recipe, negative="No")))
    every = negatives_of(Source.of(tmp_path / "grids", None, PowerRecipe()))
    assert len(every.patients) == 4 and every.identity != found.identity


def test_other_grids_or_settings_are_other_trainings() -> None:
    names = {t.name for t in plan().trials([10, 18])}
    assert len(names) == 2 * 2 * 2 + 2
    assert names.isdisjoint(t.name for t in plan(replace(SMALL, seed=5)).trials([10, 18]))
    assert names == {t.name for t in plan(replace(SMALL, threshold=0.7, resamples=40)).trials([10, 18])}


def test_a_recipe_says_what_is_wrong() -> None:
    with pytest.raises(RecipeError, match="o2i holds 0, expected shares above 0"):
        PowerRecipe(o2i=(0, 0.1))
    with pytest.raises(RecipeError, match="its negative value"):
        PowerRecipe(label="met")


def test_too_few_negatives_are_told_what_cannot_be_answered(tmp_path: Path) -> None:
    summary = study_power(None, None, "effect:2", tmp_path, replace(SMALL, patients=12))
    assert not summary.answers and "12 negative patients" in summary.text and summary.trainings == 0
    page = (tmp_path / "report.html").read_text()
    assert "cannot be told" in page and "patients for a width of 0.1" in page
    assert not (tmp_path / "report.png").exists()
    assert len(pd.read_csv(tmp_path / "planner.csv")) == len(planner_rows(Design(12)))


def test_a_study_from_end_to_end_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(SMALL, o2i=(0.5,), sizes=(8, 18), replicates=1, visits=60)
    summary = study_power(None, None, "effect:4:1.0", tmp_path, recipe)
    assert summary.trainings == 3 and not len(summary.failures)
    (found,) = summary.answers
    assert found.learned == 24 and found.auroc > 0.8 and found.detected
    told = json.loads((tmp_path / "power.json").read_text())
    assert told["answers"][0]["auroc"] == found.auroc and told["signal"] == "effect:4:1.0"
    page = (tmp_path / "report.html").read_text()
    assert "With 30 patients, an object of 50 %" in page and "Null control: 1 head that" in page
    for name in ("report.png", "answers.csv", "answers.parquet", "curves.csv", "planner.parquet"):
        assert (tmp_path / name).stat().st_size > 100, name
    monkeypatch.setattr(power_plan, "run_trial", _never)
    again = study_power(None, None, "effect:4:1.0", tmp_path, recipe)
    assert isinstance(again, PowerSummary) and isinstance(again.answers[0], Answer)
    assert again.answers[0].row == found.row


def _never(*_: object) -> dict[str, float]:
    raise AssertionError("what is done is not done again")


def test_ratios_that_mean_the_same_cells_are_named() -> None:
    (note,) = same_objects([0.03, 0.01, 0.003], [47, 90, 133])
    assert note.startswith("0.3 % and 1 % are the same cells in every slide, as slides have 47 to 133")
    assert same_objects([0.01, 0.03], [47, 200]) == []
