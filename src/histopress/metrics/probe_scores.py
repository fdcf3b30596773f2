"""How good answers about tiles are, and how sure that is when whole groups are drawn anew, not tiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.metrics.group_intervals import EDGE, group_interval
from histopress.metrics.intervals import Interval
from histopress.metrics.probe_measures import Answered, Measure, Unit, measures
from histopress.metrics.results import Sureness

Array = NDArray[np.float64]

CHANGE = "_change"
"""Ends the names of differences between two scores."""


@dataclass(frozen=True)
class ProbeScore:
    """One score with its interval.

    Attributes:
        measure: name of the measure.
        unit: what was scored.
        point: of all cases; NaN where undefined.
        low: lower limit.
        high: upper limit.
        guess: what answers at random would score.
        cases: tiles or groups.
        groups: how many could be drawn.
    """

    measure: str
    unit: Unit
    point: float
    low: float
    high: float
    guess: float
    cases: int
    groups: int


def score(tiles: Answered, unit: Unit, sureness: Sureness) -> list[ProbeScore]:
    """Every measure of the kind, the headline first.

    Args:
        tiles: the answers.
        unit: what is scored.
        sureness: how intervals are made.
    """
    cases = tiles.of(unit)
    return [_scored(measure, cases, unit, sureness) for measure in measures(tiles.kind)]


def score_change(before: Answered, after: Answered, sureness: Sureness) -> ProbeScore:
    """What the headline measure gains (or loses, below 0) from one set of answers to another.

    Both are scored on the same resamples, so that what they share cancels out.

    Args:
        before: answers about tiles.
        after: other answers about the same tiles, in the same order.
        sureness: how the interval is made.
    """
    measure = measures(before.kind)[0]

    def change(weights: Array) -> Array:
        return measure.score(after, weights) - measure.score(before, weights)

    point = float(change(np.ones((1, len(before.groups))))[0])
    limits = group_interval(change, before.groups, _classes_of_groups(before), None, sureness)
    most = measure.ends[1] - measure.ends[0]
    low, high = np.clip((limits.low, limits.high), -most, most).tolist()
    counted = len(before.groups), len(np.unique(before.groups))
    return ProbeScore(f"{measure.name}{CHANGE}", "tile", point, low, high, 0.0, *counted)


def _classes_of_groups(cases: Answered) -> Array | None:
    """The classes, where each group is of one class."""
    if cases.kind in ("regression", "multilabel"):
        return None
    pairs = set(zip(cases.groups.tolist(), cases.truth.tolist(), strict=True))
    return cases.truth if len(pairs) == len(np.unique(cases.groups)) else None


def _scored(measure: Measure, cases: Answered, unit: Unit, sureness: Sureness) -> ProbeScore:
    point = float(measure.score(cases, None)[0])
    classes = _classes_of_groups(cases)
    limits = group_interval(lambda w: measure.score(cases, w), cases.groups, classes, measure.ends, sureness)
    certain = limits.high - limits.low < EDGE and point > 1 - EDGE  # all is right whatever group is left out
    if measure.limits is not None and certain:
        limits = Interval(*measure.limits(cases, point, sureness.level), "closed form, groups as cases")
    counted = len(cases.groups), len(np.unique(cases.groups))
    return ProbeScore(measure.name, unit, point, limits.low, limits.high, measure.guess(cases), *counted)
