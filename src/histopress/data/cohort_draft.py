"""A cohort in the making: rows a slide, what was left out and why, and what a reader should know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from histopress.core.errors import CohortError
from histopress.data.slide_files import slide_id

Row = dict[str, str]
"""One slide: column -> text; `patient` and `slide` always, `path` ("" or a file) once slides are placed."""

SHOWN = 3


@dataclass(frozen=True)
class LeftOut:
    """A slide, or a patient without one ("" as slide), that the files name and the cohort does not hold."""

    patient: str
    slide: str
    reason: str


@dataclass(frozen=True)
class FlowStep:
    """One line of how the cohort shrank."""

    step: str
    patients: int
    slides: int
    reason: str = ""


@dataclass(frozen=True)
class Draft:
    """What a reader of official files made of them.

    Attributes:
        rows: one a slide.
        left_out: everything else the files name.
        notes: in words, what to know about the files.
        target: what can be learned from them, where that is not what the recipe says.
    """

    rows: list[Row]
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    target: str = ""

    def flow(self) -> list[FlowStep]:
        """All that the files name, what was left out by reason, and what remains.

        A patient counts where the last of the patient's slides was lost.
        """
        kept = {row["patient"] for row in self.rows}
        last = {out.patient: out.reason for out in self.left_out if out.patient not in kept | {""}}
        lost: dict[str, tuple[int, int]] = {}
        for reason in dict.fromkeys(out.reason for out in self.left_out):
            slides = sum(out.reason == reason and out.slide != "" for out in self.left_out)
            lost[reason] = (sum(r == reason for r in last.values()), slides)
        patients, slides = len(kept), len(self.rows)
        everyone = (patients + sum(p for p, _ in lost.values()), slides + sum(s for _, s in lost.values()))
        return [
            FlowStep("in the files", *everyone),
            *(FlowStep("left out", *counts, reason) for reason, counts in lost.items()),
            FlowStep("in the cohort", patients, slides),
        ]


def placed(draft: Draft, files: tuple[Path, ...] | None, where: str) -> Draft:
    """Every row with its file; rows without one, and files without a row, are left out.

    Args:
        draft: rows that name a `path` keep it.
        files: slides that are there; None where only tables were given, so that rows stay without a file.
        where: for messages.

    Raises:
        CohortError: no id of the table is that of a file, or two files have the id of one row.
    """
    if files is None:
        return replace(draft, rows=[{**row, "path": row.get("path", "")} for row in draft.rows])
    known = _by_id(files)
    wanted = {row["slide"] for row in draft.rows} | {out.slide for out in draft.left_out}
    searched = [row for row in draft.rows if not row.get("path")]
    _check_matches(searched, known, where)
    rows, lost = [], []
    for row in draft.rows:
        found = known.get(row["slide"])
        if row.get("path") or found:
            rows.append({**row, "path": row.get("path") or str(found[0] if found else "")})
        else:
            lost.append(LeftOut(row["patient"], row["slide"], "no file of this slide in the folders"))
    strays = [LeftOut("", name, "file that no table names") for name in sorted(set(known) - wanted)]
    return replace(draft, rows=rows, left_out=[*draft.left_out, *lost, *strays])


def _by_id(files: Iterable[Path]) -> dict[str, list[Path]]:
    known = defaultdict(list)
    for file in files:
        known[slide_id(file)].append(file)
    return known


def _check_matches(rows: list[Row], known: Mapping[str, list[Path]], where: str) -> None:
    ids = list(dict.fromkeys(row["slide"] for row in rows))
    if ids and not any(name in known for name in ids):
        raise CohortError(
            where,
            [
                f"none of its {len(ids)} slides ({some(ids)}) is among the {len(known)} files "
                f"({some(sorted(known)) or 'none'}), expected file names that are ids; "
                "check that table and folder belong together"
            ],
        )
    twice = [
        f"slide {name!r} is {' and '.join(map(str, known[name]))}, expected one file; name one folder"
        for name in ids
        if len(known.get(name, ())) > 1
    ]
    if twice:
        raise CohortError(where, twice[:10])


def joined(
    patients: Mapping[str, Row], excluded: Mapping[str, str], slides: Iterable[Row], absent: str
) -> Draft:
    """Rows a slide from what is known of patients.

    Args:
        patients: id -> label and covariates.
        excluded: id of a patient without a label -> reason.
        slides: rows with `patient` ("" where no patient of the table is meant), `slide`, perhaps `path`.
        absent: reason for slides of patients that the table does not name.
    """
    rows, left_out, seen = [], [], set()
    for slide in slides:
        patient = slide["patient"]
        seen.add(patient)
        if patient in excluded:
            left_out.append(LeftOut(patient, slide["slide"], excluded[patient]))
        elif patient in patients:
            rows.append({**slide, **patients[patient]})
        else:
            left_out.append(LeftOut(patient, slide["slide"], absent))
    for patient in [*excluded, *patients]:
        if patient not in seen:
            left_out.append(LeftOut(patient, "", excluded.get(patient, "no slide of this patient")))
    return Draft(rows, left_out)


def some(names: Iterable[str]) -> str:
    """The first few of many names."""
    listed = list(names)
    return ", ".join(map(repr, listed[:SHOWN])) + (", ..." if len(listed) > SHOWN else "")
