"""Calibration as a line: is risk told too extreme (slope below 1), or too high on the whole (below 0)?

Arguments and results are those of `scores`: `weights` (resamples, cases) in, (resamples,) out. The line is a
logistic regression of the outcome on the log odds that were told (Cox, Biometrika 1958;45:562; levels of
calibration after Van Calster, J Clin Epidemiol 2016;74:167); where answers separate the classes it is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.metrics.probability_scores import SMALLEST
from histopress.metrics.scores import as_weights, ratio

Array = NDArray[np.float64]

STEPS = 50
NEAR = 1e-8
FAR = 1e3
"""Slope, per standard deviation of the log odds, from which the classes count as separated."""


def calibration_slope(positive: ArrayLike, probability: ArrayLike, weights: Array | None = None) -> Array:
    """Slope of the calibration line: 1 if perfect, below 1 if risks are told too extreme, 0 if noise.

    Args:
        positive: (cases,) bool.
        probability: (cases,) of being positive.
        weights: (resamples, cases).
    """
    return calibration_line(positive, probability, weights)[1]


def calibration_in_the_large(
    positive: ArrayLike, probability: ArrayLike, weights: Array | None = None
) -> Array:
    """Intercept when the slope is held at 1: 0 if perfect, below 0 if risks are told too high.

    Args:
        positive: (cases,) bool.
        probability: (cases,) of being positive.
        weights: (resamples, cases).
    """
    outcome, odds = np.asarray(positive, np.float64), log_odds(probability)
    weights = as_weights(weights, len(outcome))
    share = ratio(weights @ outcome, weights.sum(axis=1))
    low, high = np.full(len(weights), -2 * FAR), np.full(len(weights), 2 * FAR)
    for _ in range(STEPS + 10):
        middle = (low + high) / 2
        told = (weights * logistic(odds + middle[:, None])).sum(axis=1)
        above = told > share * weights.sum(axis=1)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where((share > 0) & (share < 1), (low + high) / 2, np.nan)


def calibration_line(
    outcome: ArrayLike, probability: ArrayLike, weights: Array | None = None
) -> tuple[Array, Array]:
    """Maximum-likelihood intercept and slope of log odds of the outcome = intercept + slope * log odds told.

    Args:
        outcome: (cases,) bool, or shares between 0 and 1.
        probability: (cases,) of the outcome.
        weights: (resamples, cases).

    Returns:
        (resamples,) intercepts and (resamples,) slopes.
    """
    outcome, odds = np.asarray(outcome, np.float64), log_odds(probability)
    weights = as_weights(weights, len(outcome))
    total = weights.sum(axis=1)
    middle = ratio(weights @ odds, total)
    spread = np.sqrt(np.maximum(ratio(weights @ odds**2, total) - middle**2, 0.0))
    told = ratio(odds - middle[:, None], np.broadcast_to(spread[:, None], weights.shape))
    intercept, slope = _logistic_regression(outcome, told, weights)
    slope = slope / np.where(spread > 0, spread, np.nan)
    return intercept - slope * middle, slope


def line(truth: ArrayLike, score: ArrayLike, weights: Array | None = None) -> tuple[Array, Array]:
    """Least-squares intercept and slope of truth = intercept + slope * answer, for labels that are numbers.

    Args:
        truth: (cases,) numbers.
        score: (cases,) numbers.
        weights: (resamples, cases).

    Returns:
        (resamples,) intercepts and (resamples,) slopes; 0 and 1 if perfect.
    """
    x, y = np.asarray(score, np.float64), np.asarray(truth, np.float64)
    weights = as_weights(weights, len(x))
    total = weights.sum(axis=1)
    of_x, of_y = ratio(weights @ x, total), ratio(weights @ y, total)
    strays = x - of_x[:, None]
    slope = ratio((weights * strays * y).sum(axis=1), (weights * strays**2).sum(axis=1))
    return of_y - slope * of_x, slope


def log_odds(probability: ArrayLike) -> Array:
    """Logarithm of p / (1 - p), p held within `SMALLEST` of 0 and 1."""
    p = np.clip(np.asarray(probability, np.float64), SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(p) - np.log1p(-p))


def logistic(odds: Array) -> Array:
    """Probability of log odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -700.0, 700.0))))


def _logistic_regression(outcome: Array, told: Array, weights: Array) -> tuple[Array, Array]:
    """Newton's method for all resamples at once; NaN where it does not settle.

    Args:
        outcome: (cases,) 0 to 1.
        told: (resamples, cases) of mean 0 and standard deviation 1.
        weights: (resamples, cases).
    """
    intercept, slope = np.zeros(len(weights)), np.zeros(len(weights))
    size = np.full(len(weights), np.inf)
    for _ in range(STEPS):
        p = logistic(intercept[:, None] + slope[:, None] * told)
        gap, curve = weights * (outcome - p), weights * p * (1 - p)
        by_intercept, by_slope = gap.sum(axis=1), (gap * told).sum(axis=1)
        a, b, c = curve.sum(axis=1), (curve * told).sum(axis=1), (curve * told**2).sum(axis=1)
        area = a * c - b**2
        steps = np.stack([c * by_intercept - b * by_slope, a * by_slope - b * by_intercept])
        steps = ratio(steps, np.broadcast_to(area, steps.shape))
        size = np.abs(steps).max(axis=0)
        steps *= np.minimum(1.0, 2 / np.maximum(size, NEAR))
        intercept, slope = intercept + steps[0], slope + steps[1]
        if not (size > NEAR).any():
            break
    settled = (size <= NEAR) & (np.abs(slope) < FAR)
    return np.where(settled, intercept, np.nan), np.where(settled, slope, np.nan)
