"""What a sweep found as a compact table for people, and its axes in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from histopress.studies.sweep_tables import CONTROL, SHARES, means

TELL: dict[str, Callable[[float], str]] = {
    "o2i": lambda share: f"{float(f'{100 * share:.3g}'):g} %",
}
"""Axis -> how its values are told to people."""

NAMES = {
    "o2i": "object-to-image ratio",
    "train_size": "training pictures",
    "object_px": "object size (px)",
    "field": "receptive field (px)",
    "test_auroc": "test AUROC",
}
"""Axes and results in words, where the column's own name will not do."""


def as_markdown(
    table: pd.DataFrame,
    rows: str,
    columns: str,
    value: str = "test_accuracy",
    *,
    words: Mapping[str, str] | None = None,
    limits: tuple[float, float] | None = SHARES,
) -> str:
    """Means over replicates as a table for people: one axis down, one across; controls apart.

    Args:
        table: a row a trial.
        rows: axis that runs down.
        columns: axis that runs across.
        value: column of results.
        words: names of axes and results for people, where they are not the columns' own.
        limits: see `means`.
    """
    words = words or {}
    found = means(table, [rows, columns], value, limits=limits)
    parts = []
    for control in sorted(found[CONTROL].unique()):
        part = found[found[CONTROL] == control]
        head = f"{words.get(value, named(value))}, by {words.get(rows, named(rows))} (down) and "
        head += words.get(columns, named(columns)) + " (across)"
        parts.append(f"{head}; control: {control}" if control else head)
        parts.append(_grid(part, rows, columns))
    most = int(found["n"].max()) if len(found) else 0
    foot = "Mean [95 % t interval]" if most > 1 else "One run each: no intervals"
    return "\n\n".join([*parts, f"{foot}; at most {most} replicates."]) + "\n"


def _grid(part: pd.DataFrame, rows: str, columns: str) -> str:
    across = in_order(part[columns])
    lines = [f"| | {' | '.join(told(columns, c) for c in across)} |", "| --- |" + " ---: |" * len(across)]
    for name in in_order(part[rows]):
        line = part[part[rows] == name]
        cells = {row[columns]: _cell(row) for row in line.to_dict("records")}
        lines.append(f"| {told(rows, name)} | {' | '.join(cells.get(c, '-') for c in across)} |")
    return "\n".join(lines)


def _cell(row: Mapping[Any, Any]) -> str:
    if math.isnan(row["low"]):
        return f"{row['mean']:.3f}"
    return f"{row['mean']:.3f} [{row['low']:.2f}, {row['high']:.2f}]"


def named(column: str) -> str:
    """A column in words."""
    return NAMES.get(column, column.replace("_", " "))


def told(column: str, value: Any) -> str:
    """A value of an axis in words."""
    if column in TELL:
        return TELL[column](float(value))
    return f"{value:g}" if isinstance(value, float) else f"{value!s}"


def in_order(column: pd.Series) -> list[Any]:
    """The values of a column: numbers by size, words as they come."""
    found = column.dropna().unique().tolist()
    return found if any(isinstance(value, str) for value in found) else sorted(found)
