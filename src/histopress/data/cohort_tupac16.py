"""TUPAC16: the ground truth of the training slides -> rows with their molecular proliferation score."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from histopress.core.errors import CohortError
from histopress.data.cohort_draft import Draft, LeftOut, Row, placed
from histopress.data.cohort_sources import Layout, Sources
from histopress.data.tables import is_missing

LAYOUT = Layout(("training_ground_truth.csv", "ground_truth.csv"), r"TUPAC-TR-\d{3}")
OFFICIAL = 500
"""Training slides."""


def read_tupac16(sources: Sources) -> Draft:
    """Rows in the order of the file: the first is slide TUPAC-TR-001, each slide a patient.

    Columns made: `proliferation` (molecular score), `mitotic_score` (1 to 3).

    Raises:
        CohortError: the file has a header, another number of columns, or more rows than there are slides.
    """
    table = sources.one_table()
    lines = _lines(table)
    problems: list[str] = []
    rows: list[Row] = []
    left_out: list[LeftOut] = []
    for number, cells in enumerate(lines, start=1):
        slide = f"TUPAC-TR-{number:03d}"
        problem = _problem(number, cells)
        if problem:
            problems.append(problem)
        elif is_missing(cells[1]):
            left_out.append(LeftOut(slide, slide, "no molecular score"))
        else:
            rows.append(
                {"patient": slide, "slide": slide, "proliferation": cells[1], "mitotic_score": cells[0]}
            )
    if not 0 < len(lines) <= OFFICIAL:
        problems.insert(0, f"{len(lines)} rows, expected one for each of {OFFICIAL} training slides")
    if problems:
        rest = [f"... and {len(problems) - 10} more"] if len(problems) > 10 else []
        raise CohortError(
            str(table), [*problems[:10], *rest, "expected the official file: no header, two columns"]
        )
    notes = []
    if len(lines) < OFFICIAL:
        notes.append(f"{len(lines)} of {OFFICIAL} rows: right only if no row before the last one was removed")
    return placed(Draft(rows, left_out, notes), sources.slides, str(table))


def _lines(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CohortError(str(path), ["not a text file; name training_ground_truth.csv"]) from error
    return [
        [cell.strip() for cell in cells]
        for cells in csv.reader(io.StringIO(text, newline=""))
        if any(cell.strip() for cell in cells)
    ]


def _problem(row: int, cells: list[str]) -> str:
    """What is wrong with one row, or ""."""
    if len(cells) != 2:
        return f"row {row}: {len(cells)} columns, expected 2 (mitotic score, molecular score)"
    mitotic, molecular = cells
    if not is_missing(mitotic) and mitotic not in ("1", "2", "3"):
        return f"row {row}: mitotic score {mitotic!r}, expected 1, 2 or 3"
    try:
        finite = is_missing(molecular) or math.isfinite(float(molecular))
    except ValueError:
        finite = False
    return "" if finite else f"row {row}: molecular score {molecular!r}, expected a number"
