"""The smallest training size that is enough, of what a sweep found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.studies.sweep_tables import CONTROL, LEVEL, grouped

Curve = dict[float, NDArray[np.float64]]
"""Training size -> the values of its replicates."""


def minimal_size(
    table: pd.DataFrame,
    threshold: float = 0.7,
    *,
    by: Sequence[str] = ("o2i",),
    size: str = "train_size",
    value: str = "test_accuracy",
    level: float = LEVEL,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """The smallest training size at which the mean over replicates reaches a threshold.

    Intervals: percentile bootstrap over replicates, drawn at each size for itself. Of three replicates
    they tell how sharp the step is rather than how sure.

    Args:
        table: a row a trial.
        threshold: to be reached.
        by: axes that make the groups; a control is a group of its own.
        size: axis of training sizes.
        value: column of results, higher is better.
        level: of the intervals.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        One row a group: `by`, control, size, low, high, largest, told. Infinite where not even the largest
        size does; low and high are NaN where no size has two replicates; `told` is the size in words,
        ">11276" where that is the largest and does not.

    Raises:
        RecipeError: see `means`.
    """
    curves: dict[tuple[Any, ...], Curve] = {}
    for (*group, count, control), values in grouped(table, [*by, size], value).items():
        curves.setdefault((*group, control), {})[count] = values
    rows = []
    for key, curve in curves.items():
        found = _smallest(curve, threshold)
        largest = max(curve)
        told = f"{found:g}" if math.isfinite(found) else f">{largest:g}"
        low, high = _size_limits(curve, threshold, level, resamples, np.random.default_rng(seed))
        rows.append((*key, found, low, high, largest, told))
    return pd.DataFrame(rows, columns=[*by, CONTROL, "size", "low", "high", "largest", "told"])


def _smallest(curve: Curve, threshold: float) -> float:
    enough = [float(count) for count, found in curve.items() if found.mean() >= threshold]
    return min(enough, default=math.inf)


def _size_limits(
    curve: Curve,
    threshold: float,
    level: float,
    resamples: int,
    random: np.random.Generator,
) -> tuple[float, float]:
    """Quantiles that are sizes: nothing lies between two of them, and none beyond the largest."""
    if all(len(found) < 2 for found in curve.values()):
        return math.nan, math.nan
    counts = sorted(curve)
    drawn = [random.choice(curve[c], (resamples, len(curve[c]))).mean(axis=1) >= threshold for c in counts]
    enough = np.stack([*drawn, np.ones(resamples, np.bool_)])
    found = np.array([*counts, math.inf])[enough.argmax(axis=0)]
    low, high = np.quantile(found, ((1 - level) / 2, (1 + level) / 2), method="inverted_cdf")
    return float(low), float(high)
