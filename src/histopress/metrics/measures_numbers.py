"""The scores of numbers."""

from __future__ import annotations

import math

from histopress.metrics import scores
from histopress.metrics.case_arrays import Cases
from histopress.metrics.intervals import fisher
from histopress.metrics.measure import Limits, Measure, three_patients


def rank_limits(cases: Cases, level: float) -> Limits:
    """Of Spearman's correlation."""
    rho = float(scores.spearman(cases.truth, cases.score)[0])
    return fisher(rho, len(cases), level, extra=rho**2 / 2)


def _linear_limits(cases: Cases, level: float) -> Limits:
    return fisher(float(scores.pearson(cases.truth, cases.score)[0]), len(cases), level)


REGRESSION = (
    Measure(
        "spearman",
        "Spearman",
        "correlation of ranks: 1 if the patients are put in the right order",
        lambda c, w: scores.spearman(c.truth, c.score, w),
        ends=(-1.0, 1.0),
        limits=rank_limits,
        method="Fisher's z (Bonett and Wright 2000)",
        chance=lambda _: 0.0,
        needs=three_patients,
    ),
    Measure(
        "pearson",
        "Pearson",
        "linear correlation of answer and label",
        lambda c, w: scores.pearson(c.truth, c.score, w),
        ends=(-1.0, 1.0),
        limits=_linear_limits,
        method="Fisher's z",
        chance=lambda _: 0.0,
        needs=three_patients,
    ),
    Measure(
        "mae",
        "Mean absolute error",
        "mean distance of answer and label, on the label's scale",
        lambda c, w: scores.mean_absolute_error(c.truth, c.score, w),
        ends=(0.0, math.inf),
        higher=False,
    ),
    Measure(
        "r2",
        "R2",
        "share of the labels' variance that the answers explain; below 0 they are worse than the mean label",
        lambda c, w: scores.r2(c.truth, c.score, w),
        ends=(-math.inf, 1.0),
        chance=lambda _: 0.0,
        needs=three_patients,
    ),
)
