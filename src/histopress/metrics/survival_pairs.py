"""Pairs of cases, one known to have its event before the other, and whether risks put them in that order."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.metrics.scores import ratio

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

BLOCK = 1_000_000
"""Pairs of cases that are compared at once: bounds the memory."""


def concordance(
    time: Array, event: Flags, risk: Array, weights: Array, *, first: Array, within: ArrayLike | None
) -> Array:
    """Share of the weight of comparable pairs in which the case with the earlier event has the higher risk.

    Args:
        time: (cases,).
        event: (cases,).
        risk: (cases,).
        weights: (resamples, cases) of the case that is event-free for longer.
        first: (resamples, cases) of the case whose event comes first.
        within: (cases,) groups; only pairs of one group are compared.

    Returns:
        (resamples,); NaN without any pair.
    """
    groups = np.zeros(len(time), np.int64) if within is None else np.unique(within, return_inverse=True)[1]
    right, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        order = members[np.lexsort((~event[members], time[members]))]
        more = _pairs(time[order], event[order], risk[order], weights[:, order], first[:, order])
        right, pairs = right + more[0], pairs + more[1]
    return ratio(right, pairs)


def _pairs(time: Array, event: Flags, risk: Array, weights: Array, first: Array) -> tuple[Array, Array]:
    """Weights of concordant and of all pairs (resamples,); cases sorted by time, events first."""
    events = np.flatnonzero(event)
    after = np.searchsorted(time[events], time[events], side="right")
    same_time = np.searchsorted(time, time[events], side="left")
    later = same_time + after - np.searchsorted(time[events], time[events], side="left")
    beyond = np.zeros((len(weights), len(time) + 1))
    beyond[:, :-1] = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
    pairs = (first[:, events] * beyond[:, later]).sum(axis=1)
    right = np.zeros(len(weights))
    rows = max(1, BLOCK // max(1, len(time)))
    for start in range(0, len(events), rows):
        own = events[start : start + rows]
        wins = np.sign(risk[own, np.newaxis] - risk) / 2 + 0.5
        wins *= np.arange(len(time)) >= later[start : start + rows, np.newaxis]
        right += (first[:, own] * (weights @ wins.T)).sum(axis=1)
    return right, pairs


def weighted_area(risk: Array, cases: Array, controls: Array) -> Array:
    """Share of the weight of pairs of a case and a control in which the case has the higher risk.

    Args:
        risk: (patients,); equal risks count half.
        cases: (resamples, patients) weights.
        controls: (resamples, patients) weights.

    Returns:
        (resamples,); NaN without any pair.
    """
    if not len(risk):
        return np.full(len(cases), np.nan)
    order = np.argsort(risk, kind="stable")
    starts = np.flatnonzero(np.diff(risk[order], prepend=np.nan) != 0)
    cases, controls = (np.add.reduceat(w[:, order], starts, axis=1) for w in (cases, controls))
    below = np.cumsum(controls, axis=1) - controls / 2
    return ratio((cases * below).sum(axis=1), cases.sum(axis=1) * controls.sum(axis=1))
