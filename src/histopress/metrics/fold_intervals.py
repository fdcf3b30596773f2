"""A score across folds, told in two ways that differ: of all patients pooled, and as the mean of the folds.

Pooled, every patient is judged by the fold that tested it and all are ranked together, so that folds whose
answers lie on different scales cost score; the mean of the folds never compares patients of different
folds. Both intervals say how sure the score is for the models as they were trained: patients are resampled,
models are not trained anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.metrics.intervals import Interval, ScoreOfWeights, bootstrap, draw_resamples
from histopress.metrics.scores import mean_of_defined

Array = NDArray[np.float64]

POOLED = "pooled out-of-fold"
MEAN = "mean of per-fold scores"


@dataclass(frozen=True)
class FoldEstimate:
    """A score across folds.

    Attributes:
        name: `POOLED` or `MEAN`.
        value: NaN where undefined.
        interval: by bootstrap over patients, for `MEAN` within folds.
        folds: in which the score is defined; for `POOLED` those that tested.
    """

    name: str
    value: float
    interval: Interval
    folds: int


def fold_estimates(
    score: ScoreOfWeights,
    patients: ArrayLike,
    folds: ArrayLike,
    classes: ArrayLike | None,
    *,
    resamples: int,
    seed: int,
    level: float,
) -> tuple[FoldEstimate, FoldEstimate]:
    """The pooled score and the mean of the folds, each with its own interval.

    Args:
        score: weights (resamples, cases) -> (resamples,), over the patients of all folds.
        patients: (cases,) id of the patient of every case.
        folds: (cases,) fold that tested each case; one fold a patient.
        classes: (cases,) class of the patient of every case, within which patients are drawn; or, which is
            best, none: see `intervals`.
        resamples: how many.
        seed: of the draws.
        level: confidence, for example 0.95.
    """
    folds = np.asarray(folds)
    _, fold = np.unique(folds, return_inverse=True)
    everyone = np.ones((1, len(folds)))
    counts = draw_resamples(patients, classes, resamples, seed)
    pooled = bootstrap(score, patients, counts, level)

    def mean(weights: Array) -> Array:
        return mean_of_defined(list(by_fold(score, fold, weights)), len(weights))

    defined = int(np.isfinite(by_fold(score, fold, everyone)).sum())
    within = draw_resamples(patients, _strata(fold, classes), resamples, seed)
    limits = bootstrap(mean, patients, within, level)
    return (
        FoldEstimate(POOLED, float(score(everyone)[0]), pooled, int(fold.max()) + 1),
        FoldEstimate(MEAN, float(mean(everyone)[0]) if defined else math.nan, _within(limits), defined),
    )


def by_fold(score: ScoreOfWeights, fold: NDArray[np.intp], weights: Array) -> Array:
    """(folds, resamples) score of each fold's patients alone.

    Args:
        score: weights (resamples, cases) -> (resamples,).
        fold: (cases,) number of the fold, from 0.
        weights: (resamples, cases).
    """
    return np.stack([score(weights * (fold == number)) for number in range(int(fold.max()) + 1)])


def _strata(fold: NDArray[np.intp], classes: ArrayLike | None) -> NDArray[np.intp]:
    if classes is None:
        return fold
    names, number = np.unique(np.asarray(classes), return_inverse=True)
    return np.asarray(fold * len(names) + number)


def _within(limits: Interval) -> Interval:
    return Interval(limits.low, limits.high, limits.method.replace("patients", "patients within folds"))
