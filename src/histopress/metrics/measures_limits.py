"""Closed-form limits of scores of classes: for few patients, and where the bootstrap meets the end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from histopress.metrics import class_scores, scores
from histopress.metrics.case_arrays import Cases
from histopress.metrics.intervals import mean_of_independent, newcombe, wilson
from histopress.metrics.measure import Array, Limits

NEWCOMBE = "score interval (Newcombe 2006, method 5)"
BOYD = "score interval with the positives as trials (Wilson; Boyd 2013)"
WILSON = "score intervals of the classes, combined (Wilson; Zou 2008)"
SHARE = "score interval of a share (Wilson)"
MEAN = ", mean over classes"


def recalls(cases: Cases) -> list[tuple[str, int, int]]:
    """(class, patients called right, patients) of every class that occurs."""
    right = cases.answer == cases.truth
    return [
        (name, int(right[cases.truth == i].sum()), n) for i, (name, n) in enumerate(cases.counts.items()) if n
    ]


def _each(cases: Cases, limits: Callable[[Array, NDArray[np.bool_]], Limits]) -> Limits:
    """Limits of the one positive class, or the mean of those of all classes: right for any dependence."""
    numbers = [1] if cases.kind == "binary" else [int(c) for c in np.unique(cases.truth)]
    each = [limits(cases.probabilities[:, c], cases.truth == c) for c in numbers]
    low, high = np.mean(each, axis=0)
    return float(low), float(high)


def area_limits(cases: Cases, level: float) -> Limits:
    """Of AUROC."""

    def one(score: Array, member: NDArray[np.bool_]) -> Limits:
        area = float(scores.auroc(member, score)[0])
        return newcombe(area, int(member.sum()), int((~member).sum()), level)

    return _each(cases, one)


def precision_limits(cases: Cases, level: float) -> Limits:
    """Of average precision."""

    def one(score: Array, member: NDArray[np.bool_]) -> Limits:
        return wilson(float(scores.average_precision(member, score)[0]), int(member.sum()), level)

    return _each(cases, one)


def accuracy_limits(cases: Cases, level: float) -> Limits:
    """Of balanced accuracy."""
    called = [(right / n, n) for _, right, n in recalls(cases)]
    return mean_of_independent([share for share, _ in called], [wilson(*pair, level) for pair in called])


def f1_limits(cases: Cases, level: float) -> Limits:
    """Of F1, which is the share TP / (TP + (FP + FN) / 2): of each class, and their mean."""
    binary = cases.kind == "binary"
    numbers = [1] if binary else np.union1d(cases.truth, cases.answer).tolist()
    each = []
    for c in numbers:
        right = float(((cases.truth == c) & (cases.answer == c)).sum())
        trials = ((cases.truth == c).sum() + (cases.answer == c).sum()) / 2
        each.append(wilson(right / trials, trials, level) if trials else (0.0, 1.0))
    low, high = np.mean(each, axis=0)
    return float(low), float(high)


def mcc_limits(cases: Cases, level: float) -> Limits:
    """Of MCC: as far from the value as balanced accuracy's limits are from it, on the scale from -1 to 1."""
    value = float(class_scores.mcc(cases.truth, cases.answer)[0])
    middle = float(scores.balanced_accuracy(cases.truth, cases.answer)[0])
    low, high = accuracy_limits(cases, level)
    return max(-1.0, value - 2 * (middle - low)), min(1.0, value + 2 * (high - middle))
