"""Cohort table -> parts by site: what is asked for, and what would leak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from histopress.core.errors import CohortError, RecipeError
from histopress.studies.ncamelyon_cohort import read_cases
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe

ROWS: dict[str, list[Any]] = {
    "patient": ["a", "a", "b", "c", "d"],
    "slide": ["a1", "a2", "b1", "c1", "d1"],
    "path": ["a1.tif", "a2.tif", "b1.tif", "c1.tif", "d1.tif"],
    "centre": [0, 0, 3, 4, 9],
    "annotation": ["a1.xml", None, None, "masks/c1.png", None],
}


def recipe(folder: Path, settings: dict[str, Any] | None = None, **columns: list[Any]) -> NcamelyonRecipe:
    pd.DataFrame(ROWS | columns).to_csv(folder / "cohort.csv", index=False)
    return NcamelyonRecipe(cohort=folder / "cohort.csv", **(settings or {}))


def test_parts_by_site_with_files_beside_the_table(tmp_path: Path) -> None:
    cases = read_cases(recipe(tmp_path))
    assert [(c.slide, c.site, c.part) for c in cases.items] == [
        ("a1", "0", "train"),
        ("a2", "0", "train"),
        ("b1", "3", "tuning"),
        ("c1", "4", "test"),
    ]
    drawn = [c.annotation for c in cases.items]
    assert drawn == [str(tmp_path / "a1.xml"), "", "", str(tmp_path / "masks" / "c1.png")]
    assert cases.items[0].path == str(tmp_path / "a1.tif") and sum(cases.left_out.values()) == 1


def test_parts_by_another_column(tmp_path: Path) -> None:
    by = {"by": "split", "train": ("train",), "tuning": ("tuning",), "test": ("test",)}
    cases = read_cases(recipe(tmp_path, by, split=["train", "train", "val", "test", "test"]))
    assert [c.part for c in cases.items] == ["train", "train", "tuning", "test", "test"]


@pytest.mark.parametrize(
    ("settings", "columns", "message"),
    [
        ({"by": "hospital"}, {}, "no column 'hospital': found patient, .*name another in `by`"),
        ({"annotation": "lesions"}, {}, "no column 'lesions'"),
        ({}, {"centre": [7] * 5}, "no slide is of any part: site is 7, asked for 0, 1, 2, 3, 4"),
        ({}, {"centre": [0, 4, 3, 4, 9]}, "patient 'a' is in test and train, expected one part"),
        ({}, {"path": ["", "a2.tif", "b1.tif", "c1.tif", "d1.tif"]}, "slide 'a1' names no file"),
    ],
)
def test_what_is_wrong_with_a_table(
    tmp_path: Path, settings: dict[str, Any], columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(CohortError, match=message):
        read_cases(recipe(tmp_path, settings, **columns))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"low": 0.5, "high": 0.1}, "expected a band of shares"),
        ({"high": 1.5}, "expected a band of shares"),
        ({"per_slide": 0}, "counts from 1"),
        ({"test": ("0",)}, "0 named twice"),
        ({"train": (), "tuning": (), "test": ()}, "no values named"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        NcamelyonRecipe(**settings)


def test_annotations_and_slides_shape_the_plan_and_where_they_lie_does_not(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a1.xml").write_text("<x/>")
    first, second = (read_cases(recipe(tmp_path / name)).items[0].marks for name in ("one", "two"))
    assert first == second
    (tmp_path / "two" / "a1.xml").write_text("<y/>")
    assert read_cases(recipe(tmp_path / "two")).items[0].marks != first


def test_slides_without_annotation_that_are_not_known_to_be_negative_are_left_out(tmp_path: Path) -> None:
    stages = ["macro", "micro", "negative", "micro", "negative"]
    cases = read_cases(recipe(tmp_path, {"label": "stage"}, stage=stages))
    assert [c.slide for c in cases.items] == ["a1", "b1", "c1"]
    assert cases.left_out == {
        "neither annotated nor negative or normal or none by stage": 1,
        "site is of no part": 1,
    }
