"""The verb `cohort`: official files, as they are downloaded -> the table that `compress` and `train` read."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from histopress.core.errors import CohortError, RecipeError
from histopress.core.files import whole, write_whole
from histopress.data.cohort_draft import Draft, FlowStep, LeftOut, Row
from histopress.data.cohort_options import CohortOptions
from histopress.data.cohort_sources import Layout, Sources, find_sources
from histopress.data.task_recipes import read_task_recipe, task_names

Reader = Callable[[Sources, CohortOptions], Draft]

FIRST = ("patient", "slide", "path", "site", "split")
"""Columns that stand first, where there are any of that name."""


@dataclass(frozen=True)
class CohortSummary:
    """What came of it.

    Attributes:
        recipe: name of the task.
        cohort: the table.
        left_out: the table beside it with what the files name and the cohort does not hold, and why.
        target: what `train` is told to learn.
        patients: in the cohort.
        slides: in the cohort.
        values: labels -> patients, where there are only a few.
        flow: how the cohort shrank.
        notes: on the files.
    """

    recipe: str
    cohort: Path
    left_out: Path
    target: str
    patients: int
    slides: int
    values: dict[str, dict[str, int]]
    flow: tuple[FlowStep, ...]
    notes: tuple[str, ...]

    @property
    def text(self) -> str:
        """A few words for people."""
        lines = [f"{self.recipe}: {self.slides} slides of {self.patients} patients in {self.cohort}"]
        for column, counts in self.values.items():
            told = ", ".join(f"{value or 'not stated'} {count}" for value, count in counts.items())
            lines.append(f"{column}: {told} (patients)")
        lines += [
            f"{step.step}: {step.patients} patients, {step.slides} slides"
            + (f" ({step.reason})" if step.reason else "")
            for step in self.flow
        ]
        lines += [f"note: {note}" for note in self.notes]
        if len(self.flow) > 2:
            lines.append(f"what was left out is in {self.left_out}")
        return "\n".join([*lines, f"next: train with --target '{self.target}'"])


def make_cohort(
    name: str, paths: Sequence[Path], output: Path, options: CohortOptions | None = None
) -> CohortSummary:
    """Turn the files of a task into a cohort table, checked; tell what was left out and why.

    Beside `output` lies a table of what was left out (patient, slide, reason), NAME.left_out.csv.

    Args:
        name: of the task, one of `task_names()`.
        paths: tables, slides, and folders that are searched for both.
        output: CSV file to write; slides below its folder are named relative to it.
        options: for clinical tables of one's own.

    Raises:
        RecipeError: there is no such task, or it takes no options.
        CohortError: the files are not what they should be.
    """
    options = options or CohortOptions()
    layout, reader = _recipe(name, options)
    sources = find_sources(paths, layout)
    if output.resolve() in {table.resolve() for table in sources.tables}:
        raise CohortError(
            str(output), ["this is one of the files given, expected a new one; name another -o"]
        )
    draft = reader(sources, options)
    if not draft.rows:
        raise CohortError(sources.names, ["no slide with a label, expected some; see what the file holds"])
    left_out = output.with_name(f"{output.stem}.left_out.csv")
    _write(draft.rows, output)
    write_whole(left_out, _left_out_table(draft.left_out))
    return CohortSummary(
        recipe=name,
        cohort=output,
        left_out=left_out,
        target=draft.target or read_task_recipe(name).task.target,
        patients=len({row["patient"] for row in draft.rows}),
        slides=len(draft.rows),
        values=_values(draft.rows),
        flow=tuple(draft.flow()),
        notes=tuple(draft.notes),
    )


def _recipe(name: str, options: CohortOptions) -> tuple[Layout, Reader]:
    from histopress.data import cohort_camelyon16, cohort_panda, cohort_survival, cohort_tupac16

    official: dict[str, tuple[Layout, Callable[[Sources], Draft]]] = {
        "camelyon16": (cohort_camelyon16.LAYOUT, cohort_camelyon16.read_camelyon16),
        "panda": (cohort_panda.LAYOUT, cohort_panda.read_panda),
        "tcga-survival": (cohort_survival.LAYOUT, cohort_survival.read_tcga),
        "tupac16": (cohort_tupac16.LAYOUT, cohort_tupac16.read_tupac16),
    }
    if name in official:
        if options != CohortOptions():
            raise RecipeError(f"{name} takes the official files as they are; leave out options about columns")
        layout, read = official[name]
        return layout, lambda sources, _: read(sources)
    return _clinical(name)


def _clinical(name: str) -> tuple[Layout, Reader]:
    from histopress.data import cohort_clinical, cohort_outcomes

    outcomes = {
        "clm-growth-pattern": cohort_outcomes.GROWTH,
        "overall-survival": cohort_outcomes.SURVIVAL,
        "recurrence": cohort_outcomes.RECURRENCE,
        "treatment-response": cohort_outcomes.RESPONSE,
    }
    if name not in outcomes:
        raise RecipeError(f"there is no cohort recipe {name!r}, expected one of {', '.join(task_names())}")
    outcome = outcomes[name]
    return cohort_clinical.LAYOUT, lambda sources, options: cohort_clinical.read_clinical(
        sources, outcome, options
    )


def _write(rows: list[Row], output: Path) -> None:
    """The table, once it can be read as a cohort."""
    from histopress.data.cohort import read_cohort

    found = dict.fromkeys(column for row in rows for column in row)
    columns = [*(c for c in FIRST if c in found), *(c for c in found if c not in FIRST)]
    folder = output.parent.resolve()
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "path": _below(folder, row.get("path", ""))} for row in rows)
    with whole(output) as partial:
        partial.write_text(text.getvalue(), encoding="utf-8")
        try:
            read_cohort(partial)
        except CohortError as error:
            raise CohortError(f"{output}, not written", error.problems) from error


def _below(folder: Path, path: str) -> str:
    """A path as the table names it: relative where the slide lies below its folder."""
    if path == "" or "://" in path:
        return path
    full = Path(os.path.abspath(path))  # noqa: PTH100  # links stay links
    return full.relative_to(folder).as_posix() if full.is_relative_to(folder) else str(full)


def _left_out_table(left_out: Sequence[LeftOut]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["patient", "slide", "reason"])
    writer.writerows([out.patient, out.slide, out.reason] for out in left_out)
    return text.getvalue()


def _values(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Column -> value -> patients, of columns with a few values."""
    known = {row["patient"]: row for row in rows}
    columns = dict.fromkeys(c for row in rows for c in row if c not in ("patient", "slide", "path"))
    counts = {c: Counter(row.get(c, "") for row in known.values()) for c in columns}
    return {c: dict(sorted(found.items())) for c, found in counts.items() if 1 < len(found) <= 6}
