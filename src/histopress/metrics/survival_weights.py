"""Product-limit (Kaplan-Meier) curves of many resamples at once: they give the weights against censoring.

One convention holds for ties everywhere: who is censored at a time was seen event-free up to and including
it, so events come first. The chance of not being censored before a time is therefore a limit from the left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.metrics.scores import as_weights, ratio

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class StepCurves:
    """Curves that start at 1 and fall at the same times.

    Attributes:
        times: (steps,) sorted.
        values: (resamples, steps + 1) before the first step, then from each step on.
    """

    times: Array
    values: Array

    def at(self, times: ArrayLike) -> Array:
        """(resamples, times) values at these times, falls at them included."""
        return self._values(times, "right")

    def before(self, times: ArrayLike) -> Array:
        """(resamples, times) values just before these times."""
        return self._values(times, "left")

    def _values(self, times: ArrayLike, side: str) -> Array:
        place = np.searchsorted(self.times, np.asarray(times), side="right" if side == "right" else "left")
        return np.asarray(self.values[:, place], np.float64)


def event_free(time: ArrayLike, event: ArrayLike, weights: Array | None = None) -> StepCurves:
    """Chance of being free of the event: `at` a time, beyond it.

    Args:
        time: (cases,) of the event or of the last contact.
        event: (cases,) whether it was the event.
        weights: (resamples, cases).
    """
    time, event = np.asarray(time, np.float64), np.asarray(event, np.bool_)
    times, ends, at_risk = _counts(time, event, as_weights(weights, len(time)))
    return _fallen(times, ends, at_risk)


def uncensored(time: ArrayLike, event: ArrayLike, weights: Array | None = None) -> StepCurves:
    """Chance of being followed up: `before` a time, up to it; arguments as for `event_free`.

    Cases with an event at a time are no longer at risk of being censored at it.
    """
    time, event = np.asarray(time, np.float64), np.asarray(event, np.bool_)
    weights = as_weights(weights, len(time))
    times, ends, at_risk = _counts(time, ~event, weights)
    return _fallen(times, ends, at_risk - _counts(time, event, weights)[1])


def _counts(time: Array, ends: Flags, weights: Array) -> tuple[Array, Array, Array]:
    """Distinct times; weights that end at each of them; weights that are still there: (resamples, times)."""
    order = np.argsort(time, kind="stable")
    times, starts = np.unique(time[order], return_index=True)
    if not len(times):
        return times, weights, weights
    sorted_weights = weights[:, order]
    leaving = np.add.reduceat(sorted_weights, starts, axis=1)
    ending = np.add.reduceat(sorted_weights * ends[order], starts, axis=1)
    at_risk = np.cumsum(leaving[:, ::-1], axis=1)[:, ::-1]
    return times, ending, at_risk


def _fallen(times: Array, ends: Array, at_risk: Array) -> StepCurves:
    kept = np.cumprod(1 - ratio(ends, at_risk, empty=0.0), axis=1)
    return StepCurves(times, np.concatenate([np.ones((len(kept), 1)), kept], axis=1))
