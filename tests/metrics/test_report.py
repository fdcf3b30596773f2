from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from histopress.data.predictions import write_predictions
from histopress.metrics.evaluate import EvaluateRecipe, evaluate

Maker = Callable[..., pd.DataFrame]

VOID = {"meta", "br"}


class Balance(HTMLParser):
    """Checks that every tag is closed, and collects text, tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def report(tmp_path: Path, *tables: pd.DataFrame) -> tuple[str, Balance]:
    paths = [tmp_path / f"model-{i}.csv" for i in range(len(tables))]
    for path, table in zip(paths, tables, strict=True):
        write_predictions(table, path)
    page = evaluate(paths, tmp_path / "out", EvaluateRecipe(resamples=100, permutations=50)).report.read_text(
        "utf-8"
    )
    parsed = Balance()
    parsed.feed(page)
    assert parsed.open == []
    return page, parsed


@pytest.mark.parametrize("kind", ["binary", "multiclass", "ordinal", "regression", "survival"])
def test_the_page_needs_nothing_else(tmp_path: Path, make_table: Maker, kind: str) -> None:
    classes = ("a", "b", "c") if kind in ("multiclass", "ordinal") else ("a", "b")
    page, parsed = report(tmp_path, make_table(kind, classes=classes))
    assert not {"script", "link", "img", "iframe"} & set(parsed.tags)
    links = [value or "" for name, value in parsed.attributes if name in ("src", "href")]
    ids = [value for name, value in parsed.attributes if name == "id"]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert not re.search(r"url\(|@import|https?:", page)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_a_binary_report_tells_everything_a_reviewer_asks(tmp_path: Path, make_table: Maker) -> None:
    _, parsed = report(tmp_path, make_table())
    text = " ".join(parsed.text)
    for expected in (
        "Average precision",
        "ROC: tumour",
        "Precision: tumour",
        "Calibration",
        "Answers by true class",
        "Sensitivity",
        "Specificity",
        "Fold by fold",
        "mean ± SD",
        "Where was it most wrong?",
        "40 patients (20 normal, 20 tumour) were evaluated",
        "neither trained nor tuned on the patient",
        "5 cross-validation folds",
        "resamples of patients",
        "histopress 0.",
        "model-0.csv (fingerprint ",
    ):
        assert expected in text
    assert sum(tag == "title" for tag in parsed.tags) >= 41
    for chart in ("ROC curve of tumour", "precision-recall curve of tumour", "calibration"):
        assert any(name == "aria-label" and chart in (value or "") for name, value in parsed.attributes)


def test_several_classes_get_a_curve_each(tmp_path: Path, make_table: Maker) -> None:
    _, parsed = report(tmp_path, make_table("multiclass", classes=("x", "y", "z"), patients=45))
    text = " ".join(parsed.text)
    for name in "xyz":
        assert f"ROC: {name}" in text
        assert f"Precision: {name}" in text


def test_numbers_get_scatter_and_residuals(tmp_path: Path, make_table: Maker) -> None:
    _, parsed = report(tmp_path, make_table("regression", target="age"))
    text = " ".join(parsed.text)
    assert "Answer and label" in text
    assert "Residuals" in text
    assert "ROC" not in text


def test_names_from_tables_are_never_markup(tmp_path: Path, make_table: Maker) -> None:
    table = make_table(classes=("<b>&no", 'x"><script>alert(1)</script>'), target="<i>target</i>")
    table["patient"] = "<u>" + table["patient"]
    _, parsed = report(tmp_path, table)
    assert not {"script", "b", "i", "u"} & set(parsed.tags)
    assert any("<i>target</i>" in text for text in parsed.text)


def test_tables_about_other_patients_are_marked_as_such(tmp_path: Path, make_table: Maker) -> None:
    same = report(tmp_path, make_table(), make_table(seed=1))[0]
    assert "All tables answer for the same 40 patients" in same
    assert "ROC curves of all tables" in same
    other = report(tmp_path, make_table(), make_table(seed=1, patients=35))[0]
    assert "35 patients in common; left out: 5 of model-0: compare with care" in other


def test_perfect_separation_is_questioned(tmp_path: Path, make_table: Maker) -> None:
    page, _ = report(tmp_path, make_table(effect=30.0))
    assert "make sure that nothing but the tissue tells the classes apart" in page
    assert "Newcombe" in page
    assert "Newcombe" not in report(tmp_path, make_table(effect=0.7, patients=90))[0]


@pytest.mark.parametrize("patients", [5, 6, 11])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "ordinal", "regression", "survival"])
def test_tiny_tables_are_reported_too(tmp_path: Path, make_table: Maker, kind: str, patients: int) -> None:
    classes = ("a", "b", "c") if kind in ("multiclass", "ordinal") else ("a", "b")
    _, parsed = report(tmp_path, make_table(kind, classes=classes, patients=patients))
    assert "What was done" in parsed.text
