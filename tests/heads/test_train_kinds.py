"""Training of every kind of target, of several at once, of several heads and seeds, and of whole patients."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from histopress.core.errors import CohortError, HeadError
from histopress.data.predictions import read_predictions
from histopress.grids.store import write_grid
from histopress.heads import fold as fold_module
from histopress.heads.predict import PredictRecipe, predict
from histopress.heads.search import RANGES
from histopress.heads.train import TrainRecipe, train, train_several

Maker = Callable[..., Any]
QUICK = TrainRecipe(head="mean", folds=2, epochs=12, patience=12, lr=0.05)


def unseen(run: Path, target: str, level: str = "patient") -> pd.DataFrame:
    table = read_predictions([run / "predictions.csv"])
    return table[(table["part"] == "test") & (table["level"] == level) & (table["target"] == target)]


def followed(data: Any, seed: int = 0) -> Any:
    """Times that are short where the label is high, some of them censored; and two columns with gaps."""
    random = np.random.default_rng(seed)
    level = data.frame["label"].to_numpy(float)
    died = random.exponential(40 * np.exp(-0.5 * level))
    left = random.exponential(40, len(level))
    data.frame["months"] = np.maximum(np.minimum(died, left), 0.1).round(2)
    data.frame["dead"] = (died <= left).astype(int)
    data.frame["grade"] = (level // 3).astype(int)
    data.frame["er"] = np.where(level > 5, "pos", "neg")
    data.frame.loc[data.frame.index % 4 == 1, "er"] = ""
    return data


@pytest.fixture
def graded(make_cohort: Maker) -> Any:
    return followed(make_cohort(patients=36, share=0.9, labels=list(range(12))))


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("label:regression", "regression"),
        ("grade:ordinal(0<1<2<3)", "ordinal"),
        ("os:survival(time=months,event=dead)", "survival"),
        ("os:survival(time=months,event=dead,hazards)", "survival"),
    ],
)
def test_every_kind_of_order_is_learned(graded: Any, tmp_path: Path, target: str, kind: str) -> None:
    run = train(graded.table, graded.grids, target, tmp_path / "run", QUICK).run
    table = unseen(run, target.partition(":")[0])
    assert set(table["kind"]) == {kind}
    level = graded.frame.set_index("patient")["label"][table["patient"]]
    assert np.corrcoef(level, table["score"])[0, 1] > 0.6
    if kind == "survival":
        times = sorted((c for c in table if str(c).startswith("s:")), key=lambda c: float(str(c)[2:]))
        assert len(times) > 3
        assert (np.diff(table[times].to_numpy(), axis=1) <= 1e-9).all()
        censored = graded.frame.set_index("patient")["dead"][table["patient"]].to_numpy() == 0
        assert (table["truth"].str.endswith("+").to_numpy() == censored).all()


def test_several_targets_are_learned_at_once_and_gaps_teach_nothing(graded: Any, tmp_path: Path) -> None:
    target = "er:binary(neg<pos),label:regression,os:survival(time=months,event=dead)"
    summary = train(graded.table, graded.grids, target, tmp_path / "run", QUICK)
    assert "positive class 'pos'" in summary.text
    table = read_predictions([summary.predictions])
    assert set(table["target"]) == {"er", "label", "os"}
    er = unseen(summary.run, "er").set_index("patient")
    gaps = graded.frame.set_index("patient")["er"] == ""
    assert (er["truth"] == "").equals(gaps[er.index])
    known = er[~gaps[er.index]]
    assert (known["score"] > 0.5).eq(known["truth"] == "pos").mean() > 0.8
    assert (
        np.corrcoef(
            unseen(summary.run, "label")["truth"].astype(float), unseen(summary.run, "label")["score"]
        )[0, 1]
        > 0.7
    )


def test_several_seeds_answer_apart_and_differ(make_cohort: Maker, tmp_path: Path) -> None:
    data = make_cohort(patients=12)
    summary = train(
        data.table, data.grids, "label", tmp_path / "run", replace(QUICK, seeds=2, epochs=2, head="cnn")
    )
    assert (summary.folds, summary.heads) == (2, 4)
    table = unseen(summary.run, "label")
    assert set(table["run"]) == {"0#0", "0#1", "1#0", "1#1"}
    first, second = (table[table["run"].str.endswith(f"#{s}")].set_index("patient")["score"] for s in (0, 1))
    assert first.index.equals(second.index)
    assert (first != second).all()
    alone = train(data.table, data.grids, "label", tmp_path / "one", replace(QUICK, epochs=2, head="cnn")).run
    np.testing.assert_array_equal(unseen(alone, "label").set_index("patient")["score"], first)


@pytest.mark.parametrize("head", ["mean", "cnn", "abmil"])
def test_all_slides_of_a_patient_can_be_one_case(make_cohort: Maker, tmp_path: Path, head: str) -> None:
    data = make_cohort(patients=16, slides=3, share=0.5)
    recipe = replace(QUICK, head=head, fusion="joint")
    summary = train(data.table, data.grids, "label", tmp_path / "run", recipe)
    table = read_predictions([summary.predictions])
    assert set(table["level"]) == {"patient"}
    tested = unseen(summary.run, "label")
    assert sorted(tested["patient"]) == sorted(set(data.frame["patient"]))
    assert ((tested["score"] > 0.5) == (tested["truth"] == "yes")).mean() > 0.8
    split = pd.read_csv(summary.run / "folds" / "0" / "split.csv")
    assert sorted(split["slide"]) == sorted(data.frame["slide"])


def test_a_joint_case_of_mean_codes_is_the_mean_of_all_cells(make_cohort: Maker, tmp_path: Path) -> None:
    """For the mean head one slide more of a patient only adds cells."""
    data = make_cohort(patients=12, slides=1)
    one = train(data.table, data.grids, "label", tmp_path / "late", replace(QUICK, epochs=2)).run
    two = train(
        data.table, data.grids, "label", tmp_path / "joint", replace(QUICK, epochs=2, fusion="joint")
    ).run
    late, joint = (unseen(run, "label").set_index("patient")["score"] for run in (one, two))
    np.testing.assert_allclose(late, joint, atol=1e-5)


def test_sites_are_held_out(make_cohort: Maker, tmp_path: Path) -> None:
    data = make_cohort(patients=24)
    data.frame["site"] = [f"S{i // 6}" for i in range(24)]
    recipe = replace(QUICK, folds=4, split_by="site", epochs=1)
    run = train(data.table, data.grids, "label", tmp_path / "run", recipe).run
    sites = data.frame.set_index("patient")["site"]
    for k in range(4):
        split = pd.read_csv(run / "folds" / str(k) / "split.csv")
        split["site"] = sites[split["patient"]].to_numpy()
        tested = set(split.loc[split["part"] == "test", "site"])
        assert len(tested) == 1
        assert not tested & set(split.loc[split["part"] != "test", "site"])
    data.frame = data.frame.drop(columns="site")
    with pytest.raises(CohortError, match="no column `site`"):
        train(data.table, data.grids, "label", tmp_path / "other", recipe)


def test_a_search_looks_at_the_tuning_part_alone_and_can_be_stopped(
    make_cohort: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_cohort(patients=18)
    patients = sorted(set(data.frame["patient"]))
    parts = {p: ("train", "train", "tuning", "test")[i // 2 % 4] for i, p in enumerate(patients)}
    data.frame["split"] = data.frame["patient"].map(parts)
    recipe = replace(QUICK, search=3, epochs=3, lr=0.02)
    run = train(data.table, data.grids, "label", tmp_path / "run", recipe).run
    tries = pd.read_csv(run / "folds" / "0" / "search.csv")
    assert list(tries) == [*RANGES, "tuning"]
    assert len(tries) == 3
    assert tries["lr"].iloc[0] == recipe.lr
    card = json.loads((run / "folds" / "0" / "card.json").read_text())
    best = tries.loc[tries["tuning"].idxmin()]
    assert card["settings"]["dropout"] == pytest.approx(best["dropout"])

    tests = data.frame["split"] == "test"
    data.frame.loc[tests, "label"] = data.frame.loc[tests, "label"].map({"no": "yes", "yes": "no"})
    other = train(data.table, data.grids, "label", tmp_path / "other", recipe).run
    pd.testing.assert_frame_equal(pd.read_csv(other / "folds" / "0" / "search.csv"), tries)

    calls, fit = [], fold_module.fit

    def stops(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fit(*args, **kwargs)

    monkeypatch.setattr(fold_module, "fit", stops)
    with pytest.raises(KeyboardInterrupt):
        train(data.table, data.grids, "label", tmp_path / "broken", recipe)
    train(data.table, data.grids, "label", tmp_path / "broken", recipe)
    assert len(calls) == 2 + 2 + 1
    again = load_file(tmp_path / "broken" / "folds" / "0" / "head.safetensors")
    whole = load_file(other / "folds" / "0" / "head.safetensors")
    assert all(np.array_equal(again[k], whole[k]) for k in whole)


def test_several_heads_and_encoders_share_their_folds(
    make_cohort: Maker, make_grid: Any, tmp_path: Path
) -> None:
    data = make_cohort(patients=14)
    folder = tmp_path / "all"
    for encoder in ("a", "b"):
        (folder / encoder).mkdir(parents=True)
        for i, slide in enumerate(data.frame["slide"]):
            write_grid(
                folder / encoder / f"{slide}.grid.zarr.zip", make_grid(slide, (6, 9), seed=i, encoder=encoder)
            )
    (folder / "b" / "p03-0.grid.zarr.zip").unlink()
    done = train_several(
        data.table, folder, "label", tmp_path / "run", replace(QUICK, epochs=1),
        heads=["mean", "abmil:hidden=8"], encoders=["a", "b"],
    )  # fmt: skip
    names = {s.run.relative_to(tmp_path / "run").as_posix() for s in done}
    assert names == {"a/mean", "a/abmil-hidden-8", "b/mean", "b/abmil-hidden-8"}
    splits = [pd.read_csv(s.run / "folds" / "1" / "split.csv") for s in done]
    assert all(split.equals(splits[0]) for split in splits)
    assert "p03-0" not in set(splits[0]["slide"])
    flow = pd.read_csv(tmp_path / "run" / "a" / "mean" / "flow.csv")
    assert flow["reason"].tolist()[1] == "no grid of another encoder"


def test_a_head_setting_that_is_wrong_is_refused_before_anything_is_done(
    make_cohort: Maker, tmp_path: Path
) -> None:
    data = make_cohort(patients=8)
    with pytest.raises(HeadError, match="'wide' cannot be set"):
        train(data.table, data.grids, "label", tmp_path / "run", replace(QUICK, head="cnn:wide=3"))
    assert not (tmp_path / "run").exists()


def test_who_was_left_out_is_told(make_cohort: Maker, tmp_path: Path) -> None:
    data = make_cohort(patients=14, slides=2)
    data.frame.loc[data.frame["patient"] == "p05", "label"] = ""
    (data.grids / "p03-0.grid.zarr.zip").unlink()
    (data.grids / "p04-0.grid.zarr.zip").unlink()
    (data.grids / "p04-1.grid.zarr.zip").write_bytes(b"no zip")
    recipe = replace(QUICK, epochs=1, drop_unlabelled=True)
    run = train(data.table, data.grids, "label", tmp_path / "run", recipe).run
    flow = pd.read_csv(run / "flow.csv", keep_default_na=False).to_numpy().tolist()
    assert flow == [
        ["in the table", 14, 28, ""],
        ["left out", 1, 2, "no label"],
        ["left out", 0, 2, "no grid"],
        ["left out", 1, 1, "damaged grid"],
        ["learned and tested", 12, 23, ""],
    ]


def test_a_copied_slide_is_told(make_cohort: Maker, make_grid: Any, tmp_path: Path) -> None:
    data = make_cohort(patients=12)
    grid = make_grid("p01-0", (6, 9), seed=5)
    data.put(grid)
    data.put(replace(grid, slide=replace(grid.slide, slide="p04-0")))
    summary = train(data.table, data.grids, "label", tmp_path / "run", replace(QUICK, epochs=1))
    assert any("p01-0" in line and "p04-0" in line for line in summary.warnings)
    assert "p04-0" in summary.text
    found = json.loads((summary.run / "leakage.json").read_text())["findings"]
    assert found[0]["level"] == "problem"


def test_time_and_memory_are_told_before_starting(make_cohort: Maker, tmp_path: Path) -> None:
    data = make_cohort(patients=12)
    told: list[str] = []
    recipe = replace(QUICK, epochs=2)
    train(data.table, data.grids, "label", tmp_path / "run", recipe, tell=told.append)
    assert len(told) == 1
    assert told[0].startswith("2 heads of at most 2 epochs, about ")
    assert "kept in memory" in told[0]
    train(data.table, data.grids, "label", tmp_path / "run", recipe, tell=told.append)
    assert len(told) == 1


def test_what_was_tried_beforehand_changes_nothing(
    make_cohort: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_cohort(patients=12)
    recipe = replace(QUICK, head="cnn", epochs=2)
    plain = train(data.table, data.grids, "label", tmp_path / "plain", recipe)
    monkeypatch.setattr("histopress.heads.budget.TRIED", 1)
    other = train(data.table, data.grids, "label", tmp_path / "other", recipe)
    assert plain.predictions.read_bytes() == other.predictions.read_bytes()


def test_whole_patients_are_answered_for_from_the_slides_that_there_are(
    make_cohort: Maker, tmp_path: Path
) -> None:
    data = make_cohort(patients=12, slides=2)
    recipe = replace(QUICK, epochs=2, fusion="joint")
    run = train(data.table, data.grids, "label", tmp_path / "run", recipe).run
    asked = PredictRecipe(grids=data.grids)
    assert not len(predict(run, [data.table], tmp_path / "all.csv", asked))
    whole = read_predictions([tmp_path / "all.csv"]).set_index("patient")
    trained = unseen(run, "label").set_index("patient")
    assert set(whole["level"]) == {"patient"}
    assert set(whole["part"]) == {"test"}
    np.testing.assert_allclose(whole["score"], trained["score"][whole.index], atol=1e-6)
    (data.grids / "p03-0.grid.zarr.zip").unlink()
    (data.grids / "p05-0.grid.zarr.zip").write_bytes(b"no zip")
    failures = predict(run, [data.table], tmp_path / "some.csv", asked)
    assert sorted(f.item for f in failures) == ["p03-0", "p05-0"]
    some = read_predictions([tmp_path / "some.csv"]).set_index("patient")
    assert sorted(some.index) == sorted(whole.index)
    assert set(some.index[some["score"] != whole["score"][some.index]]) == {"p03", "p05"}
