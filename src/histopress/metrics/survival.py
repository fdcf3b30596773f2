"""Scores of survival answers, many resamples at once: concordance, time-dependent AUROC, Brier score.

As in `scores`, every function takes `weights` (resamples, cases) and its result begins with (resamples,);
without weights every case counts once and there is one resample. A score that is undefined is NaN. To keep
the number of events in every resample, give `event` as classes to `intervals.draw_resamples`.

Where censoring is weighted for, its distribution is that of the same cases, resample by resample. A case that
is censored at a time counts as event-free at it (see `survival_weights`); without ties between events and
censorings this agrees with every other definition.

The rest of survival: `survival_curves` (Kaplan-Meier, log-rank), `survival_groups` (groups of risk,
calibration at a time), `survival_cox` (hazard ratios).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.metrics.scores import as_weights, ratio
from histopress.metrics.survival_pairs import concordance, weighted_area
from histopress.metrics.survival_weights import event_free, uncensored

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

AT_RISK = 0.1
"""Share of the cases that should still be followed up where time-dependent scores end."""


def harrell(
    time: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    weights: Array | None = None,
    *,
    within: ArrayLike | None = None,
) -> Array:
    """Harrell's concordance: the share of pairs, one known to have its event first, whose risks say so.

    Equal risks count half. Two events at one time are not compared; an event and a censoring at one time are.

    Args:
        time: (cases,) of the event or of the last contact.
        event: (cases,) whether it was the event.
        risk: (cases,) higher for an earlier event, on any scale.
        weights: (resamples, cases).
        within: (cases,) groups, such as folds whose models do not share a scale of risk; only pairs of one
            group are compared.

    Returns:
        (resamples,) 0 to 1, 0.5 by chance.
    """
    time, event, risk = _arrays(time, event, risk)
    weights = as_weights(weights, len(time))
    return concordance(time, event, risk, weights, first=weights * event, within=within)


def uno(
    time: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    weights: Array | None = None,
    *,
    tau: float | None = None,
    within: ArrayLike | None = None,
) -> Array:
    """Uno's concordance (Stat Med 2011;30:1105): pairs are weighted so that censoring does not matter.

    Args:
        time: (cases,) of the event or of the last contact.
        event: (cases,) whether it was the event.
        risk: (cases,) higher for an earlier event, on any scale.
        weights: (resamples, cases).
        tau: only events before this time count; without, all do, and the last ones may weigh too much: see
            `reach`.
        within: (cases,) groups; only pairs of one group are compared.

    Returns:
        (resamples,) 0 to 1, 0.5 by chance.
    """
    time, event, risk = _arrays(time, event, risk)
    weights = as_weights(weights, len(time))
    counted = event if tau is None else event & (time < tau)
    followed = uncensored(time, event, weights).before(time)
    first = ratio(weights * counted, followed**2, empty=0.0)
    return concordance(time, event, risk, weights, first=first, within=within)


def dynamic_auroc(
    time: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    horizons: ArrayLike,
    weights: Array | None = None,
) -> Array:
    """AUROC at horizons: those with an event up to it against those still free of it.

    Cumulative cases, dynamic controls, weighted against censoring (Uno, J Am Stat Assoc 2007;102:527).

    Args:
        time: (cases,) of the event or of the last contact.
        event: (cases,) whether it was the event.
        risk: (cases,) higher for an earlier event; or (cases, horizons), of an event up to each of them.
        horizons: (horizons,) times.
        weights: (resamples, cases).

    Returns:
        (resamples, horizons); NaN where there are no events up to a horizon, or nobody is seen to be free of
        them.
    """
    time, event, risk = _arrays(time, event, risk)
    horizons, weights = np.atleast_1d(np.asarray(horizons, np.float64)), as_weights(weights, len(time))
    risks = np.broadcast_to(risk if risk.ndim == 2 else risk[:, np.newaxis], (len(time), len(horizons)))
    cases = ratio(weights * event, uncensored(time, event, weights).before(time), empty=0.0)
    areas = np.empty((len(weights), len(horizons)))
    for i, horizon in enumerate(horizons):
        free = _free(time, event, horizon)
        areas[:, i] = weighted_area(risks[:, i], cases * ~free, weights * free)
    return areas


def mean_auroc(
    time: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    horizons: ArrayLike,
    weights: Array | None = None,
) -> Array:
    """Mean of `dynamic_auroc` over the horizons, each weighted by the share of events since the last one.

    Args: as for `dynamic_auroc`; horizons are sorted.

    Returns:
        (resamples,); NaN where the AUROC of a horizon that weighs anything is undefined.
    """
    time, event, risk = _arrays(time, event, risk)
    weights = as_weights(weights, len(time))
    areas = dynamic_auroc(time, event, risk, horizons, weights)
    free = event_free(time, event, weights).at(np.atleast_1d(np.asarray(horizons, np.float64)))
    shares = -np.diff(free, axis=1, prepend=1.0)
    weighted = np.where(shares > 0, shares * areas, 0.0).sum(axis=1)
    return ratio(weighted, shares.sum(axis=1))


def brier(
    time: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    horizons: ArrayLike,
    weights: Array | None = None,
) -> Array:
    """Brier score at horizons: mean square of what was said minus what came, weighted against censoring.

    After Graf (Stat Med 1999;18:2529); 0 is perfect, `brier_of_kaplan_meier` is what knowing nothing of a
    single case scores.

    Args:
        time: (cases,) of the event or of the last contact.
        event: (cases,) whether it was the event.
        survival: (cases, horizons) said probability to be event-free at each horizon, 0 to 1.
        horizons: (horizons,) times.
        weights: (resamples, cases).

    Returns:
        (resamples, horizons); NaN beyond the follow-up of a resample.
    """
    time, event, survival = _arrays(time, event, survival)
    weights = as_weights(weights, len(time))
    times = np.atleast_1d(np.asarray(horizons, np.float64))
    return _brier(time, event, survival.reshape(1, len(time), len(times)), times, weights)


def brier_of_kaplan_meier(
    time: ArrayLike, event: ArrayLike, horizons: ArrayLike, weights: Array | None = None
) -> Array:
    """Brier score of saying of every case what the Kaplan-Meier curve of all of them says.

    Args: as for `brier`.

    Returns:
        (resamples, horizons).
    """
    time, event, _ = _arrays(time, event, time)
    weights, horizons = as_weights(weights, len(time)), np.atleast_1d(np.asarray(horizons, np.float64))
    said = event_free(time, event, weights).at(horizons)[:, np.newaxis]
    return _brier(time, event, said, horizons, weights)


def integrated_brier(
    time: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    horizons: ArrayLike,
    weights: Array | None = None,
) -> Array:
    """Mean of the Brier score over time from the first to the last horizon, by the trapezoidal rule.

    Args: as for `brier`; horizons are sorted.

    Returns:
        (resamples,); NaN for fewer than two horizons.
    """
    return over_time(brier(time, event, survival, horizons, weights), horizons)


def integrated_brier_of_kaplan_meier(
    time: ArrayLike, event: ArrayLike, horizons: ArrayLike, weights: Array | None = None
) -> Array:
    """`integrated_brier` of saying of every case what the Kaplan-Meier curve of all of them says."""
    return over_time(brier_of_kaplan_meier(time, event, horizons, weights), horizons)


def over_time(values: Array, horizons: ArrayLike) -> Array:
    """Mean over time of values (resamples, horizons) at sorted horizons; NaN for fewer than two of them."""
    times = np.atleast_1d(np.asarray(horizons, np.float64))
    if len(times) < 2 or times[-1] <= times[0]:
        return np.full(len(values), np.nan)
    return np.asarray(np.trapezoid(values, times, axis=1) / (times[-1] - times[0]), np.float64)


def reach(time: ArrayLike, share: float = AT_RISK) -> float:
    """Latest time that a share of the cases is followed up to: a sensible `tau` and last horizon.

    Args:
        time: (cases,) of the event or of the last contact.
        share: 0 to 1.
    """
    times = np.sort(np.asarray(time, np.float64))[::-1]
    return float(times[max(0, int(np.ceil(share * len(times))) - 1)]) if len(times) else float("nan")


def usual_horizons(time: ArrayLike, event: ArrayLike, count: int = 3) -> Array:
    """Times by which equal shares of the events within `reach` have come; fewer where events share times.

    Args:
        time: (cases,) of the event or of the last contact.
        event: (cases,) whether it was the event.
        count: horizons that are wanted; 3 gives the quartiles.
    """
    time, event, _ = _arrays(time, event, time)
    known = time[event & (time < reach(time))]
    return np.unique(np.quantile(known, np.arange(1, count + 1) / (count + 1))) if len(known) else np.empty(0)


def _arrays(time: ArrayLike, event: ArrayLike, answer: ArrayLike) -> tuple[Array, Flags, Array]:
    return np.asarray(time, np.float64), np.asarray(event, np.bool_), np.asarray(answer, np.float64)


def _free(time: Array, event: Flags, horizon: float) -> Flags:
    """(cases,) seen to be free of the event at a horizon."""
    return np.asarray((time > horizon) | ((time == horizon) & ~event), np.bool_)


def _brier(time: Array, event: Flags, said: Array, horizons: Array, weights: Array) -> Array:
    """`said` is (1 or resamples, 1 or cases, horizons)."""
    followed = uncensored(time, event, weights)
    cases = ratio(weights * event, followed.before(time), empty=0.0)
    until = followed.before(horizons)
    total = weights.sum(axis=1)
    result = np.empty((len(weights), len(horizons)))
    for i, horizon in enumerate(horizons):
        free = _free(time, event, horizon)
        died = (cases * ~free * said[:, :, i] ** 2).sum(axis=1)
        lived = (weights * free * (1 - said[:, :, i]) ** 2).sum(axis=1)
        result[:, i] = ratio(died + ratio(lived, until[:, i]), total)
    return result
