"""How a score grows with the patients to learn from: a power law with bands, also read backwards.

Such laws are extrapolated as in Mukherjee et al. (J Comput Biol 2003;10:119) and Figueroa et al. (BMC Med
Inform Decis Mak 2012;12:8).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.core.errors import RecipeError
from histopress.studies.learning_curve_laws import Array, PowerLaws, fit_laws

TRUSTED, FAR = 2.0, 4.0
"""A curve is believed up to so many times the largest number that was tried, and not told at all beyond."""

SHARED = 4.0
"""Degrees of freedom that the mean variance over all sizes lends to the variance of each."""

LEAST_SD = 1e-3
"""Replicates that agree are not taken to be surer than this."""

ALONE_SD = 0.05
"""Of a training where none was repeated."""

LEAST_FREEDOM = 3
"""Of the noise that moves the means."""

LEVEL = 0.95


@dataclass(frozen=True)
class Needed:
    """How many patients it takes to reach a score; infinity where a curve never does.

    Attributes:
        score: to be reached.
        patients: by the curve.
        low: limit of the interval.
        high: limit of the interval.
        tried: the largest number of patients that was tried.
        least: the smallest one; below it a curve is not told either.
    """

    score: float
    patients: float
    low: float
    high: float
    tried: int
    least: int = 1

    @property
    def trust(self) -> str:
        """Below or within what was tried, near it, beyond it (a guess), far off, or never."""
        if self.patients < self.least:
            return "below"
        if math.isinf(self.patients):
            return "never"
        ratio = self.patients / self.tried
        return next((name for name, most in _REACHES if ratio <= most), "far")

    @property
    def text(self) -> str:
        """For people: a number, or beyond which number it must lie."""
        if self.trust == "never":
            return f"> {round(FAR * self.tried):,}: never by this curve"
        return self._told(self.patients)

    @property
    def limits(self) -> str:
        """The interval for people."""
        return f"[{self._told(self.low)}, {'open' if math.isinf(self.high) else self._told(self.high)}]"

    def _told(self, patients: float) -> str:
        most = round(FAR * self.tried)
        if patients < self.least:
            return f"< {self.least:,}"
        return f"{math.ceil(patients):,}" if patients <= most else f"> {most:,}"


_REACHES = (("within", 1.0), ("near", TRUSTED), ("beyond", FAR))


@dataclass(frozen=True)
class LearningCurve:
    """A fitted curve.

    Attributes:
        best: the one law of the scores as they are.
        drawn: laws of resampled scores.
        sizes: (sizes,) patients that were learned from.
        means: (sizes,) mean score over replicates.
        sds: (sizes,) standard deviation of a single replicate, shared out between sizes.
        misfit: largest distance of a mean from the curve, in its standard errors.
        patients: (points,) what it was fitted to.
        scores: (points,) likewise.
    """

    best: PowerLaws
    drawn: PowerLaws
    sizes: Array
    means: Array
    sds: Array
    misfit: float
    patients: Array
    scores: Array

    @property
    def tried(self) -> int:
        """The largest number of patients that was learned from."""
        return int(self.sizes.max())

    def at(self, patients: ArrayLike) -> Array:
        """(sizes,) expected score."""
        return np.asarray(self.best.at(patients)[0])

    def band(self, patients: ArrayLike, level: float = LEVEL) -> tuple[Array, Array]:
        """(sizes,) lower and upper limit of the expected score, each size on its own."""
        low, high = np.quantile(self.drawn.at(patients), [(1 - level) / 2, (1 + level) / 2], axis=0)
        best = self.at(patients)
        return np.minimum(low, best), np.maximum(high, best)

    def top(self, level: float = LEVEL) -> tuple[float, float, float]:
        """Where the curve levels off, with limits."""
        low, high = np.quantile(self.drawn.top, [(1 - level) / 2, (1 + level) / 2])
        best = float(self.best.top[0])
        return best, min(float(low), best), max(float(high), best)

    def needed(self, score: float, level: float = LEVEL) -> Needed:
        """Patients to reach a score, with an interval that may be open."""
        found = self.drawn.needed(score)
        shares = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.quantile(found, shares, method="inverted_cdf")
        best = float(self.best.needed(score)[0])
        return Needed(
            score, best, min(float(low), best), max(float(high), best), self.tried, int(self.sizes[0])
        )


def fit_curve(
    patients: ArrayLike,
    scores: ArrayLike,
    *,
    resampled: Array | None = None,
    resamples: int = 1000,
    seed: int = 0,
    floor: float = 0.5,
) -> LearningCurve:
    """Fit the law by least squares, weighted by how much replicates of a size scatter.

    Bands come from curves of scores that are moved twice: by what another draw of test patients would change
    (`resampled`, the same draw for all points, as they share these patients), and by Student's noise as large
    as the standard error over replicates.

    Args:
        patients: (points,) learned from.
        scores: (points,) of unseen patients.
        resampled: (resamples, points) scores of resampled test patients; without, only replicates move.
        resamples: curves of the band, where `resampled` does not say.
        seed: of the noise.
        floor: what guessing scores.

    Raises:
        RecipeError: fewer than two sizes.
    """
    patients, scores = np.asarray(patients, np.float64), np.asarray(scores, np.float64)
    sizes, at = np.unique(patients, return_inverse=True)
    if len(sizes) < 2:
        raise RecipeError(
            f"{len(sizes)} numbers of training patients, expected 2 or more; try others as well"
        )
    counts = np.bincount(at).astype(np.float64)
    means = np.bincount(at, scores) / counts
    sds = _sds(scores, at, counts, means)
    errors = sds / np.sqrt(counts)
    best = fit_laws(sizes, means[None], errors, floor)
    moved = np.tile(means, (resamples, 1)) if resampled is None else _by_size(resampled, at, counts)
    freedom = max(len(scores) - len(sizes), LEAST_FREEDOM)
    noise = np.random.default_rng(seed).standard_t(freedom, moved.shape) * errors
    misfit = float(np.abs((means - best.at(sizes)[0]) / errors).max())
    drawn = fit_laws(sizes, moved + noise, errors, floor)
    return LearningCurve(best, drawn, sizes, means, sds, misfit, patients, scores)


def _sds(scores: Array, at: NDArray[np.int64], counts: Array, means: Array) -> Array:
    """(sizes,) standard deviation of a replicate: its own, drawn towards the mean over sizes."""
    squares = np.bincount(at, (scores - means[at]) ** 2)
    freedom = counts - 1
    shared = squares.sum() / freedom.sum() if freedom.any() else ALONE_SD**2
    sds: Array = np.sqrt((squares + SHARED * shared) / (freedom + SHARED))
    return np.maximum(sds, LEAST_SD)


def _by_size(resampled: Array, at: NDArray[np.int64], counts: Array) -> Array:
    """(resamples, points) -> (resamples, sizes) means."""
    return np.stack([resampled[:, at == size].mean(axis=1) for size in range(len(counts))], axis=1)
