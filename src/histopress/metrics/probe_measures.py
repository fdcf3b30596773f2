"""Answers about tiles or whole groups, and the scores that are told of each kind of label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histopress.data.patch_task import Kind
from histopress.metrics import scores
from histopress.metrics.intervals import mean_of_independent, newcombe, wilson

Array = NDArray[np.float64]
Unit = Literal["tile", "group"]
"""What is scored: every tile, or the mean answer of the tiles of a group that share a label."""


@dataclass(frozen=True)
class Answered:
    """Answers about tiles, or about whole groups.

    Attributes:
        kind: of label.
        truth: (cases,) numbers of classes or labels; for multilabel (cases, classes), NaN where not known.
        answers: (cases, classes) shares of the classes, or (cases, 1) numbers for regression.
        groups: (cases,) what is drawn as a whole.
    """

    kind: Kind
    truth: Array
    answers: Array
    groups: NDArray[np.str_]

    @property
    def called(self) -> NDArray[np.int64]:
        """(cases,) class that is called: the likeliest; of ordered ones, the one nearest to the mean."""
        if self.kind == "ordinal":
            return np.rint(self.answers @ np.arange(self.answers.shape[1])).astype(np.int64)
        return np.asarray(self.answers.argmax(axis=1), np.int64)

    def of(self, unit: Unit) -> Answered:
        """The same answers by tile or by group.

        A group that holds several classes counts once for each; for regression its label is the mean.
        """
        return self if unit == "tile" else _by_group(self)


def _by_group(tiles: Answered) -> Answered:
    _, keys = np.unique(tiles.groups, return_inverse=True)
    if tiles.kind != "regression":
        labels = np.unique(np.nan_to_num(tiles.truth, nan=-1.0), axis=0, return_inverse=True)[1].reshape(-1)
        keys = keys * (labels.max(initial=0) + 1) + labels
    _, first, case = np.unique(keys, return_index=True, return_inverse=True)
    sizes = np.bincount(case)

    def mean(values: Array) -> Array:
        columns = values.reshape(len(case), -1).T
        sums = np.stack([np.bincount(case, weights=column) for column in columns], axis=1)
        return np.asarray(sums / sizes[:, None], np.float64).reshape(len(sizes), *values.shape[1:])

    truth = mean(tiles.truth) if tiles.kind == "regression" else tiles.truth[first]
    return Answered(tiles.kind, truth, mean(tiles.answers), tiles.groups[first])


@dataclass(frozen=True)
class Measure:
    """One score.

    Attributes:
        name: in files.
        score: cases and weights (resamples, cases) -> (resamples,).
        guess: what answers at random would score; none where that depends on the classes.
        ends: lowest and highest possible value.
        limits: interval in closed form as if a group were one case, for where all is right.
    """

    name: str
    score: Callable[[Answered, Array | None], Array]
    guess: Callable[[Answered], float]
    ends: tuple[float, float] = (0.0, 1.0)
    limits: Callable[[Answered, float, float], tuple[float, float]] | None = None


def measures(kind: Kind) -> tuple[Measure, ...]:
    """The scores of a kind of label; the first is the headline."""
    return MEASURES[kind]


def quadratic_kappa(
    truth: NDArray[np.int64], called: NDArray[np.int64], classes: int, weights: Array | None = None
) -> Array:
    """Agreement of ordered classes beyond chance, mistakes weighing as their squared distance.

    Args:
        truth: (cases,) numbers of classes.
        called: (cases,) numbers of classes.
        classes: how many.
        weights: (resamples, cases).

    Returns:
        (resamples,) 1 for full agreement, 0 for chance; NaN where one class is all there is.
    """
    weights = np.ones((1, len(truth))) if weights is None else weights
    rows, columns = np.eye(classes)[truth], np.eye(classes)[called]
    distance = np.subtract.outer(np.arange(classes), np.arange(classes)) ** 2.0
    observed = weights @ ((truth - called) ** 2.0) * weights.sum(axis=1)
    expected = np.einsum("ra,ab,rb->r", weights @ rows, distance, weights @ columns)
    agreement: Array = 1 - np.divide(
        observed, expected, out=np.full(len(weights), np.nan), where=expected > 0
    )
    return agreement


def _binary_area(cases: Answered, weights: Array | None) -> Array:
    return scores.auroc(cases.truth == 1, cases.answers[:, 1], weights)


def _macro_area(cases: Answered, weights: Array | None) -> Array:
    return scores.macro(scores.auroc, cases.truth.astype(np.int64), cases.answers, weights)


def _column_area(cases: Answered, weights: Array | None) -> Array:
    """Mean over the classes of a multilabel set, each over the tiles for which it is known."""
    weights = np.ones((1, len(cases.truth))) if weights is None else weights
    columns = []
    for truth, answers in zip(cases.truth.T, cases.answers.T, strict=True):
        known = ~np.isnan(truth)
        columns.append(scores.auroc(truth[known] == 1, answers[known], weights[:, known]))
    areas = np.stack(columns)
    defined = ~np.isnan(areas)
    total, count = np.where(defined, areas, 0.0).sum(axis=0), defined.sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0), np.float64)


def _accuracy(cases: Answered, weights: Array | None) -> Array:
    return scores.balanced_accuracy(cases.truth.astype(np.int64), cases.called, weights)


def _rank(cases: Answered, weights: Array | None) -> Array:
    return scores.spearman(cases.truth, cases.answers[:, 0], weights)


def _kappa(cases: Answered, weights: Array | None) -> Array:
    truth = cases.truth.astype(np.int64)
    return quadratic_kappa(truth, cases.called, cases.answers.shape[1], weights)


def _groups_of_classes(cases: Answered) -> list[int]:
    return [len(np.unique(cases.groups[cases.truth == c])) for c in np.unique(cases.truth)]


def _area_limits(cases: Answered, point: float, level: float) -> tuple[float, float]:
    counts = _groups_of_classes(cases)
    each = [newcombe(point, n, sum(counts) - n, level) for n in counts]
    return float(np.mean([low for low, _ in each])), 1.0


def _accuracy_limits(cases: Answered, point: float, level: float) -> tuple[float, float]:
    each = [wilson(point, n, level) for n in _groups_of_classes(cases)]
    return mean_of_independent([point] * len(each), each)


def _share_of_classes(cases: Answered) -> float:
    return 1 / len(np.unique(cases.truth))


ACCURACY = Measure("balanced_accuracy", _accuracy, _share_of_classes, limits=_accuracy_limits)
MEASURES: dict[Kind, tuple[Measure, ...]] = {
    "binary": (Measure("auroc", _binary_area, lambda _: 0.5, limits=_area_limits), ACCURACY),
    "multiclass": (Measure("macro_auroc", _macro_area, lambda _: 0.5, limits=_area_limits), ACCURACY),
    "ordinal": (Measure("quadratic_kappa", _kappa, lambda _: 0.0, (-1.0, 1.0)), ACCURACY),
    "regression": (Measure("spearman", _rank, lambda _: 0.0, (-1.0, 1.0)),),
    "multilabel": (Measure("macro_auroc", _column_area, lambda _: 0.5),),
}
