"""Areas under ROC curves with their covariance in closed form (DeLong, Biometrics 1988;44:837).

Midranks make it fast (Sun and Xu, IEEE Signal Process Lett 2014;21:1389). Several cases of one patient count
as one cluster (Obuchowski, Biometrics 1997;53:567); with one case a patient that is DeLong's own form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit
from scipy.stats import rankdata

from histopress.metrics.intervals import UNKNOWN, Interval, newcombe
from histopress.metrics.scores import ratio

Array = NDArray[np.float64]

LOGIT = "DeLong, on the logit scale"
ENDS = "the wider of DeLong and score interval (Newcombe 2006, method 5), as the classes are almost apart"


@dataclass(frozen=True)
class Areas:
    """Areas under the ROC curves of several models on the same cases.

    Attributes:
        area: (models,).
        covariance: (models, models); NaN where a class has fewer than two patients.
        freedom: (models,) degrees of freedom of the variances (Satterthwaite).
        positives: patients who have positive cases.
        negatives: patients who have negative cases.
    """

    area: Array
    covariance: Array
    freedom: Array
    positives: int
    negatives: int

    def interval(self, model: int, level: float) -> Interval:
        """Limits of one area, even on the logit scale so that they stay within 0 and 1.

        Where less than one patient's worth of pairs is wrongly ordered, the variance is not trusted.
        Simulated with 30 patients and a true area of 0.95, 95 % limits hold it in 98 of 100 cohorts, and
        in 88 without this and Student's quantile where patients had one to five slides.

        Args:
            model: its number.
            level: confidence, for example 0.95.
        """
        area, sd = float(self.area[model]), self.sd(model)
        if not math.isfinite(sd):
            return UNKNOWN
        low, high = area, area
        if 0 < area < 1:
            middle = math.log(area / (1 - area))
            half = float(stdtrit(self.freedom[model], (1 + level) / 2)) * sd / (area * (1 - area))
            low, high = _logistic(middle - half), _logistic(middle + half)
        if min(area, 1 - area) * min(self.positives, self.negatives) >= 1:
            return Interval(low, high, LOGIT)
        wide = newcombe(area, self.positives, self.negatives, level)
        return Interval(min(low, wide[0]), max(high, wide[1]), ENDS)

    def sd(self, model: int) -> float:
        """Standard error of one area."""
        return math.sqrt(max(float(self.covariance[model, model]), 0.0))

    def difference(self, one: int, other: int, level: float) -> tuple[Interval, float]:
        """Limits of the area of one model less that of another, and the two-sided p of no difference.

        Models that put all cases in the same order have limits 0 and 0, and p 1.

        Args:
            one: number of a model.
            other: number of another.
            level: confidence.
        """
        contrast = np.zeros(len(self.area))
        contrast[[one, other]] = 1, -1
        value = float(contrast @ self.area)
        sd = math.sqrt(max(float(contrast @ self.covariance @ contrast), 0.0))
        if not math.isfinite(sd):
            return UNKNOWN, math.nan
        half = NormalDist().inv_cdf((1 + level) / 2) * sd
        p = 2 * NormalDist().cdf(-abs(value) / sd) if sd > 1e-12 else float(abs(value) < 1e-12)
        return Interval(value - half, value + half, "DeLong"), p


def delong(positive: ArrayLike, scores: ArrayLike, patients: ArrayLike | None = None) -> Areas:
    """Areas of models on the same cases, and how they vary together.

    Args:
        positive: (cases,) bool; both classes must occur.
        scores: (models, cases) or (cases,), higher for more likely positive.
        patients: (cases,) id of the patient of every case; without, every case is a patient.
    """
    positive = np.asarray(positive, np.bool_)
    scores = np.atleast_2d(np.asarray(scores, np.float64))
    patients = np.arange(len(positive)) if patients is None else np.asarray(patients)
    positives, negatives = (len(np.unique(patients[members])) for members in (positive, ~positive))
    placed = placements(positive, scores)
    area = placed[:, positive].mean(axis=1)
    covariance, freedom = _covariance(placed - area[:, None], positive, patients)
    return Areas(area, covariance, freedom, positives, negatives)


def placements(positive: NDArray[np.bool_], scores: Array) -> Array:
    """Share of the other class that each case is on the right side of; ties count half.

    Args:
        positive: (cases,).
        scores: (models, cases).

    Returns:
        (models, cases), whose mean over the positives, or the negatives, is the area.
    """
    placed = np.empty_like(scores)
    everyone = rankdata(scores, axis=1)
    for members in (positive, ~positive):
        among_own = rankdata(scores[:, members], axis=1)
        placed[:, members] = (everyone[:, members] - among_own) / (~members).sum()
    placed[:, ~positive] = 1 - placed[:, ~positive]
    return placed


def _covariance(
    strays: Array, positive: NDArray[np.bool_], patients: NDArray[np.generic]
) -> tuple[Array, Array]:
    """From how far each case's placement strays from the area, summed by patient.

    Returns:
        (models, models) covariance and (models,) degrees of freedom.
    """
    ids, patient = np.unique(patients, return_inverse=True)
    by_class, holders = [], []
    for members in (positive, ~positive):
        sums = np.stack([np.bincount(patient[members], row[members], len(ids)) for row in strays])
        by_class.append(sums / members.sum())
        holders.append(len(np.unique(patient[members])))
    if min(holders) < 2:
        return np.full((len(strays), len(strays)), np.nan), np.full(len(strays), np.nan)
    of_positives, of_negatives = (
        n / (n - 1) * sums @ sums.T for n, sums in zip(holders, by_class, strict=True)
    )
    mixed = by_class[0] @ by_class[1].T * len(ids) / (len(ids) - 1)
    one, other = np.diag(of_positives), np.diag(of_negatives)
    uneven = one**2 / (holders[0] - 1) + other**2 / (holders[1] - 1)
    freedom = ratio((one + other) ** 2, uneven, empty=float(min(holders) - 1))
    return np.asarray(of_positives + of_negatives + mixed + mixed.T, np.float64), freedom


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-min(max(value, -700.0), 700.0)))
