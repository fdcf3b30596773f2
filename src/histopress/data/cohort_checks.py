"""What can be wrong with a cohort table; every check adds lines, none stops at the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from histopress.core.errors import CohortError
from histopress.core.geometry import PLAUSIBLE_SPACING
from histopress.core.location import location
from histopress.data.tables import is_missing

LINES_A_KIND = 10
PARTS = {
    "train": "train",
    "training": "train",
    "tuning": "tuning",
    "tune": "tuning",
    "val": "tuning",
    "valid": "tuning",
    "validation": "tuning",
    "test": "test",
    "testing": "test",
}
"""Accepted names of a split, in lower case -> the part meant."""


class Problems:
    """Lines about rows, grouped by kind; of each kind the first ten are told in full."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[tuple[int, str]]] = {}

    def add(self, kind: str, row: int, line: str) -> None:
        """Note one problem of a row, as "value found, what was expected; next step"."""
        self._kinds.setdefault(kind, []).append((row, line))

    def lines(self) -> list[str]:
        """All problems, kind by kind."""
        told = []
        for kind, found in self._kinds.items():
            told += [f"row {row}: {line}" for row, line in found[:LINES_A_KIND]]
            rest = [str(row) for row, _ in found[LINES_A_KIND:]]
            if rest:
                shown = ", ".join(rest[:20]) + (", ..." if len(rest) > 20 else "")
                told.append(f"and {len(rest)} more of this kind ({kind}), in rows {shown}")
        return told

    def raise_if_any(self, where: str) -> None:
        """Raise all problems as one CohortError."""
        if self._kinds:
            raise CohortError(where, self.lines())


def check_slides(table: pd.DataFrame, problems: Problems) -> None:
    """Every row names a patient and a slide, no slide stands twice, no two files share an id."""
    seen: dict[str, tuple[int, str]] = {}
    for row, patient, slide, path in _rows(table, "patient", "slide", "path"):
        if patient == "":
            problems.add("no patient", row, "patient is empty, expected an id; fill it in or delete the row")
        if slide == "":
            problems.add(
                "no slide", row, "slide is empty, expected a file or an id; fill it in or delete the row"
            )
        elif slide not in seen:
            seen[slide] = (row, path)
        elif seen[slide][1] == path:
            problems.add(
                "slide twice",
                row,
                f"slide {path or slide!r} stands in row {seen[slide][0]} already, expected each slide once; "
                "delete one of the rows",
            )
        else:
            problems.add(
                "same id",
                row,
                f"{path or slide!r} and {seen[slide][1] or slide!r} in row {seen[slide][0]} share the id "
                f"{slide!r}, expected file names that differ; rename one file",
            )


def check_labels(table: pd.DataFrame, target: str, classes: Sequence[str] | None, problems: Problems) -> None:
    """Finite labels, of known classes, one a patient."""
    first: dict[str, tuple[int, Any]] = {}
    for row, patient, label in _rows(table, "patient", target):
        if _is_empty(label):
            continue
        if isinstance(label, float) and not np.isfinite(label):
            problems.add("infinite", row, f"{target} is {label}, expected a finite number; correct it")
        if classes is not None and str(label) not in classes:
            expected = ", ".join(map(repr, classes))
            problems.add(
                "unknown class", row, f"{target} is {str(label)!r}, expected one of {expected}; correct it"
            )
        before, known = first.setdefault(patient, (row, label))
        if known != label and patient != "":
            problems.add(
                "two labels",
                row,
                f"patient {patient!r} has {target} {label!r} here and {known!r} in row {before}, "
                "expected one label a patient; correct one, or give two ids if these are two patients",
            )


def check_parts(table: pd.DataFrame, problems: Problems) -> pd.Series[str]:
    """The `split` column with each name brought to train, tuning or test; one a patient."""
    parts: list[str] = []
    first: dict[str, tuple[int, str]] = {}
    for row, patient, written in _rows(table, "patient", "split"):
        part = PARTS.get(written.lower(), "")
        parts.append(part)
        if part == "":
            problems.add(
                "unknown split", row, f"split is {written!r}, expected train, tuning or test; correct it"
            )
            continue
        before, known = first.setdefault(patient, (row, part))
        if known != part and patient != "":
            problems.add(
                "two splits",
                row,
                f"patient {patient!r} is in {part!r} here and in {known!r} in row {before}, "
                "expected one split a patient; move all rows of the patient to one",
            )
    return pd.Series(parts, index=table.index, dtype=str)


def check_spacings(column: pd.Series[str], problems: Problems) -> pd.Series[float]:
    """The `spacing` column as um/px; NaN where a row gives none."""
    low, high = PLAUSIBLE_SPACING
    spacings = pd.to_numeric(column, errors="coerce").astype(np.float64)
    for row, written, spacing in zip(column.index, column, spacings, strict=True):
        if not is_missing(written) and not low <= spacing <= high:
            problems.add(
                "spacing",
                row,
                f"spacing is {written!r}, expected {low:g} to {high:g} um/px; correct it, "
                "or leave it empty where the file states it",
            )
    return spacings


def check_files_exist(table: pd.DataFrame, problems: Problems) -> None:
    """Every slide names a file that is there, and so does every mask that is given."""
    for row, slide, path in _rows(table, "slide", "path"):
        if path == "" and slide != "":
            problems.add(
                "no file", row, f"slide {slide!r} is an id without a file, expected a path; add the path"
            )
    for kind in [k for k in ("path", "mask") if k in table]:
        for row, path in _rows(table, kind):
            if path != "" and not location(path).exists():
                problems.add(
                    f"missing {'slide' if kind == 'path' else kind}",
                    row,
                    f"{path} is not there, expected paths relative to the table's folder; correct it",
                )


def check_labelled(rows: pd.DataFrame, groups: Sequence[Sequence[str]], problems: Problems) -> None:
    """Rows that have no label.

    Args:
        rows: those without one.
        groups: columns of every target.
        problems: gets a line for each.
    """
    columns = list(dict.fromkeys(column for group in groups for column in group))
    for row, *cells in _rows(rows, *columns):
        found = ", ".join(f"{c} is {cell!r}" for c, cell in zip(columns, cells, strict=True))
        problems.add("no label", row, f"{found}, expected a label; fill it in, or drop slides without one")


def _is_empty(label: Any) -> bool:
    return bool(label == "" or pd.isna(label))


def _rows(table: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """(row number, value, value, ...) of every row."""
    return list(zip(table.index.tolist(), *(table[c].tolist() for c in columns), strict=True))
