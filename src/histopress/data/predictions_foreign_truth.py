"""Labels of a table from elsewhere: which kind they are, which classes there are, which one is meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import PredictionsError
from histopress.data.predictions_columns import ForeignColumns, split_name
from histopress.data.predictions_survival import survival_text
from histopress.data.tables import is_missing

NEGATIVE = {"0", "0.0", "no", "n", "false", "neg", "negative", "-", "control", "normal", "benign", "wt"}
"""Names of classes that are never the positive one of two."""

EVENT = {"1", "1.0", "true", "yes", "dead", "deceased", "event", "1:deceased", "1:recurred", "1:progression"}
CENSORED = {"0", "0.0", "false", "no", "alive", "living", "censored", "0:living", "0:censored"}


def guess_kind(text: pd.DataFrame, columns: ForeignColumns, where: str) -> str:
    """The kind that was said, or the one that the columns can only mean."""
    if columns.kind != "auto":
        return columns.kind
    if columns.time:
        return "survival"
    if columns.probabilities:
        return "binary" if len(columns.probabilities) == 2 else "multiclass"
    if not columns.truth:
        return "binary"
    truths = {cell for cell in text[columns.truth] if not is_missing(cell)}
    if len(truths) <= 2:
        return "binary"
    if all(_number(t) is not None for t in truths):
        return "regression"
    raise PredictionsError(
        f"{where}: column {columns.truth} has {len(truths)} values such as {min(truths)!r}, and a single "
        "score cannot tell so many classes; name their columns with --probabilities CLASS=COLUMN ..."
    )


def numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """(rows,) NaN where a cell is empty.

    Raises:
        PredictionsError: a cell holds something else.
    """
    values = [np.nan if is_missing(cell) else _number(cell) for cell in column]
    for row, (value, cell) in enumerate(zip(values, column, strict=True)):
        if value is None:
            raise PredictionsError(f"row {row + 2}: {column.name} is {cell!r}, expected a number or nothing")
    return np.array(values, np.float64)


def class_truths(columns: ForeignColumns, truths: Sequence[str], where: str) -> tuple[list[str], list[str]]:
    """Classes in the order of their columns, and the truths spelt alike."""
    present = sorted({t for t in truths if t})
    named = [split_name(x) for x in columns.probabilities]
    classes = [name or _ending(column, present) for name, column in named]
    twice = len(set(classes)) < len(classes)
    if twice or not all(classes):
        lost = ", ".join(column for (_, column), c in zip(named, classes, strict=True) if not c or twice)
        raise PredictionsError(
            f"{where}: which class is each of {lost}? labels are {', '.join(map(repr, present))}; say it "
            "with --probabilities CLASS=COLUMN ..."
        )
    spelling = {t: next((c for c in classes if _same(t, c)), t) for t in present}
    order = _positive_last(columns, classes)
    if order != classes:
        raise PredictionsError(
            f"{where}: positive class {columns.positive!r} is not the last of {', '.join(classes)}; name its "
            "column last in --probabilities"
        )
    return classes, [spelling.get(t, "") for t in truths]


def binary_probabilities(
    columns: ForeignColumns, truths: list[str], score: NDArray[np.float64], where: str
) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Two classes, the truths, and (rows, 2) probabilities from the score of the positive class."""
    classes = _two_classes(columns, sorted({t for t in truths if t}), where)
    if columns.scale == "logit":
        score = 1 / (1 + np.exp(-np.clip(score, -700, 700)))
    outside = np.flatnonzero((score < 0) | (score > 1))
    if len(outside):
        raise PredictionsError(
            f"{where}, row {outside[0] + 2}: {columns.score} is {score[outside[0]]:g}, expected a "
            f"probability of {classes[-1]!r} from 0 to 1; for log-odds add --scale logit"
        )
    return classes, truths, np.stack([1 - score, score], axis=1)


def survival_truths(time: pd.Series[Any], event: pd.Series[Any], name: str) -> list[str]:
    """Times and events as the predictions table writes them; "" where either is missing."""
    strange = sorted({c for c in event if c.strip().lower() not in EVENT | CENSORED and not is_missing(c)})
    if strange:
        raise PredictionsError(
            f"column {name} holds {', '.join(map(repr, strange[:5]))}, expected 1 for an event and 0 for none"
        )
    return [
        "" if np.isnan(t) or is_missing(e) else survival_text(t, e.strip().lower() in EVENT)
        for t, e in zip(numbers(time), event, strict=True)
    ]


def _two_classes(columns: ForeignColumns, present: list[str], where: str) -> list[str]:
    """The negative and the positive class."""
    if not 1 <= len(present) <= 2:
        raise PredictionsError(
            f"{where}: column {columns.truth} has {len(present)} labels, expected two for a binary target"
        )
    if columns.positive:
        if columns.positive not in present:
            labels = ", ".join(map(repr, present))
            raise PredictionsError(f"{where}: positive class {columns.positive!r}, but labels are {labels}")
        others = [c for c in present if c != columns.positive]
        return [*(others or [f"not {columns.positive}"]), columns.positive]
    if len(present) == 1:
        only = present[0]
        return [only, f"not {only}"] if only.lower() in NEGATIVE else [f"not {only}", only]
    negative = [c for c in present if c.lower() in NEGATIVE]
    meant = [c for c in present if columns.score.lower().endswith(c.lower())]
    if len(negative) == 1:
        return [negative[0], next(c for c in present if c != negative[0])]
    if len(meant) == 1:
        return [next(c for c in present if c != meant[0]), meant[0]]
    first, second = present
    raise PredictionsError(
        f"{where}: of which class is {columns.score} the probability, {first!r} or {second!r}? "
        "say it with --positive CLASS"
    )


def _positive_last(columns: ForeignColumns, classes: list[str]) -> list[str]:
    if not columns.positive or len(classes) != 2:
        return classes
    return [c for c in classes if c != columns.positive] + [c for c in classes if c == columns.positive]


def _ending(column: str, present: list[str]) -> str:
    """The label that the name of a column ends with, or is."""
    fitting = [t for t in present if column.lower().endswith(t.lower())]
    return max(fitting, key=len) if fitting else ""


def _same(one: str, other: str) -> bool:
    left, right = _number(one), _number(other)
    return one.lower() == other.lower() or (left is not None and left == right)


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
