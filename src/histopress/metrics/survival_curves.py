"""Kaplan-Meier curves with limits and numbers at risk, and the log-rank test between groups of them."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.metrics.scores import ratio

Array = NDArray[np.float64]


@dataclass(frozen=True)
class KaplanMeier:
    """A curve of survival with its limits; each array begins at time 0 and has one entry per distinct time.

    Attributes:
        times: (steps,) 0, then every time at which somebody had the event or was censored.
        survival: (steps,) chance to be event-free beyond each time.
        low: (steps,) lower limit of it.
        high: (steps,) upper limit; where the curve has come down to 0 it stays what it was.
        at_risk: (steps,) cases followed up to just before each time.
        died: (steps,) events at each time.
        censored: (steps,) cases last seen at each time, event-free.
        level: of the limits.
    """

    times: Array
    survival: Array
    low: Array
    high: Array
    at_risk: NDArray[np.int64]
    died: NDArray[np.int64]
    censored: NDArray[np.int64]
    level: float

    @property
    def cases(self) -> int:
        """How many there are."""
        return int(self.at_risk[0])

    @property
    def events(self) -> int:
        """How many had the event."""
        return int(self.died.sum())

    @property
    def median(self) -> float:
        """First time at which at most half are event-free; NaN if that is not reached."""
        return self._reaches(self.survival, 0.5)

    @property
    def median_limits(self) -> tuple[float, float]:
        """Where the limits of the curve come to a half (Brookmeyer and Crowley); NaN where they do not."""
        return self._reaches(self.low, 0.5), self._reaches(self.high, 0.5)

    def at(self, time: float) -> tuple[float, float, float]:
        """(survival, low, high) at a time; NaN beyond the follow-up, unless nobody is left."""
        if time > self.times[-1] and self.survival[-1] > 0:
            return math.nan, math.nan, math.nan
        step = int(np.searchsorted(self.times, time, side="right")) - 1
        return float(self.survival[step]), float(self.low[step]), float(self.high[step])

    def numbers_at_risk(self, times: ArrayLike) -> list[int]:
        """How many are followed up to each of some times."""
        steps = np.searchsorted(self.times, np.asarray(times, np.float64), side="left")
        return [int(n) for n in np.append(self.at_risk, 0)[steps]]

    def _reaches(self, curve: Array, height: float) -> float:
        there = np.flatnonzero(curve <= height + 1e-12)
        return float(self.times[there[0]]) if len(there) else math.nan


def kaplan_meier(time: ArrayLike, event: ArrayLike, level: float = 0.95) -> KaplanMeier:
    """The product-limit curve with limits from Greenwood's variance of log(-log survival).

    Args:
        time: (cases,) of the event or of the last contact; not negative.
        event: (cases,) whether it was the event.
        level: confidence of the limits, each time on its own.
    """
    time, event = np.asarray(time, np.float64), np.asarray(event, np.bool_)
    times = np.unique(np.append(time, 0.0))
    place = np.searchsorted(times, time)
    died = np.bincount(place[event], minlength=len(times))
    censored = np.bincount(place[~event], minlength=len(times))
    at_risk = (died + censored)[::-1].cumsum()[::-1]
    kept = 1 - ratio(died.astype(np.float64), at_risk.astype(np.float64), empty=0.0)
    survival: Array = np.cumprod(kept, dtype=np.float64)
    low, high = _log_log_limits(survival, died, at_risk, level)
    return KaplanMeier(times, survival, low, high, at_risk, died, censored, level)


def log_rank(time: ArrayLike, event: ArrayLike, group: ArrayLike) -> float:
    """P value of the log-rank test that groups have the same hazards.

    Args:
        time: (cases,) of the event or of the last contact.
        event: (cases,) whether it was the event.
        group: (cases,) names or numbers of two groups or more.

    Returns:
        p; NaN for a single group, for no events, or where all events come when one group alone is left.
    """
    time, event = np.asarray(time, np.float64), np.asarray(event, np.bool_)
    group = np.unique(np.asarray(group), return_inverse=True)[1]
    ends = [time[group == g].max() for g in np.unique(group)]
    if len(ends) < 2 or not (event & (time <= sorted(ends)[-2])).any():
        return math.nan
    from lifelines.statistics import multivariate_logrank_test

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = multivariate_logrank_test(time, group, event)
        except np.linalg.LinAlgError:
            return math.nan
    return float(found.p_value)


def _log_log_limits(
    survival: Array, died: NDArray[np.int64], at_risk: NDArray[np.int64], level: float
) -> tuple[Array, Array]:
    """(steps,) limits of survival; 1 before the first event."""
    left = (at_risk - died).astype(np.float64)
    variance = np.cumsum(ratio(died.astype(np.float64), at_risk * left, empty=0.0))
    z = NormalDist().inv_cdf((1 + level) / 2)
    inside = (survival > 0) & (survival < 1)
    logs = np.log(survival, where=inside, out=np.full(len(survival), -1.0))
    half = z * np.sqrt(variance) / np.abs(logs)
    low = np.where(inside, np.exp(-np.exp(np.log(-logs) + half)), survival)
    high = np.where(inside, np.exp(-np.exp(np.log(-logs) - half)), survival)
    gone = survival <= 0
    high[gone] = high[~gone][-1] if (~gone).any() else 1.0
    return low, high
