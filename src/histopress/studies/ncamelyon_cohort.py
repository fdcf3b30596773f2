"""Cohort table -> annotated slides in parts by site, none of a patient on two sides."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from histopress.core.errors import CohortError
from histopress.core.files import quick_hash
from histopress.core.location import Url, location
from histopress.data.cohort import read_cohort
from histopress.data.tables import is_missing
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe
from histopress.studies.pictures import PARTS, Part


@dataclass(frozen=True)
class Case:
    """A slide with what is drawn on it.

    Attributes:
        slide: id.
        patient: whose it is.
        site: value of the column that tells the part.
        part: the side it is on.
        path: of the slide.
        annotation: path of the file with its lesions, "" for a slide without any.
        spacing: um/px of level 0, where the table gives it.
    """

    slide: str
    patient: str
    site: str
    part: Part
    path: str
    annotation: str
    spacing: float | None

    @property
    def marks(self) -> list[str | int]:
        """What shapes its crops: names, the length of its file and a fingerprint of its annotation."""
        drawn = quick_hash(Path(self.annotation)) if Path(self.annotation).is_file() else self.annotation
        return [self.slide, self.patient, self.site, self.part, _length(self.path), drawn, str(self.spacing)]


@dataclass(frozen=True)
class Cases:
    """The slides of a study.

    Attributes:
        items: sorted by slide.
        left_out: why -> how many slides.
    """

    items: tuple[Case, ...]
    left_out: dict[str, int]


def read_cases(recipe: NcamelyonRecipe) -> Cases:
    """The slides of all parts.

    Raises:
        CohortError: columns or files are missing, no slide is in any part, or a patient is in two.
    """
    table = read_cohort(recipe.cohort).table
    _check_columns(table, recipe)
    parts = {value: part for part in PARTS for value in recipe.values_of(part)}
    left_out: Counter[str] = Counter()
    cases = []
    for row in table.to_dict("records"):
        case = _case(row, parts, recipe)
        reason = _reason(case, row, recipe)
        if reason or case is None:
            left_out[reason] += 1
        else:
            cases.append(case)
    _check(cases, table, recipe)
    return Cases(tuple(sorted(cases, key=lambda case: case.slide)), dict(sorted(left_out.items())))


def _check_columns(table: pd.DataFrame, recipe: NcamelyonRecipe) -> None:
    wanted = {"by": recipe.by, "annotation": recipe.annotation} | (
        {"label": recipe.label} if recipe.label else {}
    )
    problems = [
        f"no column {column!r}: found {', '.join(map(str, table))}; add it, or name another in `{setting}`"
        for setting, column in wanted.items()
        if column not in table
    ]
    if problems:
        raise CohortError(str(recipe.cohort), problems)


def _case(row: dict[Any, Any], parts: dict[str, Part], recipe: NcamelyonRecipe) -> Case | None:
    site = _text(row[recipe.by])
    if site not in parts:
        return None
    spacing = float(row.get("spacing", math.nan))
    drawn = _text(row[recipe.annotation])
    return Case(
        slide=row["slide"],
        patient=row["patient"],
        site=site,
        part=parts[site],
        path=row["path"],
        annotation=str(recipe.cohort.parent / drawn.replace("\\", "/")) if drawn else "",
        spacing=None if math.isnan(spacing) else spacing,
    )


def _text(cell: Any) -> str:
    """A cell of any type, "" for none."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if is_missing(str(cell)) else str(cell)


def _reason(case: Case | None, row: dict[Any, Any], recipe: NcamelyonRecipe) -> str:
    """Why a slide is left out, or ""."""
    if case is None:
        return f"{recipe.by} is of no part"
    if recipe.label and not case.annotation and _text(row[recipe.label]) not in recipe.negative:
        return f"neither annotated nor {' or '.join(recipe.negative)} by {recipe.label}"
    return ""


def _check(cases: Sequence[Case], table: pd.DataFrame, recipe: NcamelyonRecipe) -> None:
    """There are slides, with files; no patient is on two sides."""
    if not cases:
        found = ", ".join(sorted({_text(value) or "nothing" for value in table[recipe.by]}))
        asked = ", ".join(value for part in PARTS for value in recipe.values_of(part))
        raise CohortError(
            str(recipe.cohort),
            [
                f"no slide is of any part: {recipe.by} is {found}, asked for {asked}; change `train`, "
                "`tuning` and `test`"
            ],
        )
    problems = [
        f"slide {case.slide!r} names no file, expected a path; add it" for case in cases if not case.path
    ]
    sides: dict[str, set[str]] = {}
    for case in cases:
        sides.setdefault(case.patient, set()).add(case.part)
    problems += [
        f"patient {patient!r} is in {' and '.join(sorted(on))}, expected one part; leave the patient out, or "
        f"give all slides of the patient one {recipe.by}"
        for patient, on in sides.items()
        if len(on) > 1
    ]
    if problems:
        raise CohortError(str(recipe.cohort), problems)


def _length(path: str) -> int:
    """Bytes of a file, -1 for none: then planning says what is wrong."""
    file = location(path)
    if isinstance(file, Url):
        return file.size() if file.exists() else -1
    return file.stat().st_size if file.is_file() else -1
