"""Survival in a predictions table: times and events as text, and chances to be event-free as columns.

The truth is written as R's Surv prints it: "34.2" is an event at 34.2, "34.2+" no event up to then.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SURVIVAL_PREFIX = "s:"
EXPECTED = "a time of 0 or later, such as '34.2' for an event and '34.2+' where none was seen, or nothing"

_TRUTH = re.compile(r"(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(\+?)")


def survival_text(time: float, event: bool) -> str:
    """A time, with a plus where no event was seen up to it."""
    return f"{float(time):.10g}{'' if event else '+'}"


def is_survival(text: str) -> bool:
    """Whether a truth is a time, with or without a plus."""
    return _TRUTH.fullmatch(text.strip()) is not None


def survival_times(truths: Iterable[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Truths as (cases,) times and (cases,) whether an event was seen; NaN and False where there is none."""
    found = [_TRUTH.fullmatch(text.strip()) for text in truths]
    times = np.array([float(m[1]) if m else math.nan for m in found])
    return times, np.array([m is not None and not m[2] for m in found], np.bool_)


def horizon_columns(table: pd.DataFrame, target: str) -> list[str]:
    """The `s:` columns of a target, the earliest first."""
    rows = table[table["target"] == target]
    named = [c for c in map(str, table) if c.startswith(SURVIVAL_PREFIX) and rows[c].notna().any()]
    return sorted(named, key=horizon)


def horizon(column: str) -> float:
    """The time of an `s:` column; NaN where its name tells none."""
    try:
        time = float(column.removeprefix(SURVIVAL_PREFIX))
    except ValueError:
        return math.nan
    return time if math.isfinite(time) and time > 0 else math.nan
