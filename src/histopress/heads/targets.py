"""Which column is to be learned, and as what: "grade:multiclass", or the column alone where that is plain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

from histopress.core.errors import HeadError
from histopress.heads.objectives import (
    KINDS,
    Binary,
    Multiclass,
    Objective,
    Regression,
    kind_named,
    label_text,
)

MOST_CLASSES = 20
FEWEST_NUMBERS = 10


@dataclass(frozen=True)
class Target:
    """A column, and the kind that was asked for, if any."""

    column: str
    kind: str | None = None


def parse_target(text: str) -> Target:
    """`COLUMN` or `COLUMN:KIND`.

    Raises:
        HeadError: there is no such kind, or no column.
    """
    column, colon, kind = text.rpartition(":") if ":" in text else (text, "", "")
    if colon:
        kind_named(kind)
    if not column:
        raise HeadError(f"target is {text!r}, expected COLUMN or COLUMN:KIND")
    return Target(column, kind or None)


def make_objective(
    target: Target, labels: Sequence[Any], loss: Literal["huber", "mse"] = "huber"
) -> Objective:
    """What the labels of a whole cohort mean; nothing but the names of the classes is learned from them.

    Args:
        target: with or without a kind.
        labels: one a patient; text or numbers.
        loss: for regression.

    Raises:
        HeadError: the labels do not fit the kind, or do not tell which it is.
    """
    kind = target.kind or infer_kind(target.column, labels)
    if kind == "regression":
        _check_numbers(target.column, labels)
        return Regression(target.column, loss=loss)
    classes = _sorted_classes(labels)
    fits = len(classes) == 2 if kind == "binary" else len(classes) > 2
    if not fits:
        expected = "2 classes" if kind == "binary" else "3 classes or more"
        raise HeadError(
            f"{target.column} is to be {kind} but has {len(classes)} classes ({_some(classes)}), expected "
            f"{expected}; state another kind, or leave patients out"
        )
    return (Binary if kind == "binary" else Multiclass)(target.column, classes)


def infer_kind(column: str, labels: Sequence[Any]) -> str:
    """The kind, where the labels leave no doubt.

    Two different values are binary, a few texts that come back are multiclass, many numbers or any fractions
    are a regression.

    Raises:
        HeadError: in doubt.
    """
    distinct = _sorted_classes(labels)
    if len(distinct) == 2:
        return "binary"
    if all(_is_number(label) for label in labels):
        fractions = any(float(label) != round(float(label)) for label in labels)
        if len(distinct) > 2 and (fractions or len(distinct) > FEWEST_NUMBERS):
            return "regression"
    elif 2 < len(distinct) <= min(MOST_CLASSES, len(labels) // 2):
        return "multiclass"
    raise HeadError(
        f"{column} has {len(distinct)} different values ({_some(distinct)}) over {len(labels)} patients, "
        f"which does not tell what they mean; write {column}:KIND with KIND one of {', '.join(KINDS)}"
    )


def _is_number(label: Any) -> bool:
    return isinstance(label, Real) and not isinstance(label, bool)


def _sorted_classes(labels: Sequence[Any]) -> tuple[str, ...]:
    names = {label_text(label): label for label in labels}
    if all(_is_number(label) for label in labels):
        return tuple(sorted(names, key=lambda name: float(names[name])))
    return tuple(sorted(names))


def _check_numbers(column: str, labels: Sequence[Any]) -> None:
    wrong = sorted({str(v) for v in labels if not (_is_number(v) and math.isfinite(v))})
    if wrong:
        raise HeadError(f"{column} is to be regression but holds {_some(wrong)}, expected finite numbers")


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
