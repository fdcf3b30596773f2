"""How well one thing tells another, on patients that were not learned from, against what chance gives.

Folds are drawn at random; p values come from dealing one of the two anew between patients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Groups = NDArray[np.int64]
D = TypeVar("D", Array, Groups)

FOLDS = 5
DEALS = 499
"""Times that something is dealt anew: the smallest p is 0.002."""

CODE_DEALS = 199
CODE_AXES = 30
"""Directions of largest spread that codes are told by."""

CODE_PATIENTS = 2000
"""Patients that codes are told by, drawn at random of more."""


@dataclass(frozen=True)
class Telling:
    """How well it tells.

    Attributes:
        value: balanced accuracy, or share of the variance explained.
        chance: what it would be by chance: its mean over deals.
        p: share of deals that did as well.
    """

    value: float
    chance: float
    p: float


def groups_from_groups(given: Groups, asked: Groups, seed: int = 0) -> Telling:
    """Balanced accuracy of naming one group by another: the one most common there, all alike beforehand."""
    folds = _folds(len(given), seed)

    def score(dealt: Groups) -> float:
        answers = np.empty(len(dealt), np.int64)
        for fold in range(FOLDS):
            rest = folds != fold
            table = _table(given[rest], dealt[rest], given.max() + 1, asked.max() + 1)
            shares = table / np.maximum(table.sum(axis=0), 1)
            answers[~rest] = shares.argmax(axis=1)[given[~rest]]
        return _balanced(dealt, answers)

    return _against_chance(score, asked, seed, DEALS)


def numbers_from_groups(given: Groups, asked: Array, seed: int = 0) -> Telling:
    """Share of the variance of numbers that group means of other patients explain; below 0: they mislead."""
    folds = _folds(len(given), seed)

    def score(dealt: Array) -> float:
        left = np.empty(len(dealt))
        middle = np.empty(len(dealt))
        for fold in range(FOLDS):
            rest = folds != fold
            mean = dealt[rest].mean()
            sums = np.bincount(given[rest], dealt[rest] - mean, given.max() + 1)
            counts = np.bincount(given[rest], minlength=given.max() + 1)
            left[~rest] = dealt[~rest] - mean - (sums / (counts + 1))[given[~rest]]
            middle[~rest] = dealt[~rest] - mean
        spread = float((middle**2).sum())
        return 1 - float((left**2).sum()) / spread if spread > 0 else 0.0

    return _against_chance(score, asked, seed, DEALS)


def groups_from_codes(codes: NDArray[np.float32], asked: Groups, seed: int = 0) -> Telling:
    """Balanced accuracy of naming groups by mean codes: a linear discriminant on their main directions.

    Args:
        codes: (patients, dim).
        asked: (patients,) groups.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(asked))[:CODE_PATIENTS]
    points, asked = _main_axes(codes[chosen].astype(np.float64)), asked[chosen]
    folds = _folds(len(asked), seed)

    def score(dealt: Groups) -> float:
        answers = np.empty(len(dealt), np.int64)
        for fold in range(FOLDS):
            rest = folds != fold
            answers[~rest] = _discriminant(points[rest], dealt[rest], points[~rest], int(asked.max()) + 1)
        return _balanced(dealt, answers)

    return _against_chance(score, asked, seed, CODE_DEALS)


def cramers_v(one: Groups, other: Groups) -> float:
    """Association of two groupings, 0 (none) to 1 (one tells the other)."""
    table = _table(one, other, one.max() + 1, other.max() + 1)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    least = min(table.shape) - 1
    return float(np.sqrt(((table - expected) ** 2 / expected).sum() / table.sum() / least)) if least else 0.0


def correlation_ratio(groups: Groups, numbers: Array) -> float:
    """Root of the share of variance that lies between groups, 0 to 1."""
    spread = float(((numbers - numbers.mean()) ** 2).sum())
    counts = np.bincount(groups)
    sums = np.bincount(groups, numbers - numbers.mean())
    return float(np.sqrt((sums**2 / np.maximum(counts, 1)).sum() / spread)) if spread > 0 else 0.0


def association_p(measure: Callable[[D], float], asked: D, seed: int = 0) -> float:
    """P value of an association by dealing one side of it anew."""
    return _against_chance(measure, asked, seed, DEALS).p


def _against_chance(score: Callable[[D], float], asked: D, seed: int, deals: int) -> Telling:
    random = np.random.default_rng([seed, 1])
    value = score(asked)
    by_chance = np.array([score(random.permutation(asked)) for _ in range(deals)])
    p = (1 + int((by_chance >= value - 1e-12).sum())) / (1 + deals)
    return Telling(float(value), float(by_chance.mean()), p)


def _folds(patients: int, seed: int) -> Groups:
    return np.random.default_rng(seed).permutation(np.arange(patients) % FOLDS)


def _table(rows: Groups, cols: Groups, height: int, width: int) -> Array:
    return (
        np.bincount(rows * width + cols, minlength=height * width).reshape(height, width).astype(np.float64)
    )


def _balanced(truth: Groups, answers: Groups) -> float:
    totals = np.bincount(truth)
    right = np.bincount(truth[truth == answers], minlength=len(totals))
    return float((right[totals > 0] / totals[totals > 0]).mean())


def _main_axes(codes: Array) -> Array:
    """(patients, at most 30) codes along the directions in which they spread most, with equal spread."""
    centred = codes - codes.mean(axis=0)
    kept = max(1, min(CODE_AXES, len(codes) // 5, codes.shape[1]))
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(left[:, :kept] * np.sqrt(len(codes)) * (sizes[:kept] > 1e-9 * sizes[0]), np.float64)


def _discriminant(points: Array, groups: Groups, asked: Array, count: int) -> Groups:
    """Nearest group mean in the metric of the spread within groups; groups nobody has are never named."""
    sizes = np.bincount(groups, minlength=count)
    means = (
        _table(groups, np.arange(len(groups)), count, len(groups)) @ points / np.maximum(sizes, 1)[:, None]
    )
    within = points - means[groups]
    spread = within.T @ within / len(points)
    spread += 0.1 * np.trace(spread) / len(spread) * np.eye(len(spread)) + 1e-9 * np.eye(len(spread))
    weights = np.linalg.solve(spread, means.T)
    scores = asked @ weights - (means.T * weights).sum(axis=0) / 2
    scores[:, sizes == 0] = -np.inf
    return np.asarray(scores.argmax(axis=1), np.int64)
