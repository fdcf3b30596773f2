from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import CohortError, PredictionsError, RecipeError
from histopress.data.predictions import write_predictions
from histopress.metrics.evaluate import EvaluateRecipe, Evaluation, evaluate

Maker = Callable[..., pd.DataFrame]
QUICK = {"resamples": 200, "permutations": 100}


def run(tmp_path: Path, *tables: pd.DataFrame, **settings: Any) -> Evaluation:
    paths = [tmp_path / f"model-{i}.csv" for i in range(len(tables))]
    for path, table in zip(paths, tables, strict=True):
        write_predictions(table, path)
    return evaluate(paths, tmp_path / "out", EvaluateRecipe(**{**QUICK, **settings}))


def sections(found: Evaluation) -> dict[str, Any]:
    return found.facts["results"][0]["sections"]  # type: ignore[no-any-return]


def cohort(tmp_path: Path, table: pd.DataFrame) -> Path:
    patients = sorted(table["patient"].unique())
    rows = pd.DataFrame({"patient": patients})
    rows["sex"] = np.where(np.arange(len(rows)) % 2, "female", "male")
    rows["age"] = 40 + np.arange(len(rows)) % 37
    rows.to_csv(tmp_path / "cohort.csv", index=False)
    return tmp_path / "cohort.csv"


def test_thresholds_come_from_the_tuning_rows_alone(tmp_path: Path, make_table: Maker) -> None:
    table = make_table(tuning=True, patients=60)
    one = sections(run(tmp_path, table))["thresholds"]
    assert set(one["thresholds"]) == set("01234")
    poisoned = table.copy()
    test = poisoned["part"] == "test"
    poisoned.loc[test, ["p:normal", "p:tumour"]] = poisoned.loc[test, ["p:tumour", "p:normal"]].to_numpy()
    poisoned.loc[test, "score"] = poisoned.loc[test, "p:tumour"]
    other = sections(run(tmp_path, poisoned))["thresholds"]
    assert one["thresholds"] == other["thresholds"]
    assert one["proportions"] != other["proportions"]
    hits = {p["name"]: p["hits"] for p in one["proportions"]}
    assert hits["sensitivity"] == hits["positive predictive value"]
    assert sum(p["trials"] for p in one["proportions"][:2]) == 60


def test_a_sensitivity_that_is_asked_for_is_reached_on_tuning_rows(tmp_path: Path, make_table: Maker) -> None:
    table = make_table(tuning=True, patients=60)
    found = sections(run(tmp_path, table, threshold="sensitivity:1"))["thresholds"]
    tuned = table[(table["part"] == "tuning") & (table["truth"] == "tumour")]
    lowest = tuned.groupby(["run", "patient"])["score"].mean().groupby("run").min()
    assert all(found["thresholds"][fold] <= value for fold, value in lowest.items())


def test_without_tuning_rows_the_reason_is_told(tmp_path: Path, make_table: Maker) -> None:
    found = run(tmp_path, make_table())
    for name in ("thresholds", "recalibration"):
        assert "no rows of part tuning" in sections(found)[name]["reason"]
    assert "no rows of part tuning" in found.report.read_text("utf-8")


@pytest.mark.parametrize("kind", ["binary", "multiclass", "ordinal"])
def test_answers_that_are_too_sure_are_put_right(tmp_path: Path, make_table: Maker, kind: str) -> None:
    classes = ("a", "b") if kind == "binary" else ("a", "b", "c")
    table = make_table(kind, classes=classes, tuning=True, patients=90, effect=1.0)
    names = [f"p:{c}" for c in classes]
    sharp = table[names].to_numpy() ** 4
    sharp /= sharp.sum(axis=1, keepdims=True)
    table[names] = sharp
    table["score"] = {"binary": sharp[:, -1], "ordinal": sharp @ np.arange(len(classes))}.get(kind, np.nan)
    told = sections(run(tmp_path, table))["recalibration"]
    loss = next(s for s in told["scores"] if s["score"] == "Log loss")
    assert loss["after"] < loss["before"]
    assert all("temperature" in fit for fit in told["fitted"].values())


def test_an_ensemble_is_judged_with_the_tuning_rows_of_its_members(tmp_path: Path, make_table: Maker) -> None:
    table = make_table(tuning=True, patients=60)
    new = table[table["part"] == "test"].assign(part="new", run="mean", models=5)
    new["patient"], new["slide"] = "N" + new["patient"], "N" + new["slide"]
    told = sections(run(tmp_path, pd.concat([table[table["part"] != "test"], new])))
    assert len(told["thresholds"]["thresholds"]) == 5
    assert set(told["recalibration"]["fitted"]) == {"mean"}


def test_models_are_compared_on_the_patients_they_share(tmp_path: Path, make_table: Maker) -> None:
    good, poor = make_table(effect=3.0), make_table(effect=0.2, seed=1, patients=35)
    found = run(tmp_path, good, poor).facts["comparisons"]["diagnosis"]
    assert found["patients"] == 35
    boot, delong = found["differences"]
    assert (boot["method"], delong["method"]) == ("paired bootstrap over patients (BCa)", "DeLong")
    assert boot["value"] == pytest.approx(delong["value"])
    assert boot["high"] < 0
    assert boot["p_corrected"] >= boot["p"]


def test_a_table_compared_with_itself_differs_by_nothing(tmp_path: Path, make_table: Maker) -> None:
    found = run(tmp_path, make_table(), make_table()).facts["comparisons"]["diagnosis"]["differences"]
    assert [d["value"] for d in found] == [0, 0]
    assert all(d["low"] <= 0 <= d["high"] for d in found)


@pytest.mark.parametrize("kind", ["multiclass", "ordinal", "regression", "survival"])
def test_every_kind_can_be_compared(tmp_path: Path, make_table: Maker, kind: str) -> None:
    tables = [make_table(kind, classes=("a", "b", "c"), effect=effect) for effect in (0.1, 3.0)]
    (difference,) = run(tmp_path, *tables).facts["comparisons"]["diagnosis"]["differences"]
    assert difference["value"] > 0


def test_models_that_are_told_other_truths_are_not_compared(tmp_path: Path, make_table: Maker) -> None:
    table = make_table()
    swapped = table.assign(truth=table["truth"].map({"normal": "tumour", "tumour": "normal"}))
    found = run(tmp_path, table, swapped)
    assert "different truths" in found.facts["comparisons"]["diagnosis"]["reason"]
    assert "Not compared" in found.report.read_text("utf-8")
    with pytest.raises(PredictionsError, match="is none of the models"):
        run(tmp_path, table, table, reference="best")


def test_subgroups_add_up_to_all_patients(tmp_path: Path, make_table: Maker) -> None:
    table = make_table(patients=60)
    found = run(tmp_path, table, cohort=cohort(tmp_path, table), subgroups=("sex,age",))
    rows = pd.read_csv(tmp_path / "out" / "tables" / "subgroups.csv")
    assert rows.groupby("covariate")["patients"].sum().tolist() == [60, 60]
    assert rows.groupby("covariate")["events"].sum().tolist() == [30, 30]
    assert (rows["low"] <= rows["value"]).all()
    assert (rows["value"] <= rows["high"]).all()
    assert set(sections(found)["subgroups"]["p"]) == {"sex", "age"}
    assert rows.loc[rows["covariate"] == "age", "group"].str.fullmatch(r"(< |>= )?\d+( to < \d+)?").all()


def test_columns_that_the_cohort_lacks_are_named(tmp_path: Path, make_table: Maker) -> None:
    table = make_table()
    with pytest.raises(CohortError, match="no column 'race': found patient, sex, age"):
        run(tmp_path, table, cohort=cohort(tmp_path, table), subgroups=("race",))
    twice = pd.DataFrame({"patient": ["P000", "P000"], "age": [50, 51]})
    twice.to_csv(tmp_path / "twice.csv", index=False)
    with pytest.raises(CohortError, match="several values of age, expected one"):
        run(tmp_path, table, cohort=tmp_path / "twice.csv", adjust=("age",))


def test_risk_groups_are_cut_on_tuning_rows_and_tell_survival(tmp_path: Path, make_table: Maker) -> None:
    table = make_table("survival", tuning=True, patients=90, effect=1.5)
    known = cohort(tmp_path, table)
    told = sections(run(tmp_path, table, cohort=known, adjust=("age", "sex")))
    groups = told["risk_groups"]
    assert "tuning part" in groups["rule"]
    assert sum(g["patients"] for g in groups["groups"].values()) == 90
    assert groups["groups"]["high risk"]["median"] < groups["groups"]["low risk"]["median"]
    assert groups["log_rank_p"] < 0.05
    ratios = pd.read_csv(tmp_path / "out" / "tables" / "risk_groups.csv")
    assert (ratios.loc[ratios["model"] != "adjusted", "low"] > 1).all()
    assert len(ratios[ratios["model"] == "adjusted"]) == 3
    assert told["horizons"]["horizon"] == 6
    assert [a["time"] for a in told["horizons"]["auroc"]] == [2, 6, 12]


def test_a_shift_of_risk_between_folds_changes_no_concordance(tmp_path: Path, make_table: Maker) -> None:
    table = make_table("survival", tuning=True, patients=60)
    shifted = table.assign(score=table["score"] + 100 * table["run"].astype(int))
    one, other = (run(tmp_path, t).results[0].scores[0].value for t in (table, shifted))
    assert one == pytest.approx(other)


def test_folds_are_told_pooled_and_on_average_and_seeds_as_replicates(
    tmp_path: Path, make_table: Maker
) -> None:
    found = run(tmp_path, make_table(seeds=3, tuning=True))
    score = found.results[0].scores[0]
    assert [e.name for e in score.across] == ["pooled out-of-fold", "mean of per-fold scores"]
    assert score.across[0].value == pytest.approx(score.value)
    assert score.across[1].value == pytest.approx(score.run_mean)
    assert [run.run for run in score.runs] == list("01234")
    assert [seed.run for seed in score.seeds] == list("012")
    assert len(found.results[0].cases) == 40
    assert "Seed by seed" in found.report.read_text("utf-8")


def test_labels_that_mean_nothing_are_not_more_than_chance(tmp_path: Path, make_table: Maker) -> None:
    for kind in ("binary", "ordinal", "regression", "survival"):
        classes = ("a", "b", "c") if kind == "ordinal" else ("a", "b")
        tables = [make_table(kind, classes=classes, effect=effect) for effect in (0.0, 3.0)]
        null, planted = (sections(run(tmp_path, table))["chance"]["p"] for table in tables)
        assert null > 0.02 > planted


def test_delong_agrees_with_the_bootstrap(tmp_path: Path, make_table: Maker) -> None:
    found = run(tmp_path, make_table(patients=200, effect=1.0), resamples=500)
    check, score = sections(found)["chance"]["delong"], found.results[0].scores[0]
    assert check["low"] == pytest.approx(score.low, abs=0.03)
    assert check["high"] == pytest.approx(score.high, abs=0.03)


def test_what_lies_beside_a_table_is_told(tmp_path: Path, make_table: Maker) -> None:
    record = {
        "identity": "abc",
        "recipe": {"head": "cnn", "folds": 5, "seed": 3},
        "inputs": {"encoder": "e1"},
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    (tmp_path / "flow.csv").write_text(
        "step,patients,slides,reason\nall,50,60,\nleft out,10,9,torn\nkept,40,51,\n"
    )
    findings = [
        {"level": "problem", "title": "Shared patients", "text": "P001 is in <two> parts."},
        {"level": "note", "title": "Sites", "text": "None known."},
    ]
    (tmp_path / "leakage.json").write_text(json.dumps({"findings": findings}))
    found = run(tmp_path, make_table())
    page = found.report.read_text("utf-8")
    assert page.index("Problem: Shared patients") < page.index("<h2>diagnosis")
    assert "P001 is in &lt;two&gt; parts." in page
    assert "5-fold cross-validation, split by patient (seed 3)" in page
    assert "torn" in page
    answered = {item["topic"]: item for item in found.facts["checklist"]}
    assert "10 patients, 9 slides (torn)" in answered["Missing data"]["text"]
    assert "Shared patients" in answered["Splits"]["text"]
    assert answered["Ethics"]["status"] == "to be filled in by you"
    assert found.facts["inputs"][0]["run"] == "abc"


def test_files_beside_a_table_that_cannot_be_read_are_named(tmp_path: Path, make_table: Maker) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(PredictionsError, match=r"run\.json cannot be read"):
        run(tmp_path, make_table())


def test_tables_from_elsewhere_are_evaluated(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(80) % 2
    theirs = pd.DataFrame({"case_id": [f"c{i}" for i in range(80)], "label": truth})
    theirs["prob"] = 1 / (1 + np.exp(-(2 * truth - 1 + rng.normal(size=80))))
    theirs.to_csv(tmp_path / "theirs.csv", index=False)
    recipe = EvaluateRecipe(**QUICK, truth="label", score="prob", patient="case_id")
    found = evaluate([tmp_path / "theirs.csv"], tmp_path / "out", recipe)
    assert found.headline.startswith("AUROC 0.")
    page = found.report.read_text("utf-8")
    assert "truth from column label" in page
    assert "neither trained nor tuned" not in page
    assert "that no model had seen them is for its makers to say" in page
    assert "40 labelled 0, 40 labelled 1" in page


def test_tables_of_clam_need_no_flags(tmp_path: Path) -> None:
    share = np.random.default_rng(0).random(60)
    table = pd.DataFrame({"slide_id": [f"s{i}" for i in range(60)], "Y": np.arange(60) % 2 * 1.0})
    table.assign(Y_hat=0.0, p_0=1 - share, p_1=share).to_csv(tmp_path / "fold_0.csv", index=False)
    found = evaluate([tmp_path / "fold_0.csv"], tmp_path / "out", EvaluateRecipe(**QUICK))
    assert found.headline.startswith("AUROC")
    assert "every slide counts as a patient of its own" in found.report.read_text("utf-8")


def test_a_rule_for_thresholds_that_does_not_exist_is_refused(tmp_path: Path, make_table: Maker) -> None:
    with pytest.raises(RecipeError, match="threshold rule best"):
        run(tmp_path, make_table(), threshold="best")
    with pytest.raises(RecipeError, match="sex: no cohort table"):
        EvaluateRecipe(subgroups=("sex",))
