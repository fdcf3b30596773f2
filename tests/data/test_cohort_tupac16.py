"""TUPAC16 in miniature: rows without a header, in the order of the slides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import CohortError, RecipeError
from histopress.data.cohort import read_cohort
from histopress.data.cohort_options import CohortOptions
from histopress.data.cohort_recipes import make_cohort

TRUTH = "3,0.4127\n1,-0.8211\n2,NaN\n2,0.0513\n"


def downloaded(folder: Path, truth: str = TRUTH, slides: tuple[int, ...] = (1, 2, 3, 4)) -> Path:
    (folder / "training_image_data").mkdir(parents=True)
    (folder / "training_ground_truth.csv").write_text(truth)
    for number in slides:
        (folder / "training_image_data" / f"TUPAC-TR-{number:03d}.svs").touch()
    (folder / "testing_image_data").mkdir()
    (folder / "testing_image_data" / "TUPAC-TE-001.svs").touch()
    return folder


def test_the_second_column_belongs_to_the_slide_of_the_row(tmp_path: Path) -> None:
    folder = downloaded(tmp_path / "TUPAC16")
    summary = make_cohort("tupac16", [folder], tmp_path / "tupac16.csv")
    table = read_cohort(summary.cohort, "proliferation", check_files=True).table
    assert table["slide"].tolist() == ["TUPAC-TR-001", "TUPAC-TR-002", "TUPAC-TR-004"]
    assert table["patient"].tolist() == table["slide"].tolist()
    np.testing.assert_array_equal(table["proliferation"], [0.4127, -0.8211, 0.0513])
    np.testing.assert_array_equal(table["mitotic_score"], [3, 1, 2])
    assert (summary.slides, summary.patients, summary.target) == (3, 3, "proliferation:regression")
    assert "TUPAC16/training_image_data/TUPAC-TR-001.svs" in summary.cohort.read_text()
    assert summary.left_out.read_text().splitlines() == [
        "patient,slide,reason",
        "TUPAC-TR-003,TUPAC-TR-003,no molecular score",
    ]
    assert "4 of 500 rows" in summary.text and "1 patients, 1 slides (no molecular score)" in summary.text


def test_the_table_alone_names_ids(tmp_path: Path) -> None:
    folder = downloaded(tmp_path / "TUPAC16", slides=())
    summary = make_cohort("tupac16", [folder / "training_ground_truth.csv"], tmp_path / "c.csv")
    assert read_cohort(summary.cohort).table["path"].tolist() == ["", "", ""]


def test_slides_that_are_not_there_are_left_out_and_told(tmp_path: Path) -> None:
    folder = downloaded(tmp_path / "TUPAC16", slides=(2, 3, 9))
    summary = make_cohort("tupac16", [folder], tmp_path / "c.csv")
    assert read_cohort(summary.cohort).table["slide"].tolist() == ["TUPAC-TR-002"]
    reasons = summary.left_out.read_text()
    assert "TUPAC-TR-001,TUPAC-TR-001,no file of this slide" in reasons
    assert ",TUPAC-TR-009,file that no table names" in reasons
    first, *_, last = summary.flow
    assert (first.patients, first.slides) == (4, 5) and (last.patients, last.slides) == (1, 1)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ("score,molecular\n3,0.4\n", "row 1: mitotic score 'score'.*no header"),
        ("3,0.4,1\n", "3 columns, expected 2"),
        ("3,0.4\n1,high\n", "row 2: molecular score 'high'"),
        ("3,0.4\n1,inf\n", "row 2: molecular score 'inf'"),
        ("", "0 rows, expected one for each of 500"),
        ("1,0.5\n" * 501, "501 rows"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, truth: str, message: str) -> None:
    folder = downloaded(tmp_path / "T", truth)
    with pytest.raises(CohortError, match="(?s)" + message):
        make_cohort("tupac16", [folder], tmp_path / "c.csv")
    assert not (tmp_path / "c.csv").exists()


def test_slides_of_another_set_are_refused(tmp_path: Path) -> None:
    folder = downloaded(tmp_path / "T", slides=(400,))
    with pytest.raises(CohortError, match=r"none of its 3 slides .*TUPAC-TR-001.* 1 files .*TUPAC-TR-400"):
        make_cohort("tupac16", [folder], tmp_path / "c.csv")
    with pytest.raises(RecipeError, match="as they are"):
        make_cohort("tupac16", [folder], tmp_path / "c.csv", CohortOptions(label="score"))
