from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import RecipeError
from histopress.studies.sweep_tables import as_table, means, panels, write_table
from histopress.studies.sweep_trial import Result, Trial


def test_a_row_for_every_trial_that_is_done(tmp_path: Path) -> None:
    trials = [
        Trial((1,), {"o2i": 0.19, "head": "cnn", "control": "", "replicate": 0}),
        Trial((2,), {"o2i": 0.05, "head": 3, "control": "permuted", "replicate": 1}),
        Trial((3,), {"o2i": 0.05, "noise": 0.1}),
    ]
    results = {
        trials[0].name: Result({"test_accuracy": 0.9, "o2i": 7.0, "outcome": "learned", "seconds": 5.0}, 1.5),
        trials[1].name: Result({"test_accuracy": None, "outcome": "failure"}, 2.5),
    }
    table = as_table(trials, results)
    assert list(table) == [
        "digest", "o2i", "head", "control", "replicate", "noise",
        "test_accuracy", "o2i_result", "outcome", "seconds",
    ]  # fmt: skip
    assert table["digest"].tolist() == [trials[0].name, trials[1].name]
    assert table["head"].tolist() == ["cnn", "3"]
    assert table["seconds"].tolist() == [5.0, 2.5], "the work knows better how long it took"
    assert np.isnan(table["test_accuracy"][1])
    write_table(table, tmp_path)
    read = pd.read_parquet(tmp_path / "results.parquet")
    pd.testing.assert_frame_equal(read, table)
    assert read.attrs == table.attrs
    assert list(pd.read_csv(tmp_path / "results.csv")) == list(table)


def test_nothing_done_is_an_empty_table(tmp_path: Path) -> None:
    table = as_table([Trial((1,), {"o2i": 0.1, "control": ""})], {})
    write_table(table, tmp_path)
    assert list(pd.read_parquet(tmp_path / "results.parquet")) == ["digest", "o2i", "control", "seconds"]


@pytest.mark.parametrize("replicates", [3, 5])
def test_t_intervals_hold_the_truth_as_often_as_they_say(replicates: int) -> None:
    random, draws = np.random.default_rng(replicates), 600
    table = pd.DataFrame({
        "draw": np.repeat(np.arange(draws), replicates),
        "replicate": np.tile(np.arange(replicates), draws),
        "auroc": random.normal(0.7, 0.05, draws * replicates),
    })  # fmt: skip
    found = means(table, ["draw"], "auroc", limits=None)
    held = ((found["low"] <= 0.7) & (found["high"] >= 0.7)).mean()
    assert 0.92 < held < 0.98
    assert (found["n"] == replicates).all()


def test_intervals_stay_within_their_limits_and_one_run_has_none() -> None:
    table = pd.DataFrame({"o2i": [0.1, 0.1, 0.2], "test_accuracy": [1.0, 0.9, 0.8]})
    first, second = means(table, ["o2i"], "test_accuracy").to_dict("records")
    assert (first["n"], first["mean"], first["high"]) == (2, pytest.approx(0.95), 1.0)
    assert first["low"] == pytest.approx(0.95 - 12.7062 * 0.05, abs=1e-4)
    assert second["mean"] == 0.8
    assert np.isnan([second["low"], second["high"]]).all()


def test_controls_and_shared_runs_are_not_mixed_in() -> None:
    table = pd.DataFrame({
        "digest": ["a", "b", "a", "c"],
        "o2i": 0.1,
        "control": ["", "", "", "permuted"],
        "replicate": [0, 1, 0, 0],
        "test_accuracy": [0.9, 0.7, 0.9, 0.5],
    })  # fmt: skip
    found = means(table, ["o2i"], "test_accuracy")
    assert found["control"].tolist() == ["", "permuted"]
    assert found["n"].tolist() == [2, 1]
    assert found["mean"].tolist() == pytest.approx([0.8, 0.5])


def crossed() -> pd.DataFrame:
    trials, results = [], {}
    for pooling in ("mean", "max"):
        for control, width in (("", 0), ("", 1), ("permuted", 0)):
            for replicate in range(2):
                axes = {
                    "o2i": 0.1,
                    "pooling": pooling,
                    "width": width,
                    "control": control,
                    "replicate": replicate,
                }
                trial = Trial((pooling, control, width, replicate), axes)
                trials.append(trial)
                results[trial.name] = Result({"test_accuracy": 0.5}, 1.0)
    return as_table(trials, results)


def test_other_axes_are_no_replicates() -> None:
    with pytest.raises(RecipeError, match="differ in pooling and width"):
        means(crossed(), ["o2i"], "test_accuracy")
    with pytest.raises(RecipeError, match="no column auroc"):
        means(crossed(), ["o2i"], "auroc")


def test_panels_vary_in_nothing_else() -> None:
    parts = panels(crossed(), ["o2i", "width"])
    assert list(parts) == ["pooling mean", "pooling max"]
    for part in parts.values():
        assert means(part, ["o2i", "width"], "test_accuracy")["n"].tolist() == [2, 2, 2]
    assert list(panels(crossed(), ["pooling", "width"])) == [""]
