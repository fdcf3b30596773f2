"""A table of patients with an outcome, and slides: their table, or files named after the patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.errors import CohortError
from histopress.core.location import Url, location
from histopress.data.cohort_checks import Problems
from histopress.data.cohort_columns import COVARIATES, PATH, PATIENT, SLIDE, find_column, need_column, records
from histopress.data.cohort_draft import Draft, Row, joined, placed, some
from histopress.data.cohort_options import CohortOptions
from histopress.data.cohort_outcomes import Outcome, OutcomeReader
from histopress.data.cohort_sources import Layout, Sources
from histopress.data.slide_files import slide_id
from histopress.data.tables import read_text_table

if TYPE_CHECKING:
    import pandas as pd

LAYOUT = Layout()
ABSENT = "no patient of the clinical table"


def read_clinical(sources: Sources, outcome: Outcome, options: CohortOptions) -> Draft:
    """Rows with the outcome, its time in months, and recognised covariates.

    One table may hold both patients and slides. Without a table of slides, a file belongs to the patient
    whose id its name begins with, up to a sign that is no letter or digit.

    Raises:
        CohortError: columns are missing, values are unknown, patients contradict themselves, nothing matches.
    """
    if len(sources.tables) > 2:
        raise CohortError(
            sources.names,
            [f"{len(sources.tables)} tables, expected one of patients and at most one of slides"],
        )
    tables = {path: read_text_table(path) for path in sources.tables}
    clinical = _clinical(tables, outcome, options)
    reader = OutcomeReader.of(tables[clinical], outcome, options, str(clinical))
    patients, excluded = _patients(tables[clinical], reader, str(clinical))
    other = next((path for path in tables if path != clinical), clinical)
    slides = _slides(tables[other], other, options, required=other != clinical)
    if slides is None:
        slides = _named_after(sources, {*patients, *excluded})
    draft = joined(patients, excluded, slides, ABSENT)
    if not draft.rows:
        raise CohortError(
            sources.names,
            [
                f"none of {len(slides)} slides ({some(row['slide'] for row in slides)}) belongs to one of "
                f"{len(patients)} patients with an outcome ({some(patients)}), expected the same ids on both "
                "sides, or file names that begin with them; correct one side"
            ],
        )
    target = outcome.made if outcome.time and reader.time is None else ""
    draft = replace(draft, notes=[_note(reader)], target=target)
    return placed(draft, sources.slides, sources.names)


def _clinical(tables: Mapping[Path, pd.DataFrame], outcome: Outcome, options: CohortOptions) -> Path:
    """The table with the outcome; the first where none or both have it, so that its columns are told."""
    names = (*outcome.names, *outcome.inverted)
    has = [path for path, table in tables.items() if find_column(table.columns, names, options.label)]
    return (has or list(tables))[0]


def _patients(
    table: pd.DataFrame, reader: OutcomeReader, where: str
) -> tuple[dict[str, Row], dict[str, str]]:
    """Patients with an outcome, and why others have none; a patient may stand in many rows that agree."""
    options = reader.options
    patient = need_column(table, "patient", PATIENT, where, asked=options.patient, flag="--patient")
    covariates = _covariates(table, options, {patient, reader.label, reader.time}, where)
    problems = Problems()
    patients: dict[str, Row] = {}
    excluded: dict[str, str] = {}
    first: dict[str, tuple[int, Row, str]] = {}
    for number, cells in records(table):
        row, reason = reader.read(number, cells, problems)
        name = cells[patient]
        if name == "":
            problems.add("no patient", number, f"{patient} is empty, expected an id; fill it in")
            continue
        row |= {made: cells[column] for made, column in covariates.items()} if not reason else {}
        before, known, known_reason = first.setdefault(name, (number, row, reason))
        if (row, reason) != (known, known_reason):
            problems.add(
                "patient twice",
                number,
                f"patient {name!r} differs from row {before} in {_difference(row, known)}, expected one "
                "outcome a patient; correct one, or give two ids if these are two patients",
            )
        if reason:
            excluded[name] = reason
        else:
            patients[name] = row
    problems.raise_if_any(where)
    return patients, excluded


def _difference(row: Row, known: Row) -> str:
    return ", ".join(c for c in {**known, **row} if row.get(c) != known.get(c)) or "what is missing"


def _covariates(
    table: pd.DataFrame, options: CohortOptions, used: set[str | None], where: str
) -> dict[str, str]:
    """Column that is made -> column that is read."""
    found = {made: find_column(table.columns, names) for made, names in COVARIATES.items()}
    known = {made: column for made, column in found.items() if column is not None and column not in used}
    for name in options.covariates:
        known[name] = need_column(table, name, (), where, asked=name)
    return known


def _slides(table: pd.DataFrame, path: Path, options: CohortOptions, *, required: bool) -> list[Row] | None:
    """Rows with patient, slide and, where the table tells, path; None if it is no table of slides."""
    file = find_column(table.columns, PATH)
    slide = find_column(table.columns, SLIDE, options.slide) or file
    if slide is None and (required or options.slide):
        slide = need_column(table, "slide", SLIDE, str(path), asked=options.slide, flag="--slide")
    if slide is None:
        return None
    asked = options.patient if options.patient in table.columns else None
    patient = need_column(table, "patient", PATIENT, str(path), asked=asked, flag="--patient")
    problems, seen = Problems(), dict[str, int]()
    rows: list[Row] = []
    for number, cells in records(table):
        name = slide_id(cells[slide].replace("\\", "/")) if cells[slide] else ""
        if name == "" or name in seen:
            found = f"slide {name!r} stands in row {seen[name]} already" if name else f"{slide} is empty"
            problems.add("slide", number, f"{found}, expected each slide once; correct it")
        seen.setdefault(name, number)
        row = {"patient": cells[patient], "slide": name}
        if file is not None and cells[file]:
            row["path"] = _beside(path, cells[file])
        rows.append(row)
    problems.raise_if_any(str(path))
    return rows


def _beside(table: Path, file: str) -> str:
    found = location(file)
    return file if isinstance(found, Url) else str(table.parent / str(found).replace("\\", "/"))


def _named_after(sources: Sources, patients: set[str]) -> list[Row]:
    if sources.slides is None:
        raise CohortError(
            sources.names,
            ["nothing names slides; add their folder, or a table with the columns patient and slide"],
        )
    names = [slide_id(path) for path in sources.slides]
    return [{"patient": owner(name, patients), "slide": name} for name in dict.fromkeys(names)]


def owner(name: str, patients: set[str]) -> str:
    """The patient whose id a file name begins with: the longest such id, and "" if there is none."""
    ends = [at for at in range(len(name), 0, -1) if at == len(name) or not name[at].isalnum()]
    return next((name[:at] for at in ends if name[:at] in patients), "")


def _note(reader: OutcomeReader) -> str:
    made, label = reader.outcome.made, reader.label
    time = f"; {reader.outcome.time} is {reader.time} in {reader.unit}" if reader.time else ""
    return f"{made} is made of the column {label}{', turned round' if reader.inverted else ''}{time}"
