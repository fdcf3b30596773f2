"""How sure a score is: bootstrap over patients, and closed forms for where the bootstrap cannot be trusted.

The bootstrap draws patients with replacement, all rows of a patient together. Its interval is the
bias-corrected and accelerated one, which covers better than plain percentiles for skewed scores, expanded for
few patients: the normal quantile becomes Student's, with the degrees of freedom that the patients' pulls on
the score speak for (after Hesterberg, Am Stat 2015;69:371, and Satterthwaite).

Patients are best drawn whatever their class, as another cohort would be. Drawn within classes, 95 % intervals
of scores that depend on how common a class is held the truth in 25 to 85 % (Brier score, 20 % positive), 80
to 91 % (average precision) and 88 to 91 % (quadratic kappa) of simulated cohorts; `benchmarks/coverage.py`
tells what they hold as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

Array = NDArray[np.float64]
ScoreOfWeights = Callable[[Array], Array]

BLOCK = 2_000_000
"""Numbers of a block of resamples that are scored at once: bounds the memory."""

LEAST_FREEDOM = 3.0

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
        classes: (cases,) class of the patient of every case, where a study fixed the number of patients of
            each; without, all patients are drawn from alike.
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


@dataclass(frozen=True)
class Resampled:
    """A score of a cohort, of resamples of it, and without each of its patients in turn.

    Attributes:
        point: of the cohort.
        values: (resamples,) NaN where undefined.
        without: (groups,) without one patient, or one group of patients where there are many.
    """

    point: float
    values: Array
    without: Array

    def minus(self, other: Resampled) -> Resampled:
        """The difference of two scores on the same resamples of the same patients."""
        return Resampled(self.point - other.point, self.values - other.values, self.without - other.without)

    def interval(self, level: float) -> Interval:
        """Bias-corrected and accelerated limits, see `bootstrap`."""
        values = self._defined()
        if not len(values):
            return UNKNOWN
        patients, freedom = self._freedom()
        half = _widening(patients) * float(stdtrit(freedom, (1 + level) / 2))
        low, high = (float(np.quantile(values, self._share(values, z))) for z in (-half, half))
        return Interval(min(low, self.point), max(high, self.point), "bootstrap over patients (BCa)")

    def p_value(self, null: float = 0.0) -> float:
        """Two-sided p of the test that inverts the interval: below 0.05 where 95 % limits leave `null` out.

        Never below 2 / (resamples + 1); NaN where the interval is unknown.
        """
        values = self._defined()
        if not len(values):
            return math.nan
        bias, skew = self._correction(values)
        distance = NormalDist().inv_cdf(_share_below(values, null)) - bias
        z = distance / max(1 + skew * distance, 1e-6) - bias
        patients, freedom = self._freedom()
        return max(2 * float(stdtr(freedom, -abs(z) / _widening(patients))), 2 / (len(values) + 1))

    def _defined(self) -> Array:
        """The resamples in which the score is defined; none where they are fewer than half."""
        values = self.values[np.isfinite(self.values)]
        return values if math.isfinite(self.point) and 2 * len(values) >= len(self.values) else values[:0]

    def _correction(self, values: Array) -> tuple[float, float]:
        """Bias and acceleration."""
        bias = NormalDist().inv_cdf(_share_below(values, self.point))
        pulls = self._pulls()
        spread = float((pulls**2).sum())
        return bias, float((pulls**3).sum()) / (6 * spread**1.5) if spread > 1e-18 else 0.0

    def _share(self, values: Array, z: float) -> float:
        """Which quantile of the resampled scores is the limit."""
        bias, skew = self._correction(values)
        return NormalDist().cdf(bias + (bias + z) / max(1 - skew * (bias + z), 1e-6))

    def _freedom(self) -> tuple[int, float]:
        """Patients, and degrees of freedom: fewer than patients where some pull far more than others."""
        pulls = self._pulls()
        squares = pulls**2
        uneven = float((squares**2).sum() - squares.sum() ** 2 / len(pulls))
        most = max(len(pulls) - 1, 1)
        even = uneven <= 1e-12 * float(squares.sum()) ** 2
        freedom = most if even else 2 * float(squares.sum()) ** 2 / uneven
        return len(pulls), min(max(freedom, LEAST_FREEDOM), most)

    def _pulls(self) -> Array:
        """(groups,) how far each patient pulls the score up."""
        without = self.without[np.isfinite(self.without)]
        return np.asarray(without.mean() - without) if len(without) else np.zeros(1)


def resample(score: ScoreOfWeights, patients: ArrayLike, counts: NDArray[np.uint16]) -> Resampled:
    """Score a cohort, its resamples, and what is left without each patient.

    Args:
        score: weights (resamples, cases) -> (resamples,).
        patients: (cases,) id of the patient of every case.
        counts: see `draw_resamples`.
    """
    point = float(score(np.ones((1, counts.shape[1])))[0])
    return Resampled(point, _in_blocks(score, counts), _in_blocks(score, _left_out(patients)))


def bootstrap(
    score: ScoreOfWeights, patients: ArrayLike, counts: NDArray[np.uint16], level: float
) -> Interval:
    """Bias-corrected and accelerated bootstrap interval (Efron, J Am Stat Assoc 1987;82:171), expanded.

    Resamples in which the score is undefined are left aside, as if they had been drawn again. The interval is
    widened to hold the point, should it not.

    Args:
        score: weights (resamples, cases) -> (resamples,).
        patients: (cases,) id of the patient of every case.
        counts: see `draw_resamples`.
        level: confidence, for example 0.95.
    """
    return resample(score, patients, counts).interval(level)


def _in_blocks(score: ScoreOfWeights, counts: NDArray[np.uint16]) -> Array:
    rows = max(1, BLOCK // counts.shape[1])
    blocks = range(0, len(counts), rows)
    return np.concatenate([score(counts[i : i + rows].astype(np.float64)) for i in blocks])


def _left_out(patients: ArrayLike) -> NDArray[np.uint16]:
    """(groups, cases) 0 for the cases of the patients that are left out, 1 for the others."""
    ids, patient = np.unique(np.asarray(patients), return_inverse=True)
    groups = min(len(ids), MOST_LEFT_OUT)
    return np.asarray(np.not_equal.outer(np.arange(groups), patient % groups), np.uint16)


def _share_below(values: Array, limit: float) -> float:
    """Share of resampled scores below a limit, ties half; never 0 or 1."""
    below = (np.mean(values < limit) + np.mean(values <= limit)) / 2
    return float(np.clip(below, 1 / (len(values) + 1), len(values) / (len(values) + 1)))


def _widening(patients: int) -> float:
    """Resamples of few patients vary less than cohorts do."""
    return math.sqrt(patients / max(patients - 1, 1))


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
