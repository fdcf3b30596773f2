"""PANDA in miniature: Kaggle's train.csv with train_images and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import CohortError
from histopress.data.cohort import read_cohort
from histopress.data.cohort_recipes import make_cohort

IDS = [f"{number:032x}" for number in range(1, 8)]
ROWS = [
    ("karolinska", "0", "0+0"),
    ("radboud", "0", "negative"),
    ("radboud", "1", "3+3"),
    ("karolinska", "2", "3+4"),
    ("karolinska", "2", "4+3"),  # a grade of 3: contradicts itself
    ("radboud", "4", "3+5"),
    ("radboud", "5", "5+4"),
]


def downloaded(folder: Path, rows: list[tuple[str, str, str]] = ROWS) -> Path:
    for kind in ("train_images", "train_label_masks"):
        (folder / kind).mkdir(parents=True)
    lines = [",".join((name, *row)) for name, row in zip(IDS, rows, strict=False)]
    header = "image_id,data_provider,isup_grade,gleason_score"
    (folder / "train.csv").write_text("\n".join([header, *lines]) + "\n")
    for name in IDS[: len(rows)]:
        (folder / "train_images" / f"{name}.tiff").touch()
        (folder / "train_label_masks" / f"{name}_mask.tiff").touch()
    return folder


def test_grades_providers_and_a_contradiction(tmp_path: Path) -> None:
    summary = make_cohort("panda", [downloaded(tmp_path / "PANDA")], tmp_path / "panda.csv")
    table = read_cohort(summary.cohort, "isup_grade", check_files=True).table
    np.testing.assert_array_equal(table["isup_grade"], [0, 0, 1, 2, 4, 5])
    assert table["site"].tolist() == ["karolinska", "radboud", "radboud", "karolinska", "radboud", "radboud"]
    assert table["gleason_score"].tolist() == ["0+0", "negative", "3+3", "3+4", "3+5", "5+4"]
    assert table["path"].str.endswith(".tiff").all() and not table["path"].str.contains("mask").any()
    assert f"{IDS[4]},{IDS[4]},the grade contradicts" in summary.left_out.read_text()
    assert summary.target == "isup_grade:ordinal(0<1<2<3<4<5)"
    assert summary.values["site"] == {"karolinska": 2, "radboud": 4}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("radboud", "6", "5+5"), "isup_grade is '6', expected 0 to 5"),
        (("radboud", "", "5+5"), "isup_grade is ''"),
        (("radboud", "1", "6"), "row 3: gleason_score is '6'"),
    ],
)
def test_unknown_grades_are_told_with_their_row(
    tmp_path: Path, row: tuple[str, str, str], message: str
) -> None:
    folder = downloaded(tmp_path / "PANDA", [ROWS[0], row])
    with pytest.raises(CohortError, match=message):
        make_cohort("panda", [folder], tmp_path / "panda.csv")


def test_wrong_files_and_slides_twice(tmp_path: Path) -> None:
    table = downloaded(tmp_path / "PANDA") / "train.csv"
    table.write_text(table.read_text() + f"{IDS[0]},radboud,0,0+0\n")
    with pytest.raises(CohortError, match=r"row 9: image_id .* stands in row 2 already"):
        make_cohort("panda", [table], tmp_path / "panda.csv")
    table.write_text("image_id,data_provider\na,b\n")
    with pytest.raises(CohortError, match=r"isup grade: found image_id, data_provider.*official file"):
        make_cohort("panda", [table], tmp_path / "panda.csv")
