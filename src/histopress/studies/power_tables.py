"""The tables beside a power report: curves as they were measured and fitted, and the planner's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from histopress.studies.learning_curve import FAR
from histopress.studies.planner import (
    Design,
    patients_above_chance,
    patients_for_width,
    power_above_chance,
    reported_limits,
)
from histopress.studies.power_answers import Answer

OPEN = ("far", "never")
"""Numbers of patients that are not told; they are drawn above the others."""

ABOVE = 1.15

AREAS = (0.6, 0.7, 0.8, 0.9, 0.95)
"""AUROCs of the planner's table."""

WIDTHS = (0.2, 0.1)
"""Of intervals that patients are counted for."""


def curve_rows(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """A row for each object-to-image ratio and size: mean over replicates, fitted value, limits."""
    rows = []
    for answer in answers:
        curve = answer.curve
        fitted = curve.at(curve.sizes)
        low, high = curve.band(curve.sizes)
        for i, size in enumerate(curve.sizes):
            row = {"o2i": answer.o2i, "patients": int(size), "auroc": curve.means[i], "sd": curve.sds[i]}
            rows.append(row | {"fitted": fitted[i], "low": low[i], "high": high[i]})
    return [{name: float(value) for name, value in row.items()} for row in rows]


def planner_rows(design: Design) -> list[dict[str, Any]]:
    """A row for each AUROC: the interval to be expected of so many patients, and what it would take."""
    rows = []
    for area in AREAS:
        limits = reported_limits(area, design)
        row: dict[str, Any] = {
            "auroc": area,
            "patients": design.patients,
            "prevalence": design.prevalence,
            "low": limits.low,
            "high": limits.high,
            "width": limits.width,
            "power": power_above_chance(area, design),
            "patients_power_80": patients_above_chance(area, 0.8, design.prevalence),
        }
        for width in WIDTHS:
            row[f"patients_width_{width:g}"] = patients_for_width(area, width, design.prevalence)
        rows.append(row)
    return rows


def smooth_sizes(answers: Sequence[Answer]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers of patients at which curves are drawn: from the smallest tried to where they are believed."""
    lowest = min(float(answer.curve.sizes.min()) for answer in answers)
    highest = max(max(2 * answer.curve.tried, answer.learned) for answer in answers)
    return np.geomspace(lowest, highest, 60)


def needed_points(answers: Sequence[Answer], target: int) -> tuple[list[float], list[float], list[float]]:
    """Patients for a wanted AUROC with their limits, as they are drawn: kept within what is told.

    Args:
        answers: one for each object-to-image ratio.
        target: number of the AUROC among those that are wanted.
    """
    rows = []
    for answer in answers:
        needed = answer.needed[target]
        ends = (needed.least, ABOVE * FAR * needed.tried)
        rows.append([float(np.clip(n, *ends)) for n in (needed.patients, needed.low, needed.high)])
    points, low, high = (list(column) for column in zip(*rows, strict=True))
    return points, low, high
