"""Two or more models on the same patients: differences with intervals, and p corrected for their number.

Patients are drawn once and every model is scored on the same draws, so that what is hard about a patient
falls on all models alike and leaves the difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.core.errors import PredictionsError
from histopress.metrics.corrections import Correction, corrected
from histopress.metrics.delong import delong
from histopress.metrics.intervals import Interval, ScoreOfWeights, resample

Array = NDArray[np.float64]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """One model less another, on the same patients.

    Attributes:
        one: name of a model.
        other: name of the model that it is compared with.
        value: score of `one` less score of `other`; NaN where undefined.
        interval: limits of the difference.
        p: two-sided, that of no difference.
        corrected: the same, corrected for all comparisons that were made together.
    """

    one: str
    other: str
    value: float
    interval: Interval
    p: float
    corrected: float = math.nan

    @property
    def plain(self) -> dict[str, Any]:
        """As plain values for JSON; None for what is undefined."""
        numbers = {
            "value": self.value,
            "low": self.interval.low,
            "high": self.interval.high,
            "p": self.p,
            "p_corrected": self.corrected,
        }
        finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        return {"one": self.one, "other": self.other, **finite, "method": self.interval.method}


@dataclass(frozen=True)
class InCommon:
    """Which cases every model answers for.

    Attributes:
        patients: ids of those that all models answer for, sorted.
        rows: of each model, where those patients stand, in the same order.
        left_out: of each model, ids of its patients that some other model lacks.
    """

    patients: NDArray[np.str_]
    rows: dict[str, NDArray[np.intp]]
    left_out: dict[str, tuple[str, ...]]


def in_common(patients: Mapping[str, ArrayLike], truths: Mapping[str, ArrayLike]) -> InCommon:
    """Find the patients that all models answer for, one row each.

    Args:
        patients: of each model, (cases,) ids, none twice.
        truths: of each model, (cases, ...) truth of its patients.

    Raises:
        PredictionsError: no patient is in common, or models are told different truths of a patient.
    """
    ids = {name: np.asarray(own, np.str_) for name, own in patients.items()}
    shared = reduce(np.intersect1d, ids.values())
    if not len(shared):
        raise PredictionsError(
            f"{', '.join(ids)} have no patient in common, expected answers for the same patients; "
            "compare tables of the same cohort"
        )
    rows = {name: np.argsort(own)[np.searchsorted(np.sort(own), shared)] for name, own in ids.items()}
    _same_truths(shared, {name: np.asarray(truths[name])[rows[name]] for name in ids})
    left_out = {name: tuple(map(str, np.setdiff1d(own, shared))) for name, own in ids.items()}
    return InCommon(shared, rows, left_out)


def compare(
    scores: Mapping[str, ScoreOfWeights],
    patients: ArrayLike,
    counts: NDArray[np.uint16],
    level: float,
    *,
    reference: str | None = None,
    correction: Correction = "holm",
) -> tuple[Difference, ...]:
    """Differences of any score by paired bootstrap; see `intervals.Resampled.p_value` for what p means.

    Args:
        scores: of each model, weights (resamples, cases) -> (resamples,), over the same cases.
        patients: (cases,) id of the patient of every case.
        counts: the draws of patients, see `intervals.draw_resamples`.
        level: confidence, for example 0.95.
        reference: name of the model that all others are compared with; without, all pairs are compared.
        correction: for the number of comparisons.
    """
    drawn = {name: resample(score, patients, counts) for name, score in scores.items()}
    found = []
    for one, other in pairs(list(scores), reference):
        gap = drawn[one].minus(drawn[other])
        found.append(Difference(one, other, gap.point, _paired(gap.interval(level)), gap.p_value()))
    return _with_correction(found, correction)


def compare_areas(
    positive: ArrayLike,
    scores: Mapping[str, ArrayLike],
    patients: ArrayLike | None,
    level: float,
    *,
    reference: str | None = None,
    correction: Correction = "holm",
) -> tuple[Difference, ...]:
    """Differences of AUROC by DeLong's test.

    Args:
        positive: (cases,) bool.
        scores: of each model, (cases,) higher for more likely positive.
        patients: (cases,) id of the patient of every case; without, every case is a patient.
        level: confidence.
        reference: name of the model that all others are compared with; without, all pairs are compared.
        correction: for the number of comparisons.
    """
    names = list(scores)
    areas = delong(positive, np.stack([np.asarray(scores[name], np.float64) for name in names]), patients)
    found = []
    for one, other in pairs(names, reference):
        i, j = names.index(one), names.index(other)
        interval, p = areas.difference(i, j, level)
        found.append(Difference(one, other, float(areas.area[i] - areas.area[j]), interval, p))
    return _with_correction(found, correction)


def pairs(names: Sequence[str], reference: str | None) -> list[Pair]:
    """Which models are compared: all others with the reference, or later ones with earlier ones.

    Args:
        names: of the models.
        reference: one of them, or none.

    Raises:
        PredictionsError: the reference is no model.
    """
    if reference is None:
        return [(one, other) for other, one in combinations(names, 2)]
    if reference not in names:
        raise PredictionsError(
            f"reference {reference!r} is none of the models, expected one of {', '.join(names)}; correct it"
        )
    return [(name, reference) for name in names if name != reference]


def _paired(interval: Interval) -> Interval:
    return replace(interval, method=interval.method.replace("bootstrap", "paired bootstrap"))


def _with_correction(found: Sequence[Difference], correction: Correction) -> tuple[Difference, ...]:
    p = corrected([difference.p for difference in found], correction)
    return tuple(replace(d, corrected=float(value)) for d, value in zip(found, p, strict=True))


def _same_truths(patients: NDArray[np.str_], truths: Mapping[str, NDArray[Any]]) -> None:
    (first, expected), *others = truths.items()
    for name, truth in others:
        wrong = np.flatnonzero((truth != expected).reshape(len(patients), -1).any(axis=1))
        if len(wrong):
            i = wrong[0]
            raise PredictionsError(
                f"{first} and {name} are told different truths of {len(wrong)} patients, the first is "
                f"{patients[i]}: {expected[i]} and {truth[i]}; expected the same labels; make the tables of "
                "one cohort"
            )
