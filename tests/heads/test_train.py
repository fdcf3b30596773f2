"""Training whole cohorts: learns what is there and nothing else, leaks nothing, resumes, repeats itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from sklearn.metrics import roc_auc_score

from histopress.core import fit as fit_module
from histopress.core.errors import CohortError, GridError, HeadError, RunError
from histopress.data.predictions import read_predictions
from histopress.heads import fold as fold_module
from histopress.heads.train import PUBLISHED, TrainRecipe, train

Maker = Callable[..., Any]
QUICK = TrainRecipe(head="mean", folds=3, epochs=2, lr=0.02)
FILES = {"head.safetensors", "card.json", "log.csv", "split.csv", "predictions.csv"}


def unseen(run: Path, level: str = "patient") -> pd.DataFrame:
    table = read_predictions([run / "predictions.csv"])
    return table[(table["part"] == "test") & (table["level"] == level)]


def auroc(run: Path) -> float:
    table = unseen(run)
    return float(roc_auc_score(table["truth"] == "yes", table["score"]))


def weights(run: Path, fold: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    return load_file(run / "folds" / str(fold) / "head.safetensors")


def same(one: dict[str, np.ndarray[Any, Any]], other: dict[str, np.ndarray[Any, Any]]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("head", ["mean", "cnn"])
def test_a_planted_signal_is_found(make_cohort: Maker, tmp_path: Path, head: str) -> None:
    data = make_cohort(patients=24, share=0.4)
    recipe = replace(QUICK, head=head, folds=2, epochs=15, patience=15)
    summary = train(data.table, data.grids, "label", tmp_path / "run", recipe)
    assert auroc(summary.run) > 0.9


@pytest.mark.parametrize("head", ["mean", "cnn"])
def test_shuffled_labels_give_chance(make_cohort: Maker, tmp_path: Path, head: str) -> None:
    data = make_cohort(patients=24, share=0.4)
    found = []
    for seed in range(3):
        recipe = replace(QUICK, head=head, folds=2, epochs=4, shuffle_labels=True, seed=seed)
        summary = train(data.table, data.grids, "label", tmp_path / str(seed), recipe)
        found.append(auroc(summary.run))
        dealt = unseen(summary.run).set_index("patient")["truth"]
        assert sorted(dealt) == sorted(data.frame["label"])
        assert (dealt[data.frame["patient"]].to_numpy() != data.frame["label"].to_numpy()).any()
    assert 0.25 < np.mean(found) < 0.75


def test_every_patient_is_tested_once_and_never_trained_with_in_that_fold(
    make_cohort: Maker, tmp_path: Path
) -> None:
    data = make_cohort(patients=13, slides=2)
    summary = train(data.table, data.grids, "label", tmp_path / "run", QUICK)
    assert sorted(unseen(summary.run)["patient"]) == sorted(set(data.frame["patient"]))
    assert sorted(unseen(summary.run, "slide")["slide"]) == sorted(data.frame["slide"])
    for k in range(3):
        split = pd.read_csv(summary.run / "folds" / str(k) / "split.csv")
        assert split.groupby("patient")["part"].nunique().max() == 1
        assert sorted(split["slide"]) == sorted(data.frame["slide"])
        assert set(split["part"]) == {"train", "tuning", "test"}


def test_the_run_folder_holds_what_it_should(make_cohort: Maker, tmp_path: Path) -> None:
    data = make_cohort(patients=12)
    (data.grids / "encoder").mkdir()
    (data.grids / "encoder" / "card.json").write_text("{}")
    summary = train(data.table, data.grids, "label", tmp_path / "run", QUICK)
    for k in range(3):
        assert {p.name for p in (summary.run / "folds" / str(k)).iterdir()} == FILES
    names = {p.name for p in summary.run.iterdir()}
    tables = {"predictions.csv", "failures.csv", "flow.csv"}
    assert names == tables | {"run.json", "leakage.json", "model.safetensors", "folds", "encoder", "done"}
    assert (summary.run / "encoder" / "card.json").read_text() == "{}"
    assert "12 slides of 12 patients, 3 folds" in summary.text
    assert "positive class 'yes'" in summary.text


def fixed(data: Any) -> Any:
    """Every third patient tests, every fourth tunes."""
    patients = sorted(set(data.frame["patient"]))
    part = {
        p: "test" if i % 3 == 2 else "tuning" if i % 4 < 2 and i > 7 else "train"
        for i, p in enumerate(patients)
    }
    data.frame["split"] = data.frame["patient"].map(part)
    return data


def test_a_split_column_gives_one_fold(make_cohort: Maker, tmp_path: Path) -> None:
    data = fixed(make_cohort(patients=18))
    summary = train(data.table, data.grids, "label", tmp_path / "run", QUICK)
    assert summary.folds == 1
    split = pd.read_csv(summary.run / "folds" / "0" / "split.csv").set_index("slide")["part"]
    assert split[data.frame["slide"]].tolist() == data.frame["split"].tolist()


@pytest.mark.parametrize("what", ["labels", "features"])
def test_test_patients_cannot_touch_the_weights(make_cohort: Maker, tmp_path: Path, what: str) -> None:
    recipe = replace(QUICK, head="cnn")
    data = fixed(make_cohort(patients=18, slides=2))
    before = train(data.table, data.grids, "label", tmp_path / "before", recipe).run
    tests = data.frame["split"] == "test"
    if what == "labels":
        data.frame.loc[tests, "label"] = data.frame.loc[tests, "label"].map({"no": "yes", "yes": "no"})
    else:
        other = make_cohort(patients=18, slides=2, seed=5, name="other")
        for slide in data.frame.loc[tests, "slide"]:
            name = f"{slide}.grid.zarr.zip"
            (data.grids / name).write_bytes((other.grids / name).read_bytes())
    after = train(data.table, data.grids, "label", tmp_path / "after", recipe).run
    assert same(weights(before), weights(after))
    assert not unseen(before).equals(unseen(after))
    changed = tmp_path / "changed"
    trains = data.frame["split"] == "train"
    data.frame.loc[trains, "label"] = data.frame.loc[trains, "label"].map({"no": "yes", "yes": "no"})
    assert not same(weights(before), weights(train(data.table, data.grids, "label", changed, recipe).run))


def test_memorised_identities_gain_nothing(make_cohort: Maker, make_grid: Any, tmp_path: Path) -> None:
    """Slides carry a fingerprint of their patient, labels are drawn by lot: only a leak could tell them."""
    data = make_cohort(patients=16, slides=3, share=0.0)
    lots = np.random.default_rng(1).permutation(["no", "yes"] * 8)
    data.frame["label"] = np.repeat(lots, 3)
    for i, (patient, slide) in enumerate(zip(data.frame["patient"], data.frame["slide"], strict=True)):
        fingerprint = np.random.default_rng(int(patient[1:])).normal(size=12) * 6
        data.put(make_grid(slide, (7, 9), seed=i, shift=fingerprint, share=1.0))
    recipe = replace(QUICK, folds=4, epochs=15, patience=15, lr=0.1)
    honest = train(data.table, data.grids, "label", tmp_path / "honest", recipe).run
    assert auroc(honest) < 0.6
    data.frame["patient"] = data.frame["slide"]
    leaking = train(data.table, data.grids, "label", tmp_path / "leaking", recipe).run
    assert auroc(leaking) > 0.75


def test_the_same_recipe_and_seed_give_the_same_bytes(make_cohort: Maker, tmp_path: Path) -> None:
    data = make_cohort(patients=12)
    recipe = replace(QUICK, head="cnn", epochs=2)
    one = train(data.table, data.grids, "label", tmp_path / "one", recipe)
    data.frame = data.frame.sample(frac=1, random_state=3)
    two = train(data.table, data.grids, "label", tmp_path / "two", recipe)
    assert one.predictions.read_bytes() == two.predictions.read_bytes()
    other = train(data.table, data.grids, "label", tmp_path / "other", replace(recipe, seed=1))
    assert one.predictions.read_bytes() != other.predictions.read_bytes()


@pytest.mark.parametrize("at", [(1, "fit"), (1, "save_head"), (2, "write_predictions")])
def test_a_stopped_run_goes_on_and_ends_the_same(
    make_cohort: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: tuple[int, str]
) -> None:
    data = make_cohort(patients=12)
    whole = train(data.table, data.grids, "label", tmp_path / "whole", QUICK)
    calls, (stop, name) = [], at
    original = getattr(fold_module, name)

    def stops(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == stop + 1:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(fold_module, name, stops)
    with pytest.raises(KeyboardInterrupt):
        train(data.table, data.grids, "label", tmp_path / "broken", QUICK)
    assert not (tmp_path / "broken" / "predictions.csv").exists()
    fitted = []
    monkeypatch.setattr(fold_module, name, original)
    monkeypatch.setattr(fold_module, "fit", lambda *a, **k: (fitted.append(1), fit_module.fit(*a, **k))[1])
    again = train(data.table, data.grids, "label", tmp_path / "broken", QUICK)
    assert len(fitted) == 3 - stop
    assert again.predictions.read_bytes() == whole.predictions.read_bytes()
    assert same(weights(whole.run, 2), weights(again.run, 2))


def test_running_again_is_harmless_and_another_recipe_is_refused(
    make_cohort: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_cohort(patients=12)
    first = train(data.table, data.grids, "label", tmp_path / "run", QUICK)
    before = first.predictions.stat()
    monkeypatch.setattr(fold_module, "fit", None)
    again = train(data.table, data.grids, "label", tmp_path / "run", QUICK)
    assert again.predictions.stat() == before
    assert again.text == first.text
    with pytest.raises(RunError, match="lr"):
        train(data.table, data.grids, "label", tmp_path / "run", replace(QUICK, lr=0.5))


def test_slides_without_a_grid_are_listed_and_the_rest_goes_on(make_cohort: Maker, tmp_path: Path) -> None:
    data = make_cohort(patients=14, slides=2)
    (data.grids / "p03-0.grid.zarr.zip").unlink()
    (data.grids / "p04-0.grid.zarr.zip").unlink()
    (data.grids / "p04-1.grid.zarr.zip").write_bytes(b"no zip")
    summary = train(data.table, data.grids, "label", tmp_path / "run", QUICK)
    listed = pd.read_csv(tmp_path / "run" / "failures.csv")
    assert listed["slide"].tolist() == ["p03-0", "p04-0", "p04-1"]
    assert [f.item for f in summary.failures] == listed["slide"].tolist()
    assert (summary.slides, summary.patients) == (25, 13)
    assert "p04" not in set(unseen(summary.run)["patient"])
    assert "3 slides left out" in summary.text


def test_a_class_that_vanished_is_an_error(make_cohort: Maker, tmp_path: Path) -> None:
    data = fixed(make_cohort(patients=18))
    for slide in data.frame.loc[(data.frame["split"] == "train") & (data.frame["label"] == "yes"), "slide"]:
        (data.grids / f"{slide}.grid.zarr.zip").unlink()
    with pytest.raises(HeadError, match=r"no patient of class 'yes' of label is left to train on"):
        train(data.table, data.grids, "label", tmp_path / "run", QUICK)


def test_no_grid_at_all_is_an_error(make_cohort: Maker, tmp_path: Path) -> None:
    data = make_cohort(patients=6)
    with pytest.raises(GridError, match=r"no grid of 6 slides"):
        train(data.table, tmp_path / "elsewhere", "label", tmp_path / "run", QUICK)


def test_grids_of_another_encoder_are_named(make_cohort: Maker, make_grid: Any, tmp_path: Path) -> None:
    data = make_cohort(patients=12)
    data.put(make_grid("p05-0", (7, 9), encoder="stranger"))
    with pytest.raises(GridError, match=r"p05-0: encoder stranger.*expected encoder enc.*the other 11"):
        train(data.table, data.grids, "label", tmp_path / "run", QUICK)


@pytest.mark.parametrize(
    ("target", "error"),
    [("label:survival", HeadError), ("nothing", CohortError), ("label:regression", HeadError)],
)
def test_a_wrong_target_is_refused_before_anything_is_written(
    make_cohort: Maker, tmp_path: Path, target: str, error: type[Exception]
) -> None:
    data = make_cohort(patients=6)
    with pytest.raises(error):
        train(data.table, data.grids, target, tmp_path / "run", QUICK)
    assert not (tmp_path / "run").exists()


def test_several_classes(make_cohort: Maker, tmp_path: Path) -> None:
    data = make_cohort(patients=24, share=0.9, labels=("a", "b", "c"))
    summary = train(
        data.table,
        data.grids,
        "label",
        tmp_path / "run",
        replace(QUICK, folds=2, epochs=20, patience=20, lr=0.05),
    )
    assert (summary.objective.kind, summary.objective.values) == ("multiclass", ("p:a", "p:b", "p:c"))
    table = unseen(summary.run)
    guess = table[["p:a", "p:b", "p:c"]].to_numpy().argmax(axis=1)
    assert np.mean(np.array(["a", "b", "c"])[guess] == table["truth"]) > 0.6


@pytest.mark.parametrize("whole_numbers", [False, True])
def test_numbers(make_cohort: Maker, tmp_path: Path, whole_numbers: bool) -> None:
    data = make_cohort(patients=24, share=0.9, labels=list(range(12)))
    data.frame["label"] = data.frame["label"] * (10 if whole_numbers else 2.5) + (
        100 if whole_numbers else 0.25
    )
    recipe = replace(QUICK, folds=2, epochs=20, patience=20, lr=0.05)
    summary = train(data.table, data.grids, "label", tmp_path / "run", recipe)
    assert summary.objective.kind == "regression"
    table = unseen(summary.run)
    truth = table["truth"].astype(float)
    assert np.corrcoef(truth, table["score"])[0, 1] > 0.8
    assert abs(table["score"].mean() - truth.mean()) < truth.std() / 2
    assert table["p:no"].isna().all() if "p:no" in table else True


def test_a_patient_counts_once_however_many_slides(make_cohort: Maker, tmp_path: Path) -> None:
    """A patient whose only slide is there three times trains the same scale-free loss as the single one."""
    from histopress.core.failures import Failures
    from histopress.data.cohort import read_cohort
    from histopress.heads.cases import gather
    from histopress.heads.targets import Target

    data = make_cohort(patients=5, slides=3)
    data.frame = data.frame.drop(index=[1, 2, 4]).reset_index(drop=True)
    cases = gather(read_cohort(data.table, "label"), data.grids, [Target("label")], QUICK, Failures())
    units = cases.units(cases.labels.index)
    labelled = cases.labelled(units, cases.objective, lambda _: None)
    totals = pd.Series(labelled.weights.numpy()).groupby(units["patient"].to_numpy()).sum()
    np.testing.assert_allclose(totals, totals.iloc[0])
    assert float(labelled.weights.mean()) == pytest.approx(1)


@pytest.mark.slow
def test_the_published_head_trains_by_its_recipe(make_cohort: Maker, tmp_path: Path) -> None:
    data = fixed(make_cohort(patients=10))
    recipe = replace(PUBLISHED, epochs=1, batch=4, orientations=False)
    summary = train(data.table, data.grids, "label", tmp_path / "run", recipe)
    assert len(unseen(summary.run)) == 3


def test_drawing_balances_instead_of_weighing(make_cohort: Maker, tmp_path: Path) -> None:
    data = make_cohort(patients=16)
    summary = train(data.table, data.grids, "label", tmp_path / "run", replace(QUICK, balance="draw"))
    card = (summary.run / "folds" / "0" / "card.json").read_text()
    assert '"weights": []' in card


def test_the_verb_imports_fast() -> None:
    code = (
        "import sys, histopress.heads.train, histopress.heads.predict;"
        "print([m for m in ('torch', 'pandas', 'lightning', 'scipy', 'zarr') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
