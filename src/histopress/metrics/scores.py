"""Scores of many resamples at once: a resample is a row of counts that says how often each case was drawn.

Every function takes `weights` (resamples, cases), counts or any weights, and returns (resamples,); without
weights every case counts once and the result has length 1. A score that is undefined is NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Truth = NDArray[np.bool_] | NDArray[np.int64] | Array

THRESHOLD = 0.5
"""Probability from which a binary answer counts as positive."""


def auroc(positive: ArrayLike, score: ArrayLike, weights: Array | None = None) -> Array:
    """Probability that a random positive scores above a random negative; ties count half.

    Args:
        positive: (cases,) bool.
        score: (cases,) higher for more likely positive.
        weights: (resamples, cases).
    """
    positives, negatives = _by_score(positive, score, weights)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return ratio((positives * below).sum(axis=1), pairs)


def average_precision(positive: ArrayLike, score: ArrayLike, weights: Array | None = None) -> Array:
    """Mean of the precision at every positive, from the highest score down, without interpolation.

    Args:
        positive: (cases,) bool.
        score: (cases,) higher for more likely positive.
        weights: (resamples, cases).
    """
    positives, negatives = (counts[:, ::-1] for counts in _by_score(positive, score, weights))
    found = np.cumsum(positives, axis=1)
    called = found + np.cumsum(negatives, axis=1)
    return ratio((positives * ratio(found, called, empty=0.0)).sum(axis=1), found[:, -1])


def balanced_accuracy(truth: ArrayLike, answer: ArrayLike, weights: Array | None = None) -> Array:
    """Mean over the classes that occur of the share that is answered right.

    Args:
        truth: (cases,) class numbers.
        answer: (cases,) class numbers.
        weights: (resamples, cases).
    """
    truth, answer = np.asarray(truth), np.asarray(answer)
    weights = as_weights(weights, len(truth))
    recalls = [
        ratio(weights @ ((truth == c) & (answer == c)), weights @ (truth == c)) for c in np.unique(truth)
    ]
    return mean_of_defined(recalls, len(weights))


def macro(
    score: Callable[[ArrayLike, ArrayLike, Array | None], Array],
    truth: ArrayLike,
    probabilities: Array,
    weights: Array | None = None,
) -> Array:
    """Mean over classes of a two-class score, each class against all others.

    Classes that no case has, or that every case has, are left out.

    Args:
        score: `auroc` or `average_precision`.
        truth: (cases,) class numbers.
        probabilities: (cases, classes).
        weights: (resamples, cases).
    """
    truth = np.asarray(truth)
    weights = as_weights(weights, len(truth))
    present = [c for c in np.unique(truth) if (truth != c).any()]
    return mean_of_defined([score(truth == c, probabilities[:, c], weights) for c in present], len(weights))


def pearson(truth: ArrayLike, score: ArrayLike, weights: Array | None = None) -> Array:
    """Linear correlation, -1 to 1.

    Args:
        truth: (cases,) numbers.
        score: (cases,) numbers.
        weights: (resamples, cases).
    """
    x, y = np.asarray(truth, np.float64), np.asarray(score, np.float64)
    weights = as_weights(weights, len(x))
    return _correlation(x[np.newaxis], y[np.newaxis], weights)


def spearman(truth: ArrayLike, score: ArrayLike, weights: Array | None = None) -> Array:
    """Correlation of ranks, -1 to 1; ties share their mean rank.

    Args:
        truth: (cases,) numbers.
        score: (cases,) numbers.
        weights: (resamples, cases) counts; every draw of a case has a rank of its own.
    """
    weights = as_weights(weights, len(np.asarray(truth)))
    return _correlation(_ranks(truth, weights), _ranks(score, weights), weights)


def mean_absolute_error(truth: ArrayLike, score: ArrayLike, weights: Array | None = None) -> Array:
    """Mean distance between truth and answer, in units of the label.

    Args:
        truth: (cases,) numbers.
        score: (cases,) numbers.
        weights: (resamples, cases).
    """
    errors = np.abs(np.asarray(truth, np.float64) - np.asarray(score, np.float64))
    weights = as_weights(weights, len(errors))
    return ratio(weights @ errors, weights.sum(axis=1))


def root_mean_squared_error(truth: ArrayLike, score: ArrayLike, weights: Array | None = None) -> Array:
    """Root of the mean squared distance between truth and answer, in units of the label.

    Args:
        truth: (cases,) numbers.
        score: (cases,) numbers.
        weights: (resamples, cases).
    """
    errors = np.asarray(truth, np.float64) - np.asarray(score, np.float64)
    weights = as_weights(weights, len(errors))
    return np.asarray(np.sqrt(ratio(weights @ errors**2, weights.sum(axis=1))))


def r2(truth: ArrayLike, score: ArrayLike, weights: Array | None = None) -> Array:
    """Share of the variance of the truth that the answers explain: 1 at best, below 0 if worse than the mean.

    Args:
        truth: (cases,) numbers.
        score: (cases,) numbers.
        weights: (resamples, cases).
    """
    x, y = np.asarray(truth, np.float64), np.asarray(score, np.float64)
    weights = as_weights(weights, len(x))
    spread = (weights * _centred(x[np.newaxis], weights) ** 2).sum(axis=1)
    return 1 - ratio(weights @ (x - y) ** 2, spread)


def as_weights(weights: Array | None, cases: int) -> Array:
    """(resamples, cases) as given, or one resample that holds every case once."""
    return np.ones((1, cases)) if weights is None else np.asarray(weights, np.float64)


def _by_score(positive: ArrayLike, score: ArrayLike, weights: Array | None) -> tuple[Array, Array]:
    """Weights of positives and of negatives at every distinct score, lowest first: (resamples, scores)."""
    positive, score = np.asarray(positive, np.bool_), np.asarray(score)
    weights = as_weights(weights, len(score))
    if not len(score):
        return weights, weights
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=np.nan) != 0)
    sorted_weights = weights[:, order]
    positives = _summed(sorted_weights * positive[order], starts)
    return positives, _summed(sorted_weights, starts) - positives


def _summed(weights: Array, starts: NDArray[np.intp]) -> Array:
    """Sums over runs of columns that begin at `starts`."""
    if len(starts) == weights.shape[1]:
        return weights
    return np.asarray(np.add.reduceat(weights, starts, axis=1), np.float64)


def _ranks(values: ArrayLike, weights: Array) -> Array:
    """(resamples, cases) mean rank of each case among all draws."""
    _, starts, place = np.unique(np.sort(np.asarray(values)), return_index=True, return_inverse=True)
    order = np.argsort(np.asarray(values), kind="stable")
    counts = _summed(weights[:, order], starts)
    ranks = np.cumsum(counts, axis=1) - (counts - 1) / 2
    of_case = np.empty_like(order)
    of_case[order] = place
    return np.asarray(ranks[:, of_case], np.float64)


def _correlation(x: Array, y: Array, weights: Array) -> Array:
    """Weighted correlation along the cases; x and y are (1 or resamples, cases)."""
    x, y = _centred(x, weights), _centred(y, weights)
    product = (weights * x**2).sum(axis=1) * (weights * y**2).sum(axis=1)
    return np.clip(ratio((weights * x * y).sum(axis=1), np.sqrt(product)), -1.0, 1.0)


def _centred(values: Array, weights: Array) -> Array:
    """Distance from the weighted mean; 0 where nothing but rounding tells the drawn values apart."""
    mean = ratio((weights * values).sum(axis=1, keepdims=True), weights.sum(axis=1, keepdims=True))
    rest = np.where(weights > 0, values - mean, 0.0)
    spread = np.abs(rest).max(axis=1, keepdims=True, initial=0)
    return np.where(spread > 1e-14 * np.abs(values).max(axis=1, keepdims=True, initial=0), rest, 0.0)


def mean_of_defined(columns: list[Array], resamples: int) -> Array:
    """Mean of several scores of the same resamples, those that are undefined left out: (resamples,)."""
    if not columns:
        return np.full(resamples, np.nan)
    values = np.stack(columns)
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=0), defined.sum(axis=0).astype(np.float64))


def ratio(above: Array, below: Array, empty: float = np.nan) -> Array:
    """The quotient, and `empty` where the divisor is 0."""
    quotient: Array = np.divide(above, below, out=np.full(np.shape(above), empty), where=below != 0)
    return quotient
