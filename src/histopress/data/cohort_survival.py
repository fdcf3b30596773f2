"""Survival of TCGA patients: tables with months and censorship, or the GDC's clinical.tsv."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.errors import CohortError
from histopress.data.cohort_checks import Problems
from histopress.data.cohort_columns import code, find_column, in_months, need_column, records
from histopress.data.cohort_draft import Draft, LeftOut, Row, placed
from histopress.data.cohort_gdc import read_gdc
from histopress.data.cohort_sources import Layout, Sources
from histopress.data.slide_files import slide_id
from histopress.data.tables import read_text_table

if TYPE_CHECKING:
    import pandas as pd

LAYOUT = Layout(("tcga_*.csv", "clinical.tsv", "follow_up.tsv", "gdc_manifest*.txt"), r"TCGA-.+")
SEX = {"1": "female", "0": "male", "": ""}
_KIND = re.compile(r"TCGA-\w{2}-\w{4}-\d{2}[A-Z]-\d{2}-([A-Z]{2})")


def read_tcga(sources: Sources) -> Draft:
    """Rows with `os_months`, `dead` (1 or 0), `site` (of the barcode), `age`, `sex`, if known.

    Raises:
        CohortError: the tables are of another layout, contradict themselves, or name no slide that is there.
    """
    tables = {path: read_text_table(path) for path in sources.tables}
    censored = {path: table for path, table in tables.items() if find_column(table.columns, ("censorship",))}
    if not censored:
        return read_gdc(sources, tables)
    if len(censored) < len(tables):
        raise CohortError(
            sources.names,
            ["tables of two layouts, expected one; name tables with censorship, or clinical.tsv"],
        )
    draft = _with_months(censored)
    return placed(draft, sources.slides, sources.names)


def _with_months(tables: dict[Path, pd.DataFrame]) -> Draft:
    """One row a slide: case_id, slide_id, survival_months, censorship (1 = censored)."""
    rows: list[Row] = []
    left_out: list[LeftOut] = []
    slides: dict[str, str] = {}
    first: dict[str, tuple[str, str]] = {}
    for path, table in tables.items():
        problems = Problems()
        for number, row, months, censored in _read_rows(path, table):
            patient, slide = row["patient"], row["slide"]
            place = f"row {number} of {path.name}"
            if slide in slides:
                problems.add(
                    "twice", number, f"slide {slide!r} stands in {slides[slide]} already; remove one"
                )
            slides.setdefault(slide, place)
            if not months or not censored:
                left_out.append(LeftOut(patient, slide, "no survival time or censorship"))
                continue
            outcome = _outcome(months, censored)
            if outcome is None:
                problems.add(
                    "outcome",
                    number,
                    f"survival_months {months!r} and censorship {censored!r}, expected months from 0 up, "
                    "and 0 or 1; correct it",
                )
                continue
            known = first.setdefault(patient, outcome)
            if known != outcome:
                problems.add(
                    "two outcomes", number, f"{patient} has {outcome} here and {known} before; correct one"
                )
            rows.append({**row, "os_months": outcome[0], "dead": outcome[1]})
        problems.raise_if_any(str(path))
    notes = _section_notes([row["slide"] for row in rows])
    if any(find_column(table.columns, ("train",)) for table in tables.values()):
        notes.append("the column train is no official split and is not used")
    return Draft(rows, left_out, notes)


def _outcome(months: str, censored: str) -> tuple[str, str] | None:
    """(months, 1 for a death)."""
    try:
        return (in_months(months, "months"), {"0": "1", "1": "0"}[censored])
    except (KeyError, ValueError):
        return None


def _read_rows(path: Path, table: pd.DataFrame) -> Iterator[tuple[int, Row, str, str]]:
    """Row number, what is known, survival_months and coded censorship."""
    need = [
        need_column(table, name.replace("_", " "), (name,), str(path))
        for name in ("case_id", "slide_id", "survival_months", "censorship")
    ]
    female = find_column(table.columns, ("is_female",))
    extra = {
        name: column
        for name in ("oncotree_code", "age")
        if (column := find_column(table.columns, (name,))) is not None
    }
    for number, cells in records(table):
        patient, slide, months, censored = (cells[c] for c in need)
        row = {"patient": patient, "slide": slide_id(slide), "site": site_of(patient)}
        row |= {name: cells[column] for name, column in extra.items()}
        if female is not None:
            row["sex"] = SEX.get(code(cells[female]), "")
        yield number, row, months, code(censored)


def site_of(patient: str) -> str:
    """The tissue source site in a TCGA barcode: as text, since tables lose the zero of 05."""
    parts = patient.split("-")
    return parts[1] if len(parts) > 2 and parts[0] == "TCGA" else ""


def _section_notes(slides: list[str]) -> list[str]:
    kinds = [found[1] for slide in slides if (found := _KIND.match(slide))]
    frozen = sum(kind != "DX" for kind in kinds)
    return [f"{frozen} of {len(slides)} slides are frozen sections, the rest diagnostic"] if frozen else []
