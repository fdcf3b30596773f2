from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import PredictionsError
from histopress.data.predictions import (
    class_columns,
    read_predictions,
    to_patients,
    validate,
    write_predictions,
)


def row(**changes: Any) -> dict[str, Any]:
    given = {
        "level": "slide",
        "patient": "01",
        "slide": "a",
        "run": "0",
        "part": "test",
        "target": "grade",
        "kind": "binary",
        "truth": "high",
        "p:low": 0.25,
        "p:high": 0.75,
        "score": 0.75,
        "score_sd": np.nan,
        "models": 1,
    }
    return given | changes


def number(**changes: Any) -> dict[str, Any]:
    given = row(target="age", kind="regression", truth="61.5", score=60.25, **changes)
    return {k: v for k, v in given.items() if not k.startswith("p:")}


def three(**changes: Any) -> dict[str, Any]:
    given = row(target="type", kind="multiclass", truth="NA", score=np.nan, **changes)
    del given["p:low"], given["p:high"]
    return given | {"p:NA": 0.2, "p:B": 0.5, "p:C": 0.3}


def grade(**changes: Any) -> dict[str, Any]:
    given = row(target="isup", kind="ordinal", truth="G2", score=1.1, **changes)
    del given["p:low"], given["p:high"]
    return given | {"p:G1": 0.2, "p:G2": 0.5, "p:G3": 0.3}


def death(**changes: Any) -> dict[str, Any]:
    given = row(target="os", kind="survival", truth="34.2+", score=-1.5, **changes)
    del given["p:low"], given["p:high"]
    return given | {"s:12": 0.9, "s:24": 0.75}


def test_written_and_read_again_it_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for i, p in enumerate(rng.random(50)):
        rows.append(row(patient=f"{i:03d}", slide=f"s{i}", **{"p:low": 1 - p, "p:high": p}, score=p))
    table = pd.DataFrame([*rows, number(), three(), grade(), death()])
    write_predictions(table, tmp_path / "p.csv")
    again = read_predictions([tmp_path / "p.csv"])
    pd.testing.assert_frame_equal(again, validate(table), check_exact=True)
    assert again["patient"].tolist()[:2] == ["000", "001"]
    assert again["truth"].tolist()[-3:] == ["NA", "G2", "34.2+"]
    assert class_columns(again, "grade") == ["p:low", "p:high"]
    assert class_columns(again, "type") == ["p:NA", "p:B", "p:C"]
    assert class_columns(again, "age") == []


def test_several_files_become_one_table(tmp_path: Path) -> None:
    write_predictions(pd.DataFrame([row()]), tmp_path / "a.csv")
    write_predictions(pd.DataFrame([row(patient="02", slide="b", run="1")]), tmp_path / "b.csv")
    assert read_predictions([tmp_path / "a.csv", tmp_path / "b.csv"])["run"].tolist() == ["0", "1"]
    with pytest.raises(PredictionsError, match="stands twice"):
        read_predictions([tmp_path / "a.csv", tmp_path / "a.csv"])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row(level="tile")], "row 2: level is 'tile', expected slide, patient"),
        ([row(part="val")], "part is 'val'"),
        ([row(kind="other")], "kind is 'other'"),
        ([row(kind="ordinal")], "target 'grade' is ordinal with class columns p:low, p:high"),
        ([row(patient="")], "patient is empty"),
        ([row(slide="")], "slide is '' on level slide, expected an id"),
        ([row(level="patient")], "slide is 'a' on level patient, expected nothing"),
        ([row(models=0)], "models is 0"),
        ([row(score_sd=-1.0)], "score_sd -1"),
        ([row(), row()], "row 3: level 'slide', patient '01', .* stands twice"),
        ([row(), row(slide="b", part="train")], "patient '01' is in parts test and train of run 0"),
        ([row(), row(slide="b", truth="low")], "patient '01' has grade 'high' and 'low'"),
        ([row(), row(slide="b", truth="")], "patient '01' has grade '' and 'high'"),
        ([row(**{"p:low": 0.5})], "probabilities are 0.5, 0.75, expected 0 to 1 with sum 1"),
        ([row(**{"p:low": -0.25, "p:high": 1.25}, score=1.25)], "probabilities are -0.25, 1.25"),
        ([row(truth="medium")], "truth is 'medium', expected 'low', 'high' or nothing"),
        ([row(score=0.25)], "score is 0.25, expected p:high, that is 0.75"),
        ([row(score=np.nan)], "score is nan"),
        ([three(), row(kind="multiclass")], "target 'grade' is multiclass with class columns p:low, p:high"),
        ([three() | {"score": 0.5}], "score is 0.5, expected nothing"),
        (
            [number(), number() | {"patient": "02", "truth": "old"}],
            "truth is 'old', expected a finite number",
        ),
        ([number() | {"score": np.nan}], "score is empty, expected a number"),
        ([row(), row(patient="02", kind="regression")], "target 'grade' is binary and regression"),
        ([grade() | {"score": 1.5}], "score is 1.5, expected the expected rank, that is 1.1"),
        ([grade() | {"truth": "G4"}], "truth is 'G4', expected 'G1', 'G2', 'G3' or nothing"),
        ([death() | {"truth": "dead"}], "truth is 'dead', expected a time of 0 or later"),
        ([death() | {"truth": "-3"}], "truth is '-3', expected a time of 0 or later"),
        ([death() | {"score": np.nan}], "score is empty, expected the risk"),
        ([death() | {"s:24": 0.95}], "s:12, s:24 are 0.9, 0.95, expected 0 to 1 and not rising with time"),
        ([death() | {"s:24": np.nan}, death(patient="2")], "are 0.9, nan, expected 0 to 1"),
        ([death() | {"s:late": 0.5}], "columns s:late name no time"),
        ([row() | {"s:12": 0.5}], "target 'grade' is binary with columns s:12, which only survival has"),
        ([row(score="much")], "row 2: score is 'much', expected a number or nothing"),
    ],
)
def test_every_breach_of_the_contract_is_told(rows: list[dict[str, Any]], expected: str) -> None:
    with pytest.raises(PredictionsError, match=expected):
        validate(pd.DataFrame(rows))


def test_missing_columns_are_named() -> None:
    with pytest.raises(PredictionsError, match=r"lacks run, models: found level, patient"):
        validate(pd.DataFrame([row()]).drop(columns=["run", "models"]))


def test_files_that_are_no_tables_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    for path in (tmp_path / "absent.csv", tmp_path / "empty.csv"):
        with pytest.raises(PredictionsError, match=f"{path.name} is no readable table"):
            read_predictions([path])
    with pytest.raises(PredictionsError, match="at least one"):
        read_predictions([])


def test_many_problems_are_cut_short() -> None:
    table = pd.DataFrame([row(patient=str(i), slide=str(i), part="?") for i in range(40)])
    with pytest.raises(PredictionsError, match="40 problems") as raised:
        validate(table)
    assert str(raised.value).endswith("and 30 more")


def test_nothing_is_written_if_the_table_is_broken(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError):
        write_predictions(pd.DataFrame([row(part="?")]), tmp_path / "p.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_patient_gets_the_mean_of_the_slides_of_every_run() -> None:
    table = pd.DataFrame(
        [
            row(score_sd=0.1, models=5),
            row(slide="b", score_sd=0.3, models=4, **{"p:low": 0.75, "p:high": 0.25}, score=0.25),
            row(slide="b", run="1", part="train"),
            row(patient="02", slide="c", truth="low"),
        ]
    )
    patients = to_patients(table).set_index(["patient", "run"]).sort_index()
    assert patients.index.tolist() == [("01", "0"), ("01", "1"), ("02", "0")]
    assert patients["p:high"].tolist() == [0.5, 0.75, 0.75]
    assert patients["score"].tolist() == [0.5, 0.75, 0.75]
    assert patients["score_sd"].iloc[0] == pytest.approx(0.2)
    assert patients["models"].tolist() == [4, 1, 1]
    assert set(patients["level"]) == {"patient"}
    assert patients["part"].tolist() == ["test", "train", "test"]


def test_repeating_every_slide_changes_no_patient() -> None:
    table = pd.DataFrame(
        [row(), row(slide="b", score=0.5, **{"p:low": 0.5, "p:high": 0.5}), three(), number()]
    )
    twice = pd.concat([table, table.assign(slide=table["slide"] + " again")])
    pd.testing.assert_frame_equal(to_patients(table), to_patients(twice))


def test_survival_of_a_patient_is_the_mean_of_its_slides() -> None:
    table = pd.DataFrame([death(), death(slide="b") | {"s:12": 0.7, "s:24": 0.25, "score": 0.5}])
    found = to_patients(table).iloc[0]
    assert (found["s:12"], found["s:24"], found["score"]) == pytest.approx((0.8, 0.5, -0.5))
    assert found["truth"] == "34.2+"


def test_rows_of_patients_alone_and_runs_of_several_seeds_are_valid() -> None:
    rows = [grade(level="patient", slide="", run=f"0#{seed}") for seed in range(3)]
    assert validate(pd.DataFrame(rows))["run"].tolist() == ["0#0", "0#1", "0#2"]


def test_patient_rows_are_not_averaged_again() -> None:
    with pytest.raises(PredictionsError, match="1 rows are not of level slide"):
        to_patients(pd.DataFrame([row(), row(level="patient", slide="")]))
