from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import PredictionsError
from histopress.data.predictions import write_predictions
from histopress.data.predictions_columns import ForeignColumns
from histopress.data.predictions_foreign import read_any


def theirs() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "case_id": ["A", "A", "B", "C"],
            "slide_id": ["a1", "a2", "b1", "c1"],
            "label": ["normal", "normal", "tumour", "tumour"],
            "prob_tumour": [0.2, 0.4, 0.9, 0.7],
        }
    )


def read(tmp_path: Path, table: pd.DataFrame, **asked: object) -> pd.DataFrame:
    table.to_csv(tmp_path / "theirs.csv", index=False)
    return read_any(tmp_path / "theirs.csv", ForeignColumns(**asked))[0]  # type: ignore[arg-type]


def test_a_table_is_mapped_by_the_columns_that_are_named(tmp_path: Path) -> None:
    asked = {"truth": "label", "score": "prob_tumour", "patient": "case_id"}
    found = read(tmp_path, theirs(), **asked)
    assert found["patient"].tolist() == ["A", "A", "B", "C"]
    assert found["slide"].tolist() == ["a1", "a2", "b1", "c1"]
    assert set(found["kind"]) == {"binary"}
    assert set(found["run"]) == {"0"}
    assert set(found["part"]) == {"test"}
    assert set(found["target"]) == {"label"}
    assert found["p:tumour"].tolist() == found["score"].tolist() == [0.2, 0.4, 0.9, 0.7]
    np.testing.assert_allclose(found["p:normal"], 1 - found["score"])


def test_parquet_reads_as_csv_does(tmp_path: Path) -> None:
    theirs().to_parquet(tmp_path / "theirs.parquet")
    found = read_any(tmp_path / "theirs.parquet", ForeignColumns(score="prob_tumour"))[0]
    pd.testing.assert_frame_equal(found, read(tmp_path, theirs(), score="prob_tumour"))


def test_our_own_tables_stay_as_they_are(tmp_path: Path) -> None:
    ours = read(tmp_path, theirs(), score="prob_tumour")
    write_predictions(ours, tmp_path / "ours.csv")
    found, notes = read_any(tmp_path / "ours.csv", ForeignColumns(truth="label", score="prob_tumour"))
    pd.testing.assert_frame_equal(found, ours)
    assert notes == ()


def test_clam_tables_are_known(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"slide_id": ["s1", "s2"], "Y": [0.0, 1.0], "Y_hat": [0.0, 1.0], "p_0": [0.8, 0.3], "p_1": [0.2, 0.7]}
    )
    table.to_csv(tmp_path / "fold_0.csv", index=False)
    found, notes = read_any(tmp_path / "fold_0.csv", ForeignColumns())
    assert found["truth"].tolist() == ["0", "1"]
    assert found["score"].tolist() == [0.2, 0.7]
    assert found["patient"].tolist() == ["s1", "s2"]
    assert "layout of CLAM" in notes[0]
    assert "every slide counts as a patient of its own" in notes[1]
    known = read_any(tmp_path / "fold_0.csv", ForeignColumns(), {"s1": "P", "s2": "Q"})[0]
    assert known["patient"].tolist() == ["P", "Q"]


def test_stamp_tables_are_known(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "PATIENT": ["A", "B"],
            "isMSIH": ["MSIH", "nonMSIH"],
            "pred": ["MSIH", "MSIH"],
            "isMSIH_MSIH": [0.9, 0.6],
            "isMSIH_nonMSIH": [0.1, 0.4],
            "loss": [0.1, 0.9],
        }
    )
    found = read(tmp_path, table)
    assert set(found["level"]) == {"patient"}
    assert found["p:MSIH"].tolist() == [0.9, 0.6]
    assert set(found["target"]) == {"isMSIH"}


def test_several_classes_numbers_and_grades(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"patient": list("AB"), "label": ["luad", "NORM"], "p_LUAD": [0.5, 0.2], "p_lusc": [0.3, 0.1]}
    ).assign(p_norm=[0.2, 0.7], number=[1.5, 2.5])
    named = ("p_LUAD", "lusc=p_lusc", "p_norm")
    found = read(tmp_path, table, probabilities=named)
    assert [c for c in found if c.startswith("p:")] == ["p:luad", "p:lusc", "p:NORM"]
    assert found["score"].isna().all()
    graded = read(tmp_path, table, probabilities=named, kind="ordinal")
    np.testing.assert_allclose(graded["score"], [0.7, 1.5])
    numbers = read(tmp_path, table, truth="number", score="p_norm", kind="regression")
    assert numbers["truth"].tolist() == ["1.5", "2.5"]


def test_survival_of_time_and_event(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"patient": list("ABC"), "os_months": [12.5, 30, 7], "dead": [1, 0, ""], "risk": [2.0, -1.0, 0.5]}
    ).assign(s12=[0.5, 0.9, 0.8])
    found = read(tmp_path, table, time="os_months", event="dead", free=("12=s12",), target="os")
    assert found["truth"].tolist() == ["12.5", "30+", ""]
    assert found["s:12"].tolist() == [0.5, 0.9, 0.8]
    assert set(found["kind"]) == {"survival"}
    same = read(tmp_path, table.assign(dead=["1:DECEASED", "0:LIVING", ""]), time="os_months", event="dead")
    assert same["truth"].tolist() == found["truth"].tolist()


def test_parts_and_folds_are_taken_where_a_column_tells(tmp_path: Path) -> None:
    table = theirs().assign(fold=[0, 0, 1, 1], split=["val", "val", "test", "TEST"])
    found = read(tmp_path, table, score="prob_tumour")
    assert found["part"].tolist() == ["tuning", "tuning", "test", "test"]
    assert found["run"].tolist() == ["0", "0", "1", "1"]


def test_rows_of_one_patient_count_as_slides(tmp_path: Path) -> None:
    found = read(tmp_path, theirs().drop(columns="slide_id"), score="prob_tumour")
    assert found["slide"].tolist() == ["A-1", "A-2", "B-1", "C-1"]


def test_rounded_probabilities_are_made_whole(tmp_path: Path) -> None:
    table = pd.DataFrame({"patient": list("AB"), "label": ["x", "y"], "p_x": [0.33, 0.5], "p_y": [0.66, 0.5]})
    found = read(tmp_path, table, probabilities=("p_x", "p_y"))
    np.testing.assert_allclose(found[["p:x", "p:y"]].sum(axis=1), 1)


def test_log_odds_become_probabilities(tmp_path: Path) -> None:
    table = theirs().assign(prob_tumour=[0.0, -2.0, 3.0, 1.0])
    found = read(tmp_path, table, score="prob_tumour", scale="logit")
    np.testing.assert_allclose(found["score"], 1 / (1 + np.exp([0.0, 2.0, -3.0, -1.0])))


@pytest.mark.parametrize(
    ("changes", "asked", "expected"),
    [
        ({}, {}, "which column holds the score.*found case_id, slide_id, label, prob_tumour.*--score COLUMN"),
        ({}, {"score": "prob_tumor"}, "no column 'prob_tumor'.*did you mean 'prob_tumour'"),
        ({"gt": "x"}, {"score": "prob_tumour"}, "'label' and 'gt' could each be the truth.*--truth COLUMN"),
        ({"prob_tumour": 3.0}, {"score": "prob_tumour"}, "is 3, expected a probability of 'tumour'.*logit"),
        (
            {"prob_tumour": "high"},
            {"score": "prob_tumour"},
            "row 2: prob_tumour is 'high', expected a number",
        ),
        ({"label": list("abcd")}, {"score": "prob_tumour"}, "has 4 values.*--probabilities CLASS=COLUMN"),
        (
            {"label": list("aabb")},
            {"score": "prob_tumour"},
            "of which class is prob_tumour.*--positive CLASS",
        ),
        (
            {},
            {"score": "prob_tumour", "positive": "x"},
            "positive class 'x', but labels are 'normal', 'tumour'",
        ),
        ({"split": "third"}, {"score": "prob_tumour"}, "parts 'third' in column split, expected train"),
        ({}, {"score": "prob_tumour", "kind": "survival"}, "which column holds the time"),
    ],
)
def test_what_stays_unclear_is_asked_for(
    tmp_path: Path, changes: dict[str, object], asked: dict[str, object], expected: str
) -> None:
    with pytest.raises(PredictionsError, match=expected) as raised:
        read(tmp_path, theirs().assign(**changes), **asked)
    assert "theirs.csv" in str(raised.value)


def test_files_that_are_no_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="there is no such file"):
        read_any(tmp_path / "absent.csv", ForeignColumns())
