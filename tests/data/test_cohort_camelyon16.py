"""CAMELYON16 in miniature: names of training slides, reference.csv of the test part."""

from __future__ import annotations

from pathlib import Path

import pytest

from histopress.core.errors import CohortError
from histopress.data.cohort import read_cohort
from histopress.data.cohort_recipes import make_cohort

REFERENCE = "test_001,Tumor,Macro,1\ntest_002,Normal,None,0\ntest_049,Normal,None,0\n"
SLIDES = (
    "training/normal/normal_001",
    "training/normal/normal_086",
    "training/tumor/tumor_001",
    "training/tumor/tumor_111",
    "testing/images/test_001",
    "testing/images/test_002",
    "testing/images/test_049",
)


def downloaded(folder: Path, reference: str = REFERENCE, slides: tuple[str, ...] = SLIDES) -> Path:
    for name in slides:
        path = folder / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "testing" / "evaluation").mkdir(parents=True)
    (folder / "testing" / "evaluation" / "test_001_mask.tif").touch()
    (folder / "testing" / "reference.csv").write_text(reference)
    return folder


def test_the_official_split_without_what_was_removed(tmp_path: Path) -> None:
    summary = make_cohort("camelyon16", [downloaded(tmp_path / "C16")], tmp_path / "c.csv")
    table = read_cohort(summary.cohort, "tumor", classes=["normal", "tumor"], check_files=True).table
    known = {slide: (part, label) for slide, part, label in table[["slide", "split", "tumor"]].to_numpy()}
    assert known == {
        "normal_001": ("train", "normal"),
        "tumor_001": ("train", "tumor"),
        "tumor_111": ("train", "tumor"),
        "test_001": ("test", "tumor"),
        "test_002": ("test", "normal"),
    }
    assert table["lesion"].tolist() == ["", "", "", "macro", ""]  # "none" is no value
    left_out = summary.left_out.read_text()
    assert 'normal_086,normal_086,"misclassified' in left_out and "test_049,test_049,duplicate" in left_out
    assert "3 training slides, of 270" in summary.text
    assert summary.target == "tumor"


def test_the_reference_alone_stands_for_the_official_names(tmp_path: Path) -> None:
    header = "image,kind,stage\n" + "".join(f"test_{n:03d}.tif,Normal,negative\n" for n in range(1, 131))
    folder = downloaded(tmp_path / "C16", header, slides=())
    summary = make_cohort("camelyon16", [folder / "testing" / "reference.csv"], tmp_path / "c.csv")
    table = read_cohort(summary.cohort).table
    assert len(table) == summary.slides == 399
    train = table[table["split"] == "train"]
    assert train["tumor"].value_counts().to_dict() == {"normal": 159, "tumor": 111}
    assert "normal_086" not in set(table["slide"]) and "tumor_111" in set(table["slide"])
    assert (table["split"] == "test").sum() == 129


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("a,b\n1,2\n", "no row names a test slide"),
        ("test_001,Tumour\n", "no class for test_001"),
        ("test_001,Tumor\ntest_001,Normal\n", "row 2: test_001 stands there twice"),
        ("test_001,Tumor\nnormal_001,Tumor\n", "normal_001 is 'tumor', expected what its name says"),
    ],
)
def test_other_references_are_refused(tmp_path: Path, reference: str, message: str) -> None:
    folder = downloaded(tmp_path / "C16", reference)
    with pytest.raises(CohortError, match=message):
        make_cohort("camelyon16", [folder], tmp_path / "c.csv")


def test_two_references_and_two_files_of_a_slide(tmp_path: Path) -> None:
    folder = downloaded(tmp_path / "C16")
    (folder / "old").mkdir()
    (folder / "old" / "reference.csv").write_text(REFERENCE)
    with pytest.raises(CohortError, match="2 tables, expected one"):
        make_cohort("camelyon16", [folder], tmp_path / "c.csv")
    (folder / "old" / "reference.csv").unlink()
    (folder / "old" / "tumor_001.tif").touch()
    with pytest.raises(CohortError, match=r"tumor_001' is .* and .*, expected one file"):
        make_cohort("camelyon16", [folder], tmp_path / "c.csv")
