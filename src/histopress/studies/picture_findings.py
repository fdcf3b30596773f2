"""What a study on pictures found: tables for people, and a figure for each question its axes can answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from histopress.core.files import write_whole
from histopress.studies.picture_axes import PictureAxes
from histopress.studies.sweep_figures import (
    accuracy_against_o2i,
    field_against_object,
    pooling_against_o2i,
    size_against_o2i,
)
from histopress.studies.sweep_markdown import as_markdown
from histopress.studies.sweep_sizes import minimal_size

LEARNER = "learner"
"""Column that is added: what learned, in words."""

SHAPE = ("pooling", "field", "width")
"""Axes that tell one network from another."""

APART = (LEARNER, "label_noise")

END_TO_END = "end to end"


def write_findings(table: pd.DataFrame, axes: PictureAxes, output: Path) -> list[Path]:
    """Write tables as `findings.md`, and figures where the axes have several values.

    Accuracy and smallest training size against the object-to-image ratio for every learner; then learners,
    poolings, widths and receptive fields beside each other, with the largest number of training pictures.

    Args:
        table: a row a trial; see `sweep_tables.as_table`.
        axes: of the study.
        output: folder.

    Returns:
        The files.
    """
    if table.empty:
        return []
    table = table.assign(**{LEARNER: _learners(table)})
    parts = [_text(table, axes)]
    figures = []
    for name, part in _apart(table, APART):
        several = part["train_size"].nunique() > 1 or part["o2i"].nunique() > 1
        if several:
            figures.append(accuracy_against_o2i(part, output / f"accuracy{_slug(name)}.png", title=name))
        if part["train_size"].nunique() > 1:
            path = output / f"size{_slug(name)}.png"
            figures.append(size_against_o2i(part, path, threshold=axes.threshold, title=name))
    figures += _beside(table[table["train_size"] == max(axes.sizes)], output)
    path = output / "findings.md"
    pictures = [f"![{f.stem}]({f.name})" for f in figures]
    write_whole(path, "\n".join([*parts, *pictures]) + "\n")
    return [path, *figures]


def _beside(largest: pd.DataFrame, output: Path) -> Iterator[Path]:
    """Learners, poolings and fields beside each other."""
    networks = largest[largest["way"] == END_TO_END]
    if largest["way"].nunique() > 1:
        for name, part in _apart(largest, ("label_noise",)):
            yield accuracy_against_o2i(part, output / f"learners{_slug(name)}.png", size=LEARNER)
    if networks["pooling"].nunique() > 1:
        for name, part in _apart(networks, ("field", "width", "label_noise")):
            yield pooling_against_o2i(part, output / f"pooling{_slug(name)}.png")
    if networks["width"].nunique() > 1:
        for name, part in _apart(networks, ("field", "pooling", "label_noise")):
            yield accuracy_against_o2i(part, output / f"width{_slug(name)}.png", size="width")
    if networks["field"].nunique() > 1:
        for name, part in _apart(networks, ("pooling", "width", "label_noise")):
            real = part[part["control"] != "noise"]
            yield field_against_object(real, output / f"field{_slug(name)}.png", title=name)


def _learners(table: pd.DataFrame) -> list[str]:
    """A chain by its name, a network by what tells it from the other networks."""
    networks = table[table["way"] == END_TO_END]
    varied = [axis for axis in SHAPE if networks[axis].nunique() > 1]
    names = []
    for row in table.to_dict("records"):
        shape = [f"{axis} {row[axis]}" for axis in varied] if row["way"] == END_TO_END else []
        names.append(", ".join([str(row["way"]), *shape]))
    return names


def _apart(table: pd.DataFrame, axes: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """The table by values of some axes; a part is named by those that differ, "" where none does."""
    varied = [axis for axis in axes if table[axis].nunique() > 1]
    if not varied:
        yield "", table
        return
    for key, part in table.groupby(varied, sort=False):
        words = (str(v) if a == LEARNER else f"{a} {v}" for a, v in zip(varied, key, strict=True))
        yield ", ".join(words), part


def _slug(name: str) -> str:
    return "-" + re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-") if name else ""


def _text(table: pd.DataFrame, axes: PictureAxes) -> str:
    parts = []
    for name, part in _apart(table, APART):
        parts.append(f"## {name or 'Accuracy'}\n")
        parts.append(as_markdown(part, "o2i", "train_size"))
        found = minimal_size(part[part["control"] == ""], axes.threshold)
        ratios = zip(found["o2i"].astype(float), found["told"], strict=True)
        told = ", ".join(f"{100 * ratio:.3g} %: {size}" for ratio, size in ratios)
        parts.append(f"Smallest training size for an accuracy of {axes.threshold:.0%}: {told}.\n")
        parts.append(_outcomes(part))
    return "\n".join(parts)


def _outcomes(part: pd.DataFrame) -> str:
    """How often each outcome was met, by ratio and training size."""
    lines_ = [
        "| O2I | training pictures | control | train accuracy | outcomes |",
        "| --- | ---: | --- | ---: | --- |",
    ]
    groups: Any = part.groupby(["o2i", "train_size", "control"], sort=True)
    for (ratio, size, control), rows in groups:
        counts = ", ".join(f"{count} {word}" for word, count in rows["outcome"].value_counts().items())
        fitted = rows["last_train_accuracy"].mean()
        lines_.append(f"| {100 * ratio:.3g} % | {size} | {control} | {fitted:.3f} | {counts} |")
    return "\n".join(lines_) + "\n"
