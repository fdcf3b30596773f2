from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics

from histopress.core.errors import PredictionsError, RecipeError
from histopress.data.predictions import write_predictions
from histopress.metrics.evaluate import EvaluateRecipe, evaluate

Maker = Callable[..., pd.DataFrame]

QUICK = EvaluateRecipe(resamples=200, permutations=100)


def test_numbers_are_those_of_scikit_learn_by_patient(tmp_path: Path, make_table: Maker) -> None:
    table = make_table()
    write_predictions(table, tmp_path / "p.csv")
    found = evaluate([tmp_path / "p.csv"], tmp_path / "out", QUICK)
    tested = table[table["part"] == "test"].groupby("patient").agg({"p:tumour": "mean", "truth": "first"})
    truth = tested["truth"] == "tumour"
    area, precision, accuracy, *_ = found.results[0].scores
    assert area.value == pytest.approx(sklearn.metrics.roc_auc_score(truth, tested["p:tumour"]))
    assert precision.value == pytest.approx(
        sklearn.metrics.average_precision_score(truth, tested["p:tumour"])
    )
    assert accuracy.value == pytest.approx(
        sklearn.metrics.balanced_accuracy_score(truth, tested["p:tumour"] >= 0.5)
    )
    folds = [
        sklearn.metrics.roc_auc_score(truth[part.index], part["p:tumour"])
        for _, part in tested.groupby(np.arange(40) % 5)
    ]
    assert [run.value for run in area.runs] == pytest.approx(folds)
    assert area.run_mean == pytest.approx(np.mean(folds))
    assert area.run_sd == pytest.approx(np.std(folds, ddof=1))
    assert found.headline == f"AUROC {area.value:.2f} [{area.low:.2f}, {area.high:.2f}]"
    assert area.low < area.value < area.high


@pytest.mark.parametrize(
    ("kind", "classes", "pattern"),
    [
        ("binary", ("a", "b"), r"AUROC 0\.\d\d \[0\.\d\d, [01]\.\d\d\]"),
        ("multiclass", ("a", "b", "c"), r"macro AUROC 0\.\d\d \[0\.\d\d, [01]\.\d\d\]"),
        ("ordinal", ("G1", "G2", "G3"), r"Quadratic kappa 0\.\d\d \[-?0\.\d\d, [01]\.\d\d\]"),
        ("regression", (), r"Spearman 0\.\d\d \[-?0\.\d\d, 0\.\d\d\]"),
        ("survival", (), r"Concordance 0\.\d\d \[0\.\d\d, [01]\.\d\d\]"),
    ],
)
def test_files_are_written_for_every_kind(
    tmp_path: Path, make_table: Maker, kind: str, classes: tuple[str, ...], pattern: str
) -> None:
    write_predictions(make_table(kind, classes=classes or ("a", "b"), effect=1.0), tmp_path / "p.csv")
    found = evaluate([tmp_path / "p.csv"], tmp_path / "out", QUICK)
    assert re.fullmatch(pattern, found.headline)
    facts = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert facts == found.facts
    assert facts["headline"] == found.headline
    assert facts["results"][0]["patients"] == 40
    assert sum(facts["results"][0]["classes"].values()) == (0 if kind == "regression" else 40)
    rows = pd.read_csv(tmp_path / "out" / "metrics.csv")
    assert rows["score"].tolist() == [s.name for s in found.results[0].scores]
    np.testing.assert_allclose(rows["value"], [s.value for s in found.results[0].scores])
    assert found.report == tmp_path / "out" / "report.html"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "metrics.csv",
        "metrics.json",
        "report.html",
        "tables",
    ]
    for table in (tmp_path / "out" / "tables").iterdir():
        assert len(pd.read_csv(table)) > 0
        assert table.stem in facts["results"][0]["sections"]


def test_running_twice_writes_the_same_bytes_and_another_seed_other_intervals(
    tmp_path: Path, make_table: Maker
) -> None:
    write_predictions(make_table(), tmp_path / "p.csv")

    def run(recipe: EvaluateRecipe) -> list[bytes]:
        evaluate([tmp_path / "p.csv"], tmp_path / "out", recipe)
        return [p.read_bytes() for p in sorted((tmp_path / "out").rglob("*.*"))]

    assert run(QUICK) == run(QUICK)
    assert run(QUICK) != run(EvaluateRecipe(resamples=200, permutations=100, seed=1))


def test_repeating_every_slide_and_adding_trained_rows_changes_no_score(
    tmp_path: Path, make_table: Maker
) -> None:
    table = make_table()
    tested = table[table["part"] == "test"]
    write_predictions(tested, tmp_path / "a.csv")
    write_predictions(pd.concat([table, table.assign(slide=table["slide"] + "x")]), tmp_path / "b.csv")
    one = evaluate([tmp_path / "a.csv"], tmp_path / "a", QUICK).results[0].plain["scores"]
    other = evaluate([tmp_path / "b.csv"], tmp_path / "b", QUICK).results[0].plain["scores"]
    for left, right in zip(one, other, strict=True):
        for key in ("value", "low", "high", "run_mean"):
            assert left[key] == pytest.approx(right[key], abs=1e-12)


def test_shuffled_labels_give_an_interval_that_holds_chance(tmp_path: Path, make_table: Maker) -> None:
    table = make_table(effect=3.0, patients=60)
    patients = sorted(table["patient"].unique())
    truths = np.random.default_rng(0).permutation(table.groupby("patient")["truth"].first())
    shuffled = table["patient"].map(dict(zip(patients, truths, strict=True)))
    write_predictions(table.assign(truth=shuffled), tmp_path / "p.csv")
    score = evaluate([tmp_path / "p.csv"], tmp_path / "out", QUICK).results[0].scores[0]
    assert score.low < 0.5 < score.high


def test_several_tables_and_targets_stand_side_by_side(tmp_path: Path, make_table: Maker) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    write_predictions(make_table(), tmp_path / "x" / "predictions.csv")
    both = pd.concat([make_table(seed=1), make_table("regression", target="age")])
    write_predictions(both, tmp_path / "y" / "predictions.csv")
    paths = [tmp_path / "x" / "predictions.csv", tmp_path / "y" / "predictions.csv"]
    found = evaluate(paths, tmp_path / "out", QUICK)
    assert [(r.name, r.target) for r in found.results] == [
        ("x", "diagnosis"),
        ("y", "diagnosis"),
        ("y", "age"),
    ]
    assert "\n" not in found.headline
    assert found.headline.count(";") == 2
    assert "y, age: Spearman" in found.headline
    assert "diagnosis, side by side" in found.report.read_text(encoding="utf-8")
    with pytest.raises(PredictionsError, match="given twice"):
        evaluate([paths[0], paths[0]], tmp_path / "out", QUICK)


def test_one_class_only_is_told_not_raised(tmp_path: Path, make_table: Maker) -> None:
    table = make_table(patients=12)
    write_predictions(table[table["truth"] == "tumour"], tmp_path / "p.csv")
    found = evaluate([tmp_path / "p.csv"], tmp_path / "out", QUICK)
    assert found.headline.startswith("AUROC undefined (all 5 patients are 'tumour'")
    assert found.facts["results"][0]["scores"][0]["value"] is None
    assert "NaN" not in (tmp_path / "out" / "metrics.json").read_text(encoding="utf-8")
    assert "two classes are needed" in found.report.read_text(encoding="utf-8")


def test_tables_with_nothing_to_evaluate_say_what_they_hold(tmp_path: Path, make_table: Maker) -> None:
    table = make_table()
    write_predictions(table[table["part"] == "train"], tmp_path / "train.csv")
    write_predictions(table[table["part"] == "test"].assign(truth="", part="new"), tmp_path / "new.csv")
    with pytest.raises(PredictionsError, match=r"found \d+ of part train, \d+ with a truth"):
        evaluate([tmp_path / "train.csv"], tmp_path / "out", QUICK)
    with pytest.raises(PredictionsError, match=r"found \d+ of part new, 0 with a truth"):
        evaluate([tmp_path / "new.csv"], tmp_path / "out", QUICK)
    with pytest.raises(PredictionsError, match="at least one"):
        evaluate([], tmp_path / "out", QUICK)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("settings", [{"resamples": 5}, {"confidence": 1.0}, {"confidence": 95}])
def test_senseless_recipes_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match="correct the setting"):
        EvaluateRecipe(**settings)  # type: ignore[arg-type]


def test_the_module_loads_no_heavy_library() -> None:
    code = (
        "import sys, histopress.metrics.evaluate\n"
        "print([m for m in ('numpy', 'pandas', 'scipy', 'sklearn', 'torch') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
