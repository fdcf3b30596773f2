"""Scores of called classes, of many resamples at once: how often calls are right, and how far off they are.

Arguments and results are those of `scores`: `weights` (resamples, cases) in, (resamples,) out, NaN where
undefined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.metrics.scores import as_weights, mean_of_defined, ratio

Array = NDArray[np.float64]


def confusion(truth: ArrayLike, answer: ArrayLike, classes: int, weights: Array | None = None) -> Array:
    """Weight of the cases of every true class (rows) that are called every class (columns).

    Args:
        truth: (cases,) class numbers from 0.
        answer: (cases,) class numbers from 0.
        classes: how many there are.
        weights: (resamples, cases).

    Returns:
        (resamples, classes, classes).
    """
    truth, answer = np.asarray(truth, np.int64), np.asarray(answer, np.int64)
    cells = np.zeros((len(truth), classes * classes))
    cells[np.arange(len(truth)), truth * classes + answer] = 1
    return (as_weights(weights, len(truth)) @ cells).reshape(-1, classes, classes)


def accuracy(truth: ArrayLike, answer: ArrayLike, weights: Array | None = None) -> Array:
    """Share of the cases that are called right.

    Args:
        truth: (cases,) class numbers.
        answer: (cases,) class numbers.
        weights: (resamples, cases).
    """
    truth = np.asarray(truth)
    return _share(truth == np.asarray(answer), np.ones(len(truth), np.bool_), weights)


def sensitivity(positive: ArrayLike, called: ArrayLike, weights: Array | None = None) -> Array:
    """Share of the positives that are called; also named recall.

    Args:
        positive: (cases,) bool, the truth.
        called: (cases,) bool, the answer.
        weights: (resamples, cases).
    """
    return _share(called, positive, weights)


def specificity(positive: ArrayLike, called: ArrayLike, weights: Array | None = None) -> Array:
    """Share of the negatives that are not called; arguments as for `sensitivity`."""
    return _share(_not(called), _not(positive), weights)


def positive_predictive_value(positive: ArrayLike, called: ArrayLike, weights: Array | None = None) -> Array:
    """Share of the called that are positive, also named precision; arguments as for `sensitivity`."""
    return _share(positive, called, weights)


def negative_predictive_value(positive: ArrayLike, called: ArrayLike, weights: Array | None = None) -> Array:
    """Share of those not called that are negative; arguments as for `sensitivity`."""
    return _share(_not(positive), _not(called), weights)


def f1(positive: ArrayLike, called: ArrayLike, weights: Array | None = None) -> Array:
    """Harmonic mean of sensitivity and positive predictive value; arguments as for `sensitivity`."""
    positive, called = np.asarray(positive, np.bool_), np.asarray(called, np.bool_)
    weights = as_weights(weights, len(positive))
    return ratio(2 * (weights @ (positive & called)), weights @ positive + weights @ called)


def macro_f1(truth: ArrayLike, answer: ArrayLike, weights: Array | None = None) -> Array:
    """Mean F1 over the classes that occur in truth or answer, each against all others.

    Args:
        truth: (cases,) class numbers.
        answer: (cases,) class numbers.
        weights: (resamples, cases).
    """
    truth, answer = np.asarray(truth), np.asarray(answer)
    weights = as_weights(weights, len(truth))
    occurring = np.union1d(truth, answer)
    return mean_of_defined([f1(truth == c, answer == c, weights) for c in occurring], len(weights))


def mcc(truth: ArrayLike, answer: ArrayLike, weights: Array | None = None) -> Array:
    """Matthews' correlation of truth and calls, -1 to 1, for any number of classes (Gorodkin 2004).

    Calls that are all the same score 0; a truth that is all the same leaves it undefined.

    Args:
        truth: (cases,) class numbers.
        answer: (cases,) class numbers.
        weights: (resamples, cases).
    """
    truth, answer = np.asarray(truth), np.asarray(answer)
    weights = as_weights(weights, len(truth))
    total = weights.sum(axis=1)
    each = [(weights @ (truth == c), weights @ (answer == c)) for c in np.union1d(truth, answer)]
    true, called = (np.stack(column) for column in zip(*each, strict=True))
    shared = (weights @ (truth == answer)) * total - (true * called).sum(axis=0)
    true_spread, called_spread = (total**2 - (n**2).sum(axis=0) for n in (true, called))
    found = ratio(shared, np.sqrt(true_spread * called_spread), empty=0.0)
    return np.where(true_spread > 0, found, np.nan)


def quadratic_kappa(truth: ArrayLike, answer: ArrayLike, weights: Array | None = None) -> Array:
    """Cohen's kappa with quadratic weights: agreement of grades beyond chance, 1 at best.

    Args:
        truth: (cases,) ranks of the true grades.
        answer: (cases,) ranks of the called grades.
        weights: (resamples, cases).
    """
    x, y = np.asarray(truth, np.float64), np.asarray(answer, np.float64)
    weights = as_weights(weights, len(x))
    total = weights.sum(axis=1)
    of_x, of_y = weights @ x, weights @ y
    by_chance = total * (weights @ (x**2 + y**2)) - 2 * of_x * of_y
    return 1 - ratio(total * (weights @ (x - y) ** 2), by_chance)


def _share(hits: ArrayLike, among: ArrayLike, weights: Array | None) -> Array:
    hits, among = np.asarray(hits, np.bool_), np.asarray(among, np.bool_)
    weights = as_weights(weights, len(among))
    return ratio(weights @ (hits & among), weights @ among)


def _not(values: ArrayLike) -> NDArray[np.bool_]:
    return ~np.asarray(values, np.bool_)
