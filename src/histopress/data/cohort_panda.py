"""PANDA: Kaggle's train.csv -> rows with their ISUP grade."""

from __future__ import annotations

from histopress.data.cohort_checks import Problems
from histopress.data.cohort_columns import need_column, records
from histopress.data.cohort_draft import Draft, LeftOut, Row, placed
from histopress.data.cohort_sources import Layout, Sources
from histopress.data.tables import read_text_table

LAYOUT = Layout(("train.csv",), r"[0-9a-f]{32}")
ISUP = (
    {"negative": "0", "0+0": "0", "3+3": "1", "3+4": "2", "4+3": "3"}
    | dict.fromkeys(("4+4", "3+5", "5+3"), "4")
    | dict.fromkeys(("4+5", "5+4", "5+5"), "5")
)
"""Gleason score -> ISUP grade."""


def read_panda(sources: Sources) -> Draft:
    """One row a slide, each its own patient; slides whose grade contradicts their Gleason score are left out.

    Columns made: `isup_grade` (0 to 5), `gleason_score`, `site` (the data provider).

    Raises:
        CohortError: a column is missing, a slide stands twice, a grade or score is unknown.
    """
    path = sources.one_table()
    table = read_text_table(path)
    names = ("image_id", "data_provider", "isup_grade", "gleason_score")
    columns = [need_column(table, name.replace("_", " "), (name,), str(path)) for name in names]
    problems, seen = Problems(), dict[str, int]()
    rows: list[Row] = []
    left_out: list[LeftOut] = []
    for number, cells in records(table):
        slide, provider, grade, gleason = (cells[column] for column in columns)
        if slide in seen:
            problems.add(
                "twice", number, f"image_id {slide!r} stands in row {seen[slide]} already; remove one"
            )
        seen.setdefault(slide, number)
        if grade not in set(ISUP.values()):
            problems.add("grade", number, f"isup_grade is {grade!r}, expected 0 to 5; use the official file")
        elif gleason not in ISUP:
            problems.add(
                "gleason",
                number,
                f"gleason_score is {gleason!r}, expected one of {', '.join(ISUP)}; correct it",
            )
        elif ISUP[gleason] != grade:
            left_out.append(LeftOut(slide, slide, "the grade contradicts the Gleason score"))
        else:
            row = {"patient": slide, "slide": slide, "site": provider, "isup_grade": grade}
            rows.append({**row, "gleason_score": gleason})
    problems.raise_if_any(str(path))
    return placed(Draft(rows, left_out), sources.slides, str(path))
