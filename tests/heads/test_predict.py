"""Predicting: honest about patients the run has seen, from grids, tables and pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import CohortError, HeadError, RunError
from histopress.data.predictions import read_predictions
from histopress.grids.store import SUFFIX
from histopress.heads.predict import PredictRecipe, predict
from histopress.heads.train import TrainRecipe, train

RECIPE = TrainRecipe(head="mean", folds=3, epochs=3, lr=0.05)


@dataclass(frozen=True)
class Trained:
    """A run, the cohort it was trained on, and a maker of more."""

    run: Path
    data: Any
    make: Callable[..., Any]
    grid: Callable[..., Any]


@pytest.fixture
def trained(make_cohort: Callable[..., Any], make_grid: Callable[..., Any], tmp_path: Path) -> Trained:
    data = make_cohort(patients=12, slides=2)
    run = train(data.table, data.grids, "label", tmp_path / "run", RECIPE).run
    return Trained(run, data, make_cohort, make_grid)


def answers(output: Path, level: str = "slide") -> pd.DataFrame:
    table = read_predictions([output])
    return table[table["level"] == level].set_index(level)


def test_known_patients_get_the_answer_of_the_fold_that_had_not_seen_them(
    trained: Trained, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "p.csv"
    assert not len(predict(trained.run, [trained.data.grids], output))
    for level in ("slide", "patient"):
        found = answers(output, level)
        table = read_predictions([trained.run / "predictions.csv"])
        expected = table[(table["level"] == level) & (table["part"] == "test")].set_index(level)
        assert set(found["part"]) == {"test"}
        assert set(found["models"]) == {1}
        assert found["score_sd"].isna().all()
        np.testing.assert_allclose(found["p:yes"], expected.loc[found.index, "p:yes"], rtol=1e-6)


def test_new_patients_get_the_mean_of_all_folds(trained: Trained, tmp_path: Path) -> None:
    fresh = trained.data.put(trained.grid("fresh", (8, 11), seed=77))
    predict(trained.run, [fresh], tmp_path / "p.csv")
    row = answers(tmp_path / "p.csv").loc["fresh"]
    assert (row["part"], row["run"], row["models"], row["truth"]) == ("new", "mean", 3, "")
    assert row["patient"] == "fresh"
    assert row["score_sd"] > 0


def test_a_new_slide_of_a_known_patient_counts_as_known(trained: Trained, tmp_path: Path) -> None:
    trained.data.put(trained.grid("another", (8, 11), seed=5))
    frame = pd.DataFrame({"patient": ["p03"], "slide": ["another"], "label": ["yes"]})
    frame.to_csv(tmp_path / "more.csv", index=False)
    recipe = PredictRecipe(grids=trained.data.grids)
    predict(trained.run, [tmp_path / "more.csv"], tmp_path / "p.csv", recipe)
    row = answers(tmp_path / "p.csv").loc["another"]
    assert (row["patient"], row["part"], row["models"]) == ("p03", "test", 1)


def test_a_known_slide_under_another_name_of_its_patient_is_no_new_patient(
    trained: Trained, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"patient": ["someone else"], "slide": ["p03-0"], "label": ["yes"]})
    frame.to_csv(tmp_path / "more.csv", index=False)
    recipe = PredictRecipe(grids=trained.data.grids)
    predict(trained.run, [tmp_path / "more.csv"], tmp_path / "p.csv", recipe)
    assert answers(tmp_path / "p.csv").loc["p03-0", "part"] == "test"


def test_who_was_never_tested_keeps_the_part_that_was_seen(
    make_cohort: Callable[..., Any], tmp_path: Path
) -> None:
    data = make_cohort(patients=12)
    parts = ["train"] * 6 + ["tuning"] * 2 + ["test"] * 4
    data.frame["split"] = parts
    run = train(data.table, data.grids, "label", tmp_path / "run", RECIPE).run
    predict(run, [data.grids], tmp_path / "p.csv")
    assert answers(tmp_path / "p.csv").loc[data.frame["slide"], "part"].tolist() == parts


def test_a_table_gives_patients_and_truth(trained: Trained, tmp_path: Path) -> None:
    fresh = trained.make(patients=3, slides=2, name="fresh", seed=9)
    fresh.frame["patient"] = "new " + fresh.frame["patient"]
    fresh.frame["slide"] = "new-" + fresh.frame["slide"]
    for path in sorted(fresh.grids.iterdir()):
        path.rename(path.with_name("new-" + path.name))
    output = tmp_path / "p.csv"
    assert not len(predict(trained.run, [fresh.table, fresh.grids], output))
    slides, patients = answers(output), answers(output, "patient")
    assert len(slides) == 6
    assert patients["truth"].to_dict() == {"new p00": "no", "new p01": "yes", "new p02": "no"}
    pair = slides[slides["patient"] == "new p01"]["p:yes"]
    assert patients.loc["new p01", "p:yes"] == pytest.approx(pair.mean())


def test_grids_of_another_encoder_fail_alone(trained: Trained, tmp_path: Path) -> None:
    strange = trained.data.put(trained.grid("strange", (5, 6), encoder="stranger"))
    failures = predict(trained.run, [strange, trained.data.grids / f"p01-0{SUFFIX}"], tmp_path / "p.csv")
    assert [f.item for f in failures] == ["strange"]
    assert "made-up (enc" in "; ".join(pd.read_csv(tmp_path / "failures.csv").iloc[0].fillna(""))
    assert answers(tmp_path / "p.csv").index.tolist() == ["p01-0"]


def test_slides_without_grid_or_file_and_damaged_grids_fail_alone(trained: Trained, tmp_path: Path) -> None:
    frame = pd.DataFrame({"patient": ["a", "b"], "slide": ["nowhere", "p00-0"], "label": ["no", "maybe"]})
    frame.to_csv(tmp_path / "more.csv", index=False)
    damaged = tmp_path / f"damaged{SUFFIX}"
    damaged.write_bytes(b"nothing")
    recipe = PredictRecipe(grids=trained.data.grids)
    failures = predict(trained.run, [tmp_path / "more.csv", damaged], tmp_path / "p.csv", recipe)
    reasons = {f.item: f"{f.reason}; {f.remedy}" for f in failures}
    assert "neither a grid nor a file" in reasons["nowhere"]
    assert "label is 'maybe' (patient 0), expected no, yes" in reasons["p00-0"]
    assert "compress the slide again" in reasons["damaged"]
    assert not (tmp_path / "p.csv").exists()


def test_slides_need_the_encoder_that_the_run_lacks(trained: Trained, tmp_path: Path) -> None:
    slide = tmp_path / "x.svs"
    slide.write_bytes(b"")
    with pytest.raises(HeadError, match=r"keeps no encoder, which 1 slides need.*made-up"):
        predict(trained.run, [slide], tmp_path / "p.csv")


def test_two_grids_of_one_slide_are_refused(trained: Trained, tmp_path: Path) -> None:
    other = tmp_path / f"p00-0{SUFFIX}"
    other.write_bytes(b"")
    with pytest.raises(CohortError, match=r"p00-0.*another grid"):
        predict(trained.run, [trained.data.grids, other], tmp_path / "p.csv")


def test_an_unfinished_run_is_refused(trained: Trained, tmp_path: Path) -> None:
    (trained.run / "done").unlink()
    with pytest.raises(RunError, match="not finished"):
        predict(trained.run, [trained.data.grids], tmp_path / "p.csv")


def test_from_pixels_as_the_training_grids_were_made(tmp_path: Path) -> None:
    from PIL import Image

    from histopress.grids.compress import CompressRecipe, compress

    random = np.random.default_rng(0)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rows = []
    for i in range(10):
        colour = np.array([170, 60, 150]) if i % 2 else np.array([230, 140, 180])
        tissue = np.full((480, 640, 3), 245.0)
        tissue[60:420, 80:560] = colour
        noisy = np.clip(tissue + random.normal(0, 12, tissue.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(pictures / f"s{i}.png")
        rows.append((f"p{i}", f"pictures/s{i}.png", "yes" if i % 2 else "no", 1.0))
    frame = pd.DataFrame(rows, columns=["patient", "path", "label", "spacing"])
    frame[:8].to_csv(tmp_path / "cohort.csv", index=False)
    frame[8:].to_csv(tmp_path / "fresh.csv", index=False)
    recipe = CompressRecipe(encoder="mean-rgb:spacing=1.0,tile=32", tissue_share=0.9)
    assert not len(compress([tmp_path / "cohort.csv"], tmp_path / "grids", recipe).failures)
    quick = replace(RECIPE, folds=2, epochs=25, patience=25)
    run = train(tmp_path / "cohort.csv", tmp_path / "grids", "label", tmp_path / "run", quick).run
    output = tmp_path / "new" / "p.csv"
    assert not len(predict(run, [tmp_path / "fresh.csv"], output))
    again = tmp_path / "again" / "p.csv"
    predict(run, [tmp_path / "new" / "p.grids"], again)
    found = answers(output)
    assert found["truth"].to_dict() == {"s8": "no", "s9": "yes"}
    assert found.loc["s9", "score"] > found.loc["s8", "score"]
    np.testing.assert_array_equal(found["score"], answers(again)["score"])
