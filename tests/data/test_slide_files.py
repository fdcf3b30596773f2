"""Names of slides, and which files of a folder are slides."""

from __future__ import annotations

from pathlib import Path

import pytest

from histopress.core.errors import CohortError
from histopress.data.slide_files import find_slides, slide_id


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/TCGA-05-4244.1d4f.svs", "TCGA-05-4244.1d4f"),
        ("case 7.ome.tif", "case 7"),
        ("CASE.OME.TIFF", "CASE"),
        ("x.ndpi", "x"),
        ("noending", "noending"),
    ],
)
def test_slide_id(name: str, expected: str) -> None:
    assert slide_id(name) == slide_id(Path(name)) == expected


def make(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def test_folders_give_their_slides_sorted_and_nothing_else(tmp_path: Path) -> None:
    make(tmp_path, "b.SVS", "a.tif", "notes.txt", ".c.svs", "a.mask.png", "b.overlay.jpg", "failures.csv")
    make(tmp_path / "deeper.svs", "d.svs")
    assert find_slides([tmp_path]) == [tmp_path / "a.tif", tmp_path / "b.SVS"]


def test_named_files_stay_in_their_order_whatever_they_are(tmp_path: Path) -> None:
    (odd,) = make(tmp_path, "odd.xyz")
    missing = tmp_path / "missing.svs"
    assert find_slides([odd, missing, odd]) == [odd, missing]


def test_two_files_of_one_id_are_named(tmp_path: Path) -> None:
    one, two = *make(tmp_path / "x", "s.svs"), *make(tmp_path / "y", "s.ome.tif")
    other = make(tmp_path / "y", "t.tif")
    with pytest.raises(CohortError) as error:
        find_slides([one, two, *other])
    assert len(error.value.problems) == 1
    assert str(one) in str(error.value) and str(two) in str(error.value)


def test_a_folder_without_slides_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, "readme.txt")
    with pytest.raises(CohortError, match="no slide in the folder"):
        find_slides([tmp_path])
