"""The GDC's clinical.tsv, of old and new portals, and slides that are known by their barcodes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.errors import CohortError
from histopress.data.cohort_columns import find_column, in_months, need_column, plain, records
from histopress.data.cohort_draft import Draft, LeftOut, Row, joined, placed
from histopress.data.cohort_sources import Sources
from histopress.data.slide_files import SUFFIXES, slide_id

if TYPE_CHECKING:
    import pandas as pd

CASE = ("case_submitter_id", "cases_submitter_id")
VITAL = ("vital_status", "demographic_vital_status")
DEATH = ("days_to_death", "demographic_days_to_death")
LAST = ("days_to_last_follow_up", "diagnoses_days_to_last_follow_up")
FOLLOWED = ("days_to_follow_up", "follow_ups_days_to_follow_up")
COVARIATES = {
    "age": ("age_at_index", "demographic_age_at_index"),
    "sex": ("sex_at_birth", "demographic_sex_at_birth", "gender", "demographic_gender"),
    "stage": (
        "ajcc_pathologic_stage",
        "diagnoses_ajcc_pathologic_stage",
        "figo_stage",
        "diagnoses_figo_stage",
    ),
    "project": ("project_id", "project_project_id"),
}
UNSTATED = {"", "'--", "--", "not reported", "unknown"}
_BARCODE = re.compile(r"(TCGA-\w{2}-\w{4})-\d{2}[A-Z]-\d{2}-([A-Z]{2})")

Cases = dict[str, dict[str, set[str]]]
"""Case -> column -> all its different values."""


def read_gdc(sources: Sources, tables: dict[Path, pd.DataFrame]) -> Draft:
    """Overall survival of cases, joined to diagnostic slides (DX) by barcode.

    A dead case has `days_to_death`; one alive the latest day in `days_to_last_follow_up`, or in follow_up.tsv
    if that is given. The table has several rows a case, one a diagnosis or treatment.

    Raises:
        CohortError: no table has a vital status, or nothing names the slides.
    """
    clinical = {path: t for path, t in tables.items() if find_column(t.columns, VITAL)}
    if not clinical:
        raise CohortError(
            sources.names,
            ["no table has the column censorship or vital_status, expected clinical.tsv of the GDC, or one "
             "with survival_months and censorship; name one"],
        )  # fmt: skip
    cases: Cases = defaultdict(lambda: defaultdict(set))
    for path, table in tables.items():
        if path in clinical or find_column(table.columns, FOLLOWED):
            _gather(cases, table, str(path))
    patients, excluded = _outcomes(cases)
    slides, frozen, inside = _slides(sources, tables)
    draft = joined(patients, excluded, slides, "not in clinical.tsv")
    if not draft.rows:
        raise CohortError(
            sources.names,
            [f"none of {len(slides)} diagnostic slides belongs to one of {len(patients)} cases with survival,"
             " expected files that begin with the barcode of a case; check that table and folder fit"],
        )  # fmt: skip
    draft.left_out.extend(frozen)
    return placed(draft, sources.slides if inside else None, sources.names)


def _gather(cases: Cases, table: pd.DataFrame, where: str) -> None:
    case = need_column(table, "case", CASE, where)
    wanted = {"vital": VITAL, "death": DEATH, "last": LAST, "followed": FOLLOWED, **COVARIATES}
    columns = {name: found for name, names in wanted.items() if (found := find_column(table.columns, names))}
    for _, row in records(table):
        known = cases[row[case]]
        for name, column in columns.items():
            cell = row[column]
            if cell.lower() not in UNSTATED:
                known[name].add(cell)


def _outcomes(cases: Cases) -> tuple[dict[str, Row], dict[str, str]]:
    """Cases with survival, and why others have none."""
    patients: dict[str, Row] = {}
    excluded: dict[str, str] = {}
    for case, known in cases.items():
        vital = {value.lower() for value in known["vital"]}
        days = _days(known["death"]) if vital == {"dead"} else _days(known["last"] | known["followed"])
        if len(vital) != 1 or not vital <= {"dead", "alive"}:
            excluded[case] = "vital status not stated, or stated differently"
        elif not days:
            excluded[case] = "dead without a day of death" if vital == {"dead"} else "alive without follow-up"
        elif max(days) < 0:
            excluded[case] = "time before the diagnosis"
        else:
            row = {name: " or ".join(sorted(known[name])) for name in COVARIATES if known[name]}
            months = in_months(str(max(days)), "days")
            outcome = {"os_months": months, "dead": str(int(vital == {"dead"}))}
            patients[case] = {"site": case.split("-")[1] if case.count("-") > 1 else "", **row, **outcome}
    return patients, excluded


def _days(cells: set[str]) -> list[float]:
    return [float(cell) for cell in cells if re.fullmatch(r"-?\d+(\.\d+)?", cell)]


def _slides(sources: Sources, tables: dict[Path, pd.DataFrame]) -> tuple[list[Row], list[LeftOut], bool]:
    """Diagnostic slides, frozen ones, and whether they are files that are there."""
    names = [path.name for path in sources.slides or ()] or _listed(list(tables.values()))
    if not names:
        raise CohortError(
            sources.names,
            ["nothing names slides; name the folder they are in, or the manifest of the GDC they come from"],
        )
    rows: list[Row] = []
    frozen: list[LeftOut] = []
    for name in dict.fromkeys(slide_id(name) for name in names):
        found = _BARCODE.match(name)
        patient, kind = (found[1], found[2]) if found else ("", "DX")
        if kind == "DX":
            rows.append({"patient": patient, "slide": name})
        else:
            frozen.append(LeftOut(patient, name, "frozen section, not a diagnostic slide"))
    return rows, frozen, sources.slides is not None


def _listed(tables: Sequence[pd.DataFrame]) -> list[str]:
    """Names of slides in a manifest or sample sheet."""
    listed = []
    for table in tables:
        column = next((c for c in table.columns if plain(c) in ("filename", "file_name")), None)
        if column is not None:
            listed += [name for name in table[column] if Path(name).suffix.lower() in SUFFIXES]
    return listed
