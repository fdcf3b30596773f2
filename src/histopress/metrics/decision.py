"""Decision curve: is acting on a model better than treating all patients, or none?

Who treats from a risk of 10 % on takes nine needless treatments for one that is needed; the net benefit at
that threshold weighs false alarms so, and is told in true positives per patient (Vickers and Elkin, Med Decis
Making 2006;26:565).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.metrics.scores import as_weights, ratio
from histopress.metrics.survival_weights import event_free

Array = NDArray[np.float64]

THRESHOLDS = np.linspace(0.01, 0.99, 99)
"""Risks from which one would treat."""


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit over the risk from which one would treat; treating none has net benefit 0.

    Attributes:
        threshold: (points,) risks.
        model: (points,) net benefit of treating from that risk of the model on.
        low: (points,) lower limit, each point on its own.
        high: (points,) upper limit.
        everyone: (points,) net benefit of treating all.
    """

    threshold: Array
    model: Array
    low: Array
    high: Array
    everyone: Array


def decision_curve(
    positive: ArrayLike,
    probability: ArrayLike,
    counts: NDArray[np.uint16],
    level: float,
    thresholds: Array = THRESHOLDS,
) -> DecisionCurve:
    """Net benefit of a model, with a band from resamples.

    Args:
        positive: (cases,) bool.
        probability: (cases,) of being positive; calibrated, or the thresholds do not mean what they say.
        counts: draws of patients, see `intervals.draw_resamples`; drawn without classes, the band holds how
            sure the share of positives is, too.
        level: of the band.
        thresholds: (points,) between 0 and 1, both excluded.
    """

    def benefit(probability: Array, weights: ArrayLike | None) -> Array:
        return net_benefit(positive, probability, thresholds, weights)

    return _curve(benefit, np.asarray(probability, np.float64), counts, level, thresholds)


def survival_decision_curve(
    outcome: tuple[ArrayLike, ArrayLike],
    probability: ArrayLike,
    horizon: float,
    counts: NDArray[np.uint16],
    level: float,
    *,
    thresholds: Array = THRESHOLDS,
) -> DecisionCurve:
    """The same for an event by a time; who is lost from sight before counts as far as he was seen.

    Args:
        outcome: (cases,) times, and (cases,) whether they are those of the event.
        probability: (cases,) of the event by the horizon.
        horizon: the time.
        counts: as for `decision_curve`.
        level: of the band.
        thresholds: (points,) between 0 and 1, both excluded.
    """

    def benefit(probability: Array, weights: ArrayLike | None) -> Array:
        return survival_net_benefit(outcome, probability, horizon, thresholds, weights)

    return _curve(benefit, np.asarray(probability, np.float64), counts, level, thresholds)


def net_benefit(
    positive: ArrayLike, probability: ArrayLike, thresholds: Array, weights: ArrayLike | None = None
) -> Array:
    """True positives less weighed false alarms, per patient.

    Args:
        positive: (cases,) bool.
        probability: (cases,) of being positive.
        thresholds: (points,) between 0 and 1, both excluded.
        weights: (resamples, cases).

    Returns:
        (resamples, points).
    """
    positive = np.asarray(positive, np.bool_)
    weights = as_weights(None if weights is None else np.asarray(weights, np.float64), len(positive))
    called = np.asarray(probability)[:, None] >= thresholds
    worth = called * np.where(positive[:, None], 1.0, -thresholds / (1 - thresholds))
    return ratio(
        weights @ worth, np.broadcast_to(weights.sum(axis=1)[:, None], (len(weights), len(thresholds)))
    )


def survival_net_benefit(
    outcome: tuple[ArrayLike, ArrayLike],
    probability: ArrayLike,
    horizon: float,
    thresholds: Array,
    weights: ArrayLike | None = None,
) -> Array:
    """Net benefit where the share of events among the treated is that of Kaplan-Meier (Vickers 2008).

    Args:
        outcome: (cases,) times, and (cases,) whether they are those of the event.
        probability: (cases,) of the event by the horizon.
        horizon: the time.
        thresholds: (points,) between 0 and 1, both excluded.
        weights: (resamples, cases).

    Returns:
        (resamples, points).
    """
    probability = np.asarray(probability, np.float64)
    weights = as_weights(None if weights is None else np.asarray(weights, np.float64), len(probability))
    found = np.zeros((len(weights), len(thresholds)))
    for i, threshold in enumerate(thresholds):
        treated = weights * (probability >= threshold)
        events = 1 - event_free(*outcome, treated).at([horizon])[:, 0]
        share = ratio(treated.sum(axis=1), weights.sum(axis=1))
        found[:, i] = share * (events - (1 - events) * threshold / (1 - threshold))
    return found


def _curve(
    benefit: Callable[[Array, ArrayLike | None], Array],
    probability: Array,
    counts: NDArray[np.uint16],
    level: float,
    thresholds: Array,
) -> DecisionCurve:
    drawn = benefit(probability, counts)
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    everyone = benefit(np.ones(len(probability)), None)[0]
    return DecisionCurve(thresholds, benefit(probability, None)[0], low, high, everyone)
