"""Columns of clinical tables: which is which, yes or no, and times in months."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from histopress.core.errors import CohortError
from histopress.data.cohort import COLUMNS
from histopress.data.cohort_options import TimeUnit
from histopress.data.tables import is_missing

if TYPE_CHECKING:
    import pandas as pd

MONTH = 365.25 / 12
"""Days."""

MONTHS: dict[TimeUnit, float] = {"days": 1 / MONTH, "months": 1.0, "years": 12.0}
"""Unit -> months."""

UNIT_WORDS: dict[str, TimeUnit] = {
    **dict.fromkeys(("day", "days"), "days"),
    **dict.fromkeys(("month", "months", "mo", "mos", "mth", "mths"), "months"),
    **dict.fromkeys(("year", "years", "yr", "yrs"), "years"),
}

PATIENT = (*COLUMNS["patient"], "case_submitter_id", "cases_submitter_id", "bcr_patient_barcode")
SLIDE = (*COLUMNS["slide"], "file", "file_name", "filename")
PATH = tuple(name for name in COLUMNS["path"] if name not in SLIDE)
COVARIATES: dict[str, tuple[str, ...]] = {
    "site": COLUMNS["site"],
    "split": COLUMNS["split"],
    "age": ("age", "age_at_diagnosis_years", "age_at_index", "age_at_surgery", "age_years"),
    "sex": ("sex", "gender", "sex_at_birth"),
    "stage": (
        "stage",
        "tumour_stage",
        "tumor_stage",
        "pathologic_stage",
        "ajcc_pathologic_stage",
        "tnm_stage",
    ),
}
"""What is carried along -> recognised names."""

_CODED = re.compile(r"([01])\s*:.*")
"""How cBioPortal writes an event: "1:DECEASED"."""


def plain(name: str) -> str:
    """A column name without case, blanks and signs."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def find_column(columns: Iterable[str], names: Sequence[str], asked: str | None = None) -> str | None:
    """The column that is asked for, or else the one with the first of the recognised names."""
    present = list(columns)
    if asked is not None:
        return asked if asked in present else None
    known = {plain(column): column for column in reversed(present)}
    return next((known[name] for name in names if name in known), None)


def need_column(
    table: pd.DataFrame,
    what: str,
    names: Sequence[str],
    where: str,
    *,
    asked: str | None = None,
    flag: str = "",
) -> str:
    """The same, and a problem if there is none.

    Raises:
        CohortError: with the columns that there are, and how to name the right one.
    """
    found = find_column(table.columns, names, asked)
    if found is not None:
        return found
    has = ", ".join(map(str, table.columns))
    if asked is not None:
        near = get_close_matches(asked, list(table.columns), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "check the name, case matters"
        raise CohortError(where, [f"no column {asked!r}: found {has}; {hint}"])
    remedy = f"name it with {flag} COLUMN" if flag else "check that this is the official file"
    raise CohortError(
        where, [f"no column tells the {what}: found {has}; expected one of {', '.join(names)}; {remedy}"]
    )


def records(table: pd.DataFrame) -> Iterator[tuple[int, dict[str, str]]]:
    """Every row as its number in the spreadsheet, and column -> cell."""
    names = [str(column) for column in table.columns]
    for number, cells in zip(table.index, table.to_numpy().tolist(), strict=True):
        yield int(number), dict(zip(names, map(str, cells), strict=True))


def unit_of(column: str) -> TimeUnit | None:
    """The unit of time in the name of a column, if it holds just one."""
    units = {UNIT_WORDS[word] for word in plain(column).split("_") if word in UNIT_WORDS}
    return units.pop() if len(units) == 1 else None


def in_months(cell: str, unit: TimeUnit) -> str:
    """A time in months, as text; months stay as they are written.

    Raises:
        ValueError: it is no number, negative or infinite.
    """
    value = float(cell)
    if not math.isfinite(value) or value < 0:
        raise ValueError(cell)
    return cell if unit == "months" else f"{value * MONTHS[unit]:.4f}".rstrip("0").rstrip(".")


def code(cell: str) -> str:
    """A cell as it is compared: lower case, "1.0" and "1:DECEASED" as "1", "" where there is none."""
    text = cell.strip().lower()
    if is_missing(text):
        return ""
    coded = _CODED.fullmatch(text)
    if coded:
        return coded[1]
    return text[:-2] if re.fullmatch(r"-?\d+\.0", text) else text
