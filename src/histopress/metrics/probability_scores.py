"""Scores of probabilities, of many resamples at once: do they come true as often as they say?

Arguments and results are those of `scores`: `weights` (resamples, cases) in, (resamples,) out. Lower is
better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.metrics.curves import equal_count_bins
from histopress.metrics.scores import as_weights, ratio

Array = NDArray[np.float64]

SMALLEST = 1e-15
"""Probability below which the log loss does not look: one sure and wrong answer must not cost infinity."""


def brier(positive: ArrayLike, probability: ArrayLike, weights: Array | None = None) -> Array:
    """Mean squared distance of the probability to what came true (1 or 0); 0 to 1.

    Args:
        positive: (cases,) bool.
        probability: (cases,) of being positive.
        weights: (resamples, cases).
    """
    return _mean((np.asarray(probability) - np.asarray(positive, np.float64)) ** 2, weights)


def multiclass_brier(truth: ArrayLike, probabilities: Array, weights: Array | None = None) -> Array:
    """Squared distances summed over all classes, mean over cases; 0 to 2 (Brier 1950).

    For two classes it is twice the score of `brier`.

    Args:
        truth: (cases,) class numbers.
        probabilities: (cases, classes).
        weights: (resamples, cases).
    """
    return _mean(((probabilities - _members(truth, probabilities)) ** 2).sum(axis=1), weights)


def log_loss(truth: ArrayLike, probabilities: Array, weights: Array | None = None) -> Array:
    """Mean of -ln(probability of the true class), probabilities held above `SMALLEST`.

    Args:
        truth: (cases,) class numbers.
        probabilities: (cases, classes).
        weights: (resamples, cases).
    """
    truth = np.asarray(truth, np.int64)
    own = probabilities[np.arange(len(truth)), truth]
    return _mean(-np.log(np.clip(own, SMALLEST, 1.0)), weights)


def ranked_probability_score(truth: ArrayLike, probabilities: Array, weights: Array | None = None) -> Array:
    """Brier score of ordered grades: mean over cases and over the steps between grades; 0 to 1.

    At each step, the probability of a grade up to there is compared with whether it was (Epstein 1969).

    Args:
        truth: (cases,) ranks of the true grades, from 0.
        probabilities: (cases, grades) in the order of the grades.
        weights: (resamples, cases).
    """
    steps = np.cumsum(probabilities - _members(truth, probabilities), axis=1)[:, :-1]
    return _mean((steps**2).mean(axis=1), weights)


def calibration_error(positive: ArrayLike, probability: ArrayLike, weights: Array | None = None) -> Array:
    """Expected calibration error of two classes, in bins of equally many cases; 0 to 1.

    Mean over bins, by their weight, of the distance between the mean probability of the positive class and
    the share that came true. The bins are those of all cases, see `equal_count_bins`. It cannot be below 0,
    so chance alone lifts it: perfectly calibrated answers for 100 cases score about 0.1.

    Args:
        positive: (cases,) bool.
        probability: (cases,) of being positive.
        weights: (resamples, cases).
    """
    probability = np.asarray(probability, np.float64)
    weights = as_weights(weights, len(probability))
    bins = equal_count_bins(probability)
    gaps = np.where(bins == np.arange(bins.max() + 1)[:, None], np.asarray(positive) - probability, 0.0)
    return ratio(np.abs(weights @ gaps.T).sum(axis=1), weights.sum(axis=1))


def top_label_calibration_error(
    truth: ArrayLike, probabilities: Array, weights: Array | None = None
) -> Array:
    """Expected calibration error of the called class alone: was it right as often as its probability says?

    Args:
        truth: (cases,) class numbers.
        probabilities: (cases, classes); the most probable class is called.
        weights: (resamples, cases).
    """
    right = np.asarray(truth) == probabilities.argmax(axis=1)
    return calibration_error(right, probabilities.max(axis=1), weights)


def _mean(values: Array, weights: Array | None) -> Array:
    weights = as_weights(weights, len(values))
    return ratio(weights @ values, weights.sum(axis=1))


def _members(truth: ArrayLike, probabilities: Array) -> Array:
    """(cases, classes) 1 for the true class, 0 for the others."""
    return np.asarray(np.eye(probabilities.shape[1])[np.asarray(truth, np.int64)])
