"""Cohort flow: how many patients and slides there were, how many were left out, and why."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

import pandas as pd

from histopress.core.errors import PredictionsError

LEFT_OUT = "left out"
IN_TABLE = "in the predictions table"
COLUMNS = ("step", "patients", "slides", "reason")
WIDTH, BOX, GAP = 400, 176, 26
LETTERS = 27
"""Letters on a line of a box."""


@dataclass(frozen=True)
class FlowStep:
    """A step: who is there, or who was left out and why; None for what is not known."""

    step: str
    patients: int | None
    slides: int | None
    reason: str = ""

    @property
    def out(self) -> bool:
        """Whether these were left out."""
        return self.step.strip().lower().startswith(LEFT_OUT)

    @property
    def plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"step": self.step, "patients": self.patients, "slides": self.slides, "reason": self.reason}

    @property
    def size(self) -> str:
        """How many, in words."""
        counted = ((self.patients, "patient"), (self.slides, "slide"))
        return ", ".join(f"{n} {noun}{'s' * (n != 1)}" for n, noun in counted if n is not None)


def read_flow(path: Path) -> tuple[FlowStep, ...]:
    """The steps in a `flow.csv`.

    Raises:
        PredictionsError: it lacks a column, or a count is no number.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            found = ", ".join(reader.fieldnames or ())
            raise PredictionsError(
                f"{path} lacks {', '.join(missing)}: found {found}; mend it or take it away"
            )
        rows = list(reader)
    return tuple(
        FlowStep(row["step"], _count(row, "patients", path), _count(row, "slides", path), row["reason"] or "")
        for row in rows
    )


def with_evaluated(steps: tuple[FlowStep, ...], table: pd.DataFrame) -> tuple[FlowStep, ...]:
    """Steps that end with those who are evaluated, where that is not who the last step holds."""
    last = flow_of_table(table)[-1]
    known = steps[-1].patients if steps else None
    return steps if known == last.patients else (*steps, last)


def flow_of_table(table: pd.DataFrame) -> tuple[FlowStep, ...]:
    """The steps that a predictions table itself shows, of all its targets together."""
    steps = [FlowStep(IN_TABLE, *_sizes(table))]
    labelled = set(table.loc[table["truth"] != "", "patient"])
    unknown = table[~table["patient"].isin(labelled)]
    if len(unknown):
        steps.append(FlowStep(LEFT_OUT, *_sizes(unknown), "no label"))
    known = table[table["truth"] != ""]
    tested = known[known["part"].isin(["test", "new"])]
    rest = known[~known["patient"].isin(tested["patient"])]
    if len(rest):
        steps.append(FlowStep(LEFT_OUT, *_sizes(rest), "only trained or tuned on"))
    return (*steps, FlowStep("evaluated", *_sizes(tested)))


def flow_figure(steps: tuple[FlowStep, ...]) -> str:
    """Boxes from the top down; who was left out stands to the right."""
    parts: list[str] = []
    top, last = 8.0, None
    for step in steps:
        lines = _lines(step)
        height = 17 * len(lines) + 16
        left = WIDTH - BOX - 2 if step.out else 2
        if step.out and last is not None:
            middle = top + height / 2
            parts.append(_arrow(f"M{2 + BOX / 2:.0f} {last:.0f}V{middle:.0f}H{left - 2}"))
        elif last is not None:
            parts.append(_arrow(f"M{2 + BOX / 2:.0f} {last:.0f}V{top - 2:.0f}"))
        parts.append(_box(left, top, height, lines, "out" if step.out else "in"))
        last = (last if step.out else top + height) or 0.0
        top += height + (10 if step.out else GAP)
    return (
        f'<svg class="flow" viewBox="0 0 {WIDTH} {top:.0f}" style="max-width: 470px" role="img" '
        f'aria-label="cohort flow">{"".join(parts)}</svg>'
    )


def _lines(step: FlowStep) -> list[str]:
    first = wrap(step.reason or step.step, LETTERS) if step.out else wrap(step.step, LETTERS)
    return [*(first or ["left out"]), step.size]


def _box(left: float, top: float, height: float, lines: list[str], style: str) -> str:
    text = "".join(
        f'<text class="{"label" if i < len(lines) - 1 else "tick"}" x="{left + BOX / 2:.0f}" '
        f'y="{top + 21 + 17 * i:.0f}" text-anchor="middle">{escape(words)}</text>'
        for i, words in enumerate(lines)
    )
    return (
        f'<rect class="box {style}" x="{left}" y="{top:.0f}" width="{BOX}" height="{height}" rx="8"/>{text}'
    )


def _arrow(path: str) -> str:
    return f'<path class="arrow" d="{path}"/>'


def _sizes(rows: pd.DataFrame) -> tuple[int, int | None]:
    slides = rows.loc[rows["level"] == "slide", "slide"]
    return int(rows["patient"].nunique()), int(slides.nunique()) if len(slides) else None


def _count(row: dict[str, str], column: str, path: Path) -> int | None:
    text = (row[column] or "").strip()
    if not text:
        return None
    try:
        return int(float(text))
    except ValueError as error:
        raise PredictionsError(
            f"{path}: {column} of step {row['step']!r} is {text!r}, expected a whole number or nothing"
        ) from error
