"""Which columns are to be learned, and as what: as asked for, or as the labels tell without a doubt."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import pandas as pd

from histopress.core.errors import HeadError
from histopress.data.predictions_survival import is_survival
from histopress.heads.objective_follow_up import make_survival
from histopress.heads.objective_grammar import (
    MULTILABEL,
    OPTIONS,
    Target,
    check_kind,
    parse_target,
    target_columns,
    target_groups,
)
from histopress.heads.objective_labels import closest, column, is_number, label_text, numbers, some
from histopress.heads.objective_multilabel import make_multilabel
from histopress.heads.objective_ordinal import Link
from histopress.heads.objectives import Binary, Joint, Multiclass, Objective, Ordinal, Regression

__all__ = ["Target", "infer_kind", "make_objective", "parse_target", "target_columns", "target_groups"]

MOST_CLASSES = 20
FEWEST_NUMBERS = 10

ROMAN = ("0", "I", "II", "III", "IV", "V", "VI")


def make_objective(
    targets: Target | Sequence[Target],
    labels: pd.DataFrame,
    regression_loss: Literal["huber", "mse"] = "huber",
) -> Objective:
    """What the labels of a whole cohort mean.

    Nothing is learned from them but the names of classes, and for survival the times to tell chances for.

    Args:
        targets: with or without kinds.
        labels: the columns of `target_columns`, one row a patient, indexed by patient.
        regression_loss: where the target does not say which.

    Raises:
        HeadError: the labels do not fit the kind, or do not tell which it is.
    """
    asked = [targets] if isinstance(targets, Target) else list(targets)
    members = [member for target in asked for member in _members(target, labels, regression_loss)]
    if len(members) == 1:
        return members[0]
    return Joint(",".join(target.column for target in asked), tuple(members))


def infer_kind(name: str, labels: pd.Series[Any]) -> str:
    """The kind, where the labels leave no doubt.

    Two different values are binary, a few texts that come back are multiclass, many numbers or any fractions
    are a regression, texts with ; or | between labels are a multilabel, and times of which some end in + are
    survival. Missing labels say nothing.

    Raises:
        HeadError: in doubt.
    """
    given = [label for label in labels if label_text(label)]
    distinct = _sorted_classes(given)
    if any(re.search("[;|]", text) for text in distinct):
        return MULTILABEL
    if len(distinct) == 2:
        return "binary"
    many = len(distinct) > FEWEST_NUMBERS  # grades such as 0, 1+, 2+, 3+ are no times
    if many and any("+" in text for text in distinct) and all(map(is_survival, distinct)):
        return "survival"
    if all(map(is_number, given)):
        fractions = any(float(label) != round(float(label)) for label in given)
        if len(distinct) > 2 and (fractions or many):
            return "regression"
    elif 2 < len(distinct) <= min(MOST_CLASSES, len(given) // 2):
        return "multiclass"
    raise HeadError(
        f"{name} has {len(distinct)} different values ({some(distinct)}) over {len(given)} patients, "
        f"which does not tell what they mean; write {name}:KIND with KIND one of {', '.join(OPTIONS)}"
    )


def _members(
    target: Target, labels: pd.DataFrame, regression_loss: Literal["huber", "mse"]
) -> list[Objective]:
    kind = target.kind or infer_kind(target.column, column(labels, target.column))
    check_kind(kind)
    if kind == MULTILABEL:
        return list(make_multilabel(target, labels))
    if kind == "survival":
        return [make_survival(target, labels)]
    if kind == "regression":
        numbers(column(labels, target.column), target.column)
        mse = target.options.get("loss", regression_loss) == "mse"
        return [Regression(target.column, loss="mse" if mse else "huber")]
    return [_CLASSES[kind](target, column(labels, target.column))]


def _binary(target: Target, cells: pd.Series[Any]) -> Objective:
    return Binary(target.column, _classes(target, cells, "binary", lambda count: count == 2, "2 classes"))


def _multiclass(target: Target, cells: pd.Series[Any]) -> Objective:
    classes = _classes(target, cells, "multiclass", lambda count: count > 2, "3 classes or more")
    return Multiclass(target.column, classes)


def _ordinal(target: Target, cells: pd.Series[Any]) -> Objective:
    grades = _classes(target, cells, "ordinal", lambda count: count > 2, "3 grades or more")
    if not target.options.get("order"):
        grades = _graded(target.column, grades)
    return Ordinal(target.column, grades, loss=cast(Link, target.options.get("loss", Ordinal.loss)))


_CLASSES: dict[str, Callable[[Target, pd.Series[Any]], Objective]] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "ordinal": _ordinal,
}


def _classes(
    target: Target, cells: pd.Series[Any], kind: str, fits: Callable[[int], bool], expected: str
) -> tuple[str, ...]:
    """The names of the classes, in the order that was asked for, or sorted."""
    found = _sorted_classes([cell for cell in cells if label_text(cell)])
    order = target.several("order", "<")
    strange = [name for name in found if order and name not in order]
    if strange or len(set(order)) < len(order):
        raise HeadError(
            f"{target.column} holds {some(map(repr, found))}, but the order is {'<'.join(order)}, expected "
            f"every class once in it{closest(strange[0], order) if strange else ''}"
        )
    classes = order or found
    if not fits(len(classes)):
        raise HeadError(
            f"{target.column} is to be {kind} but has {len(classes)} classes ({some(classes)}), expected "
            f"{expected}; state another kind, or leave patients out"
        )
    return classes


def _graded(name: str, grades: Sequence[str]) -> tuple[str, ...]:
    """Grades in their order, where their names tell it: numbers, or one word with numbers (G1, grade II, 3+).

    Raises:
        HeadError: they do not.
    """
    found = [re.fullmatch(r"(\D*?)[\s_]*(-?\d+(?:\.\d+)?|[IV]+)\+?", grade) for grade in grades]
    if all(found) and len({m[1].lower() for m in found if m}) == 1:
        ranks = {m[0]: _rank(m[2]) for m in found if m}
        if None not in ranks.values() and len(set(ranks.values())) == len(grades):
            return tuple(sorted(ranks, key=lambda grade: ranks[grade] or 0.0))
    raise HeadError(
        f"{name} has grades {', '.join(grades)}, whose order their names do not tell; "
        f"state it, the lowest first: {name}:ordinal({'<'.join(grades)})"
    )


def _rank(text: str) -> float | None:
    if text in ROMAN:
        return float(ROMAN.index(text))
    return float(text) if text[-1].isdigit() else None


def _sorted_classes(labels: Sequence[Any]) -> tuple[str, ...]:
    names = {label_text(label) for label in labels}
    if all(is_number(label) for label in labels):
        return tuple(sorted(names, key=float))
    return tuple(sorted(names))
