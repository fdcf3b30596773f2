"""The inverse power law: score(n) = top - missing * n^-rate, never below what guessing scores.

For every rate the best of the other two is known in closed form, so the rate alone is searched for, on a fine
scale, and thousands of laws are fitted at once. A head mostly stays at chance until patients suffice: sizes
that the law puts below the floor count as lying on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

RATES = np.geomspace(0.1, 4.0, 60)


@dataclass(frozen=True)
class PowerLaws:
    """Some curves.

    Attributes:
        top: (laws,) where each levels off.
        missing: (laws,) how much is missing with a single patient; 0 for a flat one.
        rate: (laws,) how fast it comes.
        floor: what guessing scores.
    """

    top: Array
    missing: Array
    rate: Array
    floor: float = 0.5

    def at(self, patients: ArrayLike) -> Array:
        """(laws, sizes) score after learning from so many patients."""
        sizes = np.asarray(patients, np.float64)[None]
        return np.maximum(
            self.floor, self.top[:, None] - self.missing[:, None] * sizes ** -self.rate[:, None]
        )

    def needed(self, score: float) -> Array:
        """(laws,) patients to reach a score; infinity where the curve levels off below it."""
        gap = self.top - score
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (self.missing / gap) ** (1 / self.rate)
        return np.where(gap > 0, np.maximum(found, 1.0), np.inf)


def fit_laws(sizes: Array, scores: Array, errors: Array, floor: float = 0.5) -> PowerLaws:
    """The best law of each row of scores.

    Args:
        sizes: (sizes,) patients, ascending.
        scores: (laws, sizes).
        errors: (sizes,) standard errors of the scores.
        floor: what guessing scores.
    """
    unit = float(sizes.max())
    powers = (sizes / unit)[None] ** -RATES[:, None]
    weights = 1 / errors**2
    chosen = [np.full(len(scores), np.inf), *np.zeros((3, len(scores)))]
    for top, missing in _candidates(powers, scores, weights, floor):
        told = np.maximum(floor, top[..., None] - missing[..., None] * powers)
        cost = (weights * (scores[:, None] - told) ** 2).sum(axis=2)
        which = cost.argmin(axis=1)
        rows = np.arange(len(scores))
        found = [cost[rows, which], top[rows, which], missing[rows, which], RATES[which]]
        better = found[0] < chosen[0] * (1 - 1e-9)
        chosen = [np.where(better, new, old) for new, old in zip(found, chosen, strict=True)]
    _, top, missing, rate = chosen
    return PowerLaws(top, missing * unit**rate, rate, floor)


def _candidates(powers: Array, scores: Array, weights: Array, floor: float) -> Iterator[tuple[Array, Array]]:
    """(laws, rates) tops and what is missing: flat, then fitted to the largest two sizes or more.

    Where the best law leaves its bounds (top from floor to 1, missing from 0 up), the one that levels off at
    1 is tried beside it.
    """
    shape = (len(scores), len(powers))
    flat = np.clip(scores @ weights / weights.sum(), floor, 1.0)
    yield np.broadcast_to(flat[:, None], shape), np.zeros(shape)
    for first in range(len(weights) - 1):
        own, x, y = weights[first:] / weights[first:].sum(), powers[:, first:], scores[:, first:]
        x_mean, y_mean = x @ own, (y @ own)[:, None]
        shared = (y * own) @ x.T - y_mean * x_mean
        missing = np.maximum(-shared / ((x**2) @ own - x_mean**2), 0.0)
        yield np.clip(y_mean + missing * x_mean, floor, 1.0), missing
        yield np.ones(shape), np.maximum(((1 - y) * own) @ x.T / ((x**2) @ own), 0.0)
