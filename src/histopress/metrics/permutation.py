"""Test against chance: how often do answers score as well when the labels are dealt anew between patients?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Places = NDArray[np.intp]
ScoreOfPairs = Callable[[Places, Places, Array | None], Array]
"""(answers, labels, weights) -> (resamples,): the score of pairs of an answer and a label, both told by the
number of the case they come from; weights (resamples, pairs) or none. For example
`lambda a, b, w: auroc(positive[b], score[a], w)`."""

MOST_CLASSES = 8
"""Distinct labels up to which all deals are scored at once, as weights of all pairs of label and answer."""

BLOCK = 4_000_000
TINY = 1e-12


@dataclass(frozen=True)
class Chance:
    """A score beside those of the same answers to labels that were dealt anew.

    Attributes:
        value: the score; NaN where undefined.
        mean: of the scores by chance.
        low: 2.5 in 100 scores by chance lie below.
        high: 2.5 in 100 scores by chance lie above.
        p: one-sided, (1 + deals that score as well) / (1 + deals); exact for any number of deals.
        deals: how many in which the score is defined.
    """

    value: float
    mean: float
    low: float
    high: float
    p: float
    deals: int


def permutation_test(
    score: ScoreOfPairs,
    truth: ArrayLike,
    dealt: Places,
    *,
    higher: bool = True,
) -> Chance:
    """Compare a score with chance.

    Args:
        score: any score, see `ScoreOfPairs`.
        truth: (cases,) or (cases, numbers), to see which labels are equal.
        dealt: (deals, cases) see `deal`.
        higher: whether a higher score is better.
    """
    cases = np.arange(dealt.shape[1])
    value = float(score(cases, cases, None)[0])
    by_chance = _scores(score, np.asarray(truth), dealt)
    by_chance = by_chance[np.isfinite(by_chance)]
    if not math.isfinite(value) or not len(by_chance):
        return Chance(value, math.nan, math.nan, math.nan, math.nan, len(by_chance))
    lead = by_chance - value if higher else value - by_chance
    low, high = np.quantile(by_chance, [0.025, 0.975])
    p = (1 + int((lead >= -TINY).sum())) / (1 + len(by_chance))
    return Chance(value, float(by_chance.mean()), float(low), float(high), p, len(by_chance))


def deal(patients: ArrayLike, deals: int, seed: int, strata: ArrayLike | None = None) -> Places:
    """Deal the labels anew between patients; all cases of a patient get the label of one other patient.

    Args:
        patients: (cases,) id of the patient of every case.
        deals: how many times.
        seed: the same seed gives the same deals.
        strata: (cases,) within what labels are dealt, for example the fold; one value a patient.

    Returns:
        (deals, cases) number of the case whose label each case gets.
    """
    _, first, patient = np.unique(np.asarray(patients), return_index=True, return_inverse=True)
    of_patient = np.zeros(len(first)) if strata is None else np.asarray(strata)[first]
    rng = np.random.default_rng(seed)
    dealt = np.empty((deals, len(first)), np.intp)
    for stratum in np.unique(of_patient):
        members = np.flatnonzero(of_patient == stratum)
        dealt[:, members] = rng.permuted(np.tile(members, (deals, 1)), axis=1)
    return np.asarray(first[dealt[:, patient]], np.intp)


def _scores(score: ScoreOfPairs, truth: NDArray[np.generic], dealt: Places) -> Array:
    labels, first, label = np.unique(truth, axis=0, return_index=True, return_inverse=True)
    if len(labels) <= MOST_CLASSES:
        return _at_once(score, first, label.ravel()[dealt])
    cases = np.arange(dealt.shape[1])
    return np.concatenate([score(cases, order, None) for order in dealt])


def _at_once(score: ScoreOfPairs, first: Places, dealt: Places) -> Array:
    """Score all pairs of a label and an answer, where those that were not dealt weigh nothing.

    Args:
        score: see `ScoreOfPairs`.
        first: (labels,) number of a case of each label.
        dealt: (deals, cases) number of the label that each case gets.
    """
    cases = dealt.shape[1]
    answers, labels = np.tile(np.arange(cases), len(first)), np.repeat(first, cases)
    found = []
    rows = max(1, BLOCK // len(answers))
    for start in range(0, len(dealt), rows):
        block = dealt[start : start + rows]
        weights = np.concatenate([block == label for label in range(len(first))], axis=1)
        found.append(score(answers, labels, weights.astype(np.float64)))
    return np.concatenate(found)
