"""Curves of one class against the others, with bands from resamples, and the reliability of probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.metrics.intervals import wilson

Array = NDArray[np.float64]
Counts = NDArray[np.uint16] | NDArray[np.float64]

GRID = np.linspace(0.0, 1.0, 101)
MOST_BINS = 10
BIN_PATIENTS = 8
"""Patients a bin of the reliability should hold at least."""


@dataclass(frozen=True)
class Curve:
    """A curve and its band, all between 0 and 1.

    Attributes:
        x: (points,) false positive rate, or recall.
        y: (points,) true positive rate, or precision.
        low: (101,) lower limit of y at x = 0, 0.01, ... 1, each x on its own.
        high: (101,) upper limit.
    """

    x: Array
    y: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Reliability:
    """How often what was said with a probability came true, in bins of about equally many patients.

    Attributes:
        said: (bins,) mean probability.
        came: (bins,) share that came true.
        low: (bins,) Wilson limit of it.
        high: (bins,) Wilson limit of it.
        patients: (bins,) how many.
    """

    said: Array
    came: Array
    low: Array
    high: Array
    patients: NDArray[np.int64]


def roc(positive: NDArray[np.bool_], score: Array, counts: NDArray[np.uint16], level: float) -> Curve:
    """Receiver operating characteristic.

    Args:
        positive: (cases,).
        score: (cases,) higher for more likely positive.
        counts: (resamples, cases), see `intervals.draw_resamples`.
        level: of the band.
    """
    found, false = _rates(positive, score, np.ones(len(score)))
    band = np.empty((len(counts), len(GRID)))
    for row, weights in zip(band, counts, strict=True):
        ys, xs = _rates(positive, score, weights)
        row[:] = ys[np.searchsorted(xs, GRID, side="right") - 1]
    return Curve(false, found, *_limits(band, level))


def precision_recall(
    positive: NDArray[np.bool_], score: Array, counts: NDArray[np.uint16], level: float
) -> Curve:
    """Precision over recall, without interpolation; arguments as for `roc`."""
    recall, precision = _precision(positive, score, np.ones(len(score)))
    band = np.empty((len(counts), len(GRID)))
    for row, weights in zip(band, counts, strict=True):
        xs, ys = _precision(positive, score, weights)
        row[:] = ys[np.searchsorted(xs, np.maximum(GRID - 1e-9, 1e-9), side="left")]
    return Curve(recall, precision, *_limits(band, level))


def reliability(probability: Array, outcome: NDArray[np.bool_], level: float) -> Reliability:
    """Compare probabilities with what came true.

    Args:
        probability: (cases,) said of the outcome.
        outcome: (cases,) whether it came true.
        level: of the limits.
    """
    bins = equal_count_bins(probability)
    members = [bins == b for b in range(int(bins.max()) + 1)]
    shares = [float(outcome[m].mean()) for m in members]
    limits = np.array([wilson(s, int(m.sum()), level) for s, m in zip(shares, members, strict=True)])
    return Reliability(
        said=np.array([probability[m].mean() for m in members]),
        came=np.array(shares),
        low=limits[:, 0],
        high=limits[:, 1],
        patients=np.array([m.sum() for m in members]),
    )


def equal_count_bins(probability: Array) -> NDArray[np.int64]:
    """(cases,) number of the bin of each case, from 0: at most 10 bins of equally many, at least 8, cases.

    Equal probabilities share a bin.

    Args:
        probability: (cases,).
    """
    bins = int(np.clip(len(probability) // BIN_PATIENTS, 1, MOST_BINS))
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, probability, side="right")
    return np.asarray(np.unique(place, return_inverse=True)[1], np.int64)


def _found(positive: NDArray[np.bool_], score: Array, weights: Counts) -> tuple[Array, Array]:
    """Positives and negatives at or above each distinct score that was drawn, from the highest down."""
    drawn = np.asarray(weights > 0)
    order = np.argsort(-score[drawn], kind="stable")
    score, positive, weights = score[drawn][order], positive[drawn][order], weights[drawn][order]
    last = np.append(np.diff(score) != 0, True)
    return np.cumsum(weights * positive)[last], np.cumsum(weights * ~positive)[last]


def _rates(positive: NDArray[np.bool_], score: Array, weights: Counts) -> tuple[Array, Array]:
    """(true, false) positive rates from (0, 0) to (1, 1)."""
    found, false = _found(positive, score, weights)
    return np.insert(found / found[-1], 0, 0.0), np.insert(false / false[-1], 0, 0.0)


def _precision(positive: NDArray[np.bool_], score: Array, weights: Counts) -> tuple[Array, Array]:
    """(recall, precision) from the highest score down."""
    found, false = _found(positive, score, weights)
    return found / found[-1], found / (found + false)


def _limits(band: Array, level: float) -> tuple[Array, Array]:
    low, high = np.quantile(band, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
