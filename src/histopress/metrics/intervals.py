"""How sure a score is: bootstrap over patients, and closed forms for where the bootstrap cannot be trusted.

The bootstrap draws patients with replacement, all rows of a patient together, within every class: the numbers
of patients of each class stay what they were, so that no resample lacks a class. Its interval is the
bias-corrected and accelerated one, which covers better than plain percentiles for skewed scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
ScoreOfWeights = Callable[[Array], Array]

BLOCK = 2_000_000
"""Numbers of a block of resamples that are scored at once: bounds the memory."""

MOST_LEFT_OUT = 1000
"""Groups of the jackknife; more patients than this are left out several at a time."""


@dataclass(frozen=True)
class Interval:
    """Limits of a score, and how they were found, in words."""

    low: float
    high: float
    method: str


UNKNOWN = Interval(math.nan, math.nan, "none")


def draw_resamples(
    patients: ArrayLike, classes: ArrayLike | None, resamples: int, seed: int
) -> NDArray[np.uint16]:
    """Draw patients with replacement, within every class.

    Args:
        patients: (cases,) id of the patient of every case.
        classes: (cases,) class of the patient of every case; without, all patients are drawn from alike.
        resamples: how many.
        seed: the same seed gives the same draws.

    Returns:
        (resamples, cases) how often each case was drawn; cases of one patient always equally often.
    """
    _, first, patient = np.unique(np.asarray(patients), return_index=True, return_inverse=True)
    strata = np.zeros(len(first)) if classes is None else np.asarray(classes)[first]
    rng = np.random.default_rng(seed)
    counts = np.zeros((resamples, len(first)), np.uint16)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        for row in counts:
            row[members] = np.bincount(rng.integers(0, len(members), len(members)), minlength=len(members))
    drawn: NDArray[np.uint16] = counts[:, patient]
    return drawn


def bootstrap(
    score: ScoreOfWeights, patients: ArrayLike, counts: NDArray[np.uint16], level: float
) -> Interval:
    """Bias-corrected and accelerated bootstrap interval (Efron, J Am Stat Assoc 1987;82:171).

    Resamples in which the score is undefined are left aside, as if they had been drawn again. The interval is
    widened to hold the point, should it not.

    Args:
        score: weights (resamples, cases) -> (resamples,).
        patients: (cases,) id of the patient of every case.
        counts: see `draw_resamples`.
        level: confidence, for example 0.95.
    """
    point = float(score(np.ones((1, counts.shape[1])))[0])
    values = _in_blocks(score, counts)
    values = values[np.isfinite(values)]
    if not math.isfinite(point) or len(values) < len(counts) / 2:
        return UNKNOWN
    without = _in_blocks(score, _left_out(patients))
    low, high = np.quantile(values, _shares(values, point, without[np.isfinite(without)], level))
    return Interval(min(low, point), max(high, point), "bootstrap over patients (BCa)")


def _in_blocks(score: ScoreOfWeights, counts: NDArray[np.uint16]) -> Array:
    rows = max(1, BLOCK // counts.shape[1])
    blocks = range(0, len(counts), rows)
    return np.concatenate([score(counts[i : i + rows].astype(np.float64)) for i in blocks])


def _left_out(patients: ArrayLike) -> NDArray[np.uint16]:
    """(groups, cases) 0 for the cases of the patients that are left out, 1 for the others."""
    ids, patient = np.unique(np.asarray(patients), return_inverse=True)
    groups = min(len(ids), MOST_LEFT_OUT)
    return np.asarray(np.not_equal.outer(np.arange(groups), patient % groups), np.uint16)


def _shares(values: Array, point: float, without: Array, level: float) -> list[float]:
    """Which quantiles of the resampled scores are the limits."""
    normal = NormalDist()
    below = (np.mean(values < point) + np.mean(values <= point)) / 2
    bias = normal.inv_cdf(float(np.clip(below, 1 / len(values), 1 - 1 / len(values))))
    pulls = without.mean() - without if len(without) else np.zeros(1)
    spread = float((pulls**2).sum())
    skew = float((pulls**3).sum()) / (6 * spread**1.5) if spread > 1e-18 else 0.0
    shares = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = bias + normal.inv_cdf(tail)
        shares.append(normal.cdf(bias + z / max(1 - skew * z, 1e-6)))
    return shares


def wilson(share: float, trials: int, level: float) -> tuple[float, float]:
    """Score interval of a proportion (Wilson, J Am Stat Assoc 1927;22:209)."""
    z = _z(level)
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def newcombe(area: float, positives: int, negatives: int, level: float) -> tuple[float, float]:
    """Score interval of an AUROC, method 5 of Newcombe (Stat Med 2006;25:559); not degenerate at 0 and 1."""
    z = _z(level)
    balance = (positives + negatives) / 2 - 1

    def distance(guess: float) -> float:
        shape = 1 + balance * ((1 - guess) / (2 - guess) + guess / (1 + guess))
        return abs(guess - area) - z * math.sqrt(guess * (1 - guess) * shape / (positives * negatives))

    return _boundary(distance, area, 0.0), _boundary(distance, area, 1.0)


def _boundary(distance: Callable[[float], float], inside: float, end: float) -> float:
    """Where `distance` crosses zero between a point inside the interval and the end of the scale."""
    if inside == end:
        return end
    near = inside + (end - inside) * 1e-9
    far = end
    for _ in range(60):
        middle = (near + far) / 2
        near, far = (near, middle) if distance(middle) > 0 else (middle, far)
    return (near + far) / 2


def fisher(correlation: float, cases: int, level: float, extra: float = 0.0) -> tuple[float, float]:
    """Interval of a correlation by Fisher's z; a perfect one counts as half a step of ranks below.

    Args:
        correlation: -1 to 1.
        cases: how many; below 4 nothing is known.
        level: confidence.
        extra: added variance of z times (cases - 3): r^2 / 2 for Spearman (Bonett and Wright,
            Psychometrika 2000;65:23).
    """
    if cases < 4:
        return -1.0, 1.0
    most = 1 - 6 / (cases * (cases**2 - 1))
    middle = math.atanh(min(max(correlation, -most), most))
    half = _z(level) * math.sqrt((1 + extra) / (cases - 3))
    return math.tanh(middle - half), math.tanh(middle + half)


def mean_of_independent(points: list[float], limits: list[tuple[float, float]]) -> tuple[float, float]:
    """Limits of the mean of independent estimates from their own (Zou and Donner, Stat Med 2008;27:1693)."""
    middle = sum(points) / len(points)
    below = math.hypot(*(p - low for p, (low, _) in zip(points, limits, strict=True)))
    above = math.hypot(*(high - p for p, (_, high) in zip(points, limits, strict=True)))
    return middle - below / len(points), middle + above / len(points)


def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
