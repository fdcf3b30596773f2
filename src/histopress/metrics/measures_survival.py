"""The scores of risks: who has the event first, and by when.

Risks of different folds need not share a scale, so concordance only compares patients of one fold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histopress.metrics import survival
from histopress.metrics.case_arrays import Cases
from histopress.metrics.measure import Array, Measure


def scored_horizons(cases: Cases) -> Array:
    """The times of which survival is said, within the follow-up; or the quartiles of the events."""
    ends = survival.reach(cases.time)
    if len(cases.horizons):
        return np.array([h for h in cases.horizons if h <= ends])
    return survival.usual_horizons(cases.time, cases.event)


def _within(cases: Cases) -> NDArray[np.str_] | None:
    return cases.fold if len(np.unique(cases.fold)) > 1 else None


def _harrell(cases: Cases, weights: Array | None) -> Array:
    return survival.harrell(cases.time, cases.event, cases.score, weights, within=_within(cases))


def _uno(cases: Cases, weights: Array | None) -> Array:
    tau = survival.reach(cases.time)
    return survival.uno(cases.time, cases.event, cases.score, weights, tau=tau, within=_within(cases))


def risks_at(cases: Cases) -> Array:
    """(patients, horizons) chance of the event by each horizon; else the rank of the risk in its fold."""
    if len(cases.horizons):
        kept = [i for i, h in enumerate(cases.horizons) if h in set(scored_horizons(cases).tolist())]
        return 1 - cases.survival[:, kept]
    ranks = np.empty(len(cases))
    for fold in np.unique(cases.fold):
        own = np.flatnonzero(cases.fold == fold)
        ordered = np.sort(cases.score[own])
        middle = np.searchsorted(ordered, cases.score[own], "left") + np.searchsorted(
            ordered, cases.score[own], "right"
        )
        ranks[own] = middle / (2 * len(own))
    return np.tile(ranks[:, np.newaxis], len(scored_horizons(cases)))


def _auroc(cases: Cases, weights: Array | None) -> Array:
    horizons = scored_horizons(cases)
    if not len(horizons):
        return np.full(1 if weights is None else len(weights), np.nan)
    return survival.mean_auroc(cases.time, cases.event, risks_at(cases), horizons, weights)


def _brier(cases: Cases, weights: Array | None) -> Array:
    horizons = scored_horizons(cases)
    said = cases.survival[:, : len(horizons)]
    return survival.integrated_brier(cases.time, cases.event, said, horizons, weights)


def _brier_of_all(cases: Cases) -> float:
    horizons = scored_horizons(cases)
    return float(survival.integrated_brier_of_kaplan_meier(cases.time, cases.event, horizons)[0])


def _events(cases: Cases) -> str:
    return "no patient had the event, nothing can be compared" if not cases.event.any() else ""


def _two_horizons(cases: Cases) -> str:
    if len(scored_horizons(cases)) < 2:
        return "fewer than two of the s: columns lie within the follow-up"
    return _events(cases)


SURVIVAL = (
    Measure(
        "concordance",
        "Concordance",
        "share of pairs of patients with a known order of events that the risks put in that order (Harrell)",
        _harrell,
        chance=lambda _: 0.5,
        needs=_events,
    ),
    Measure(
        "uno",
        "Concordance (Uno)",
        "the same, weighted so that censoring does not matter; up to the time that a tenth is followed up to",
        _uno,
        chance=lambda _: 0.5,
        needs=_events,
    ),
    Measure(
        "dynamic_auroc",
        "Time-dependent AUROC",
        "chance that a patient with the event by a time scores above one without, averaged over times",
        _auroc,
        chance=lambda _: 0.5,
        needs=_events,
    ),
)
BRIER = Measure(
    "integrated_brier",
    "Integrated Brier score",
    "mean squared distance of said survival to what came, averaged over time; 0 at best",
    _brier,
    chance=_brier_of_all,
    needs=_two_horizons,
    higher=False,
)


def survival_measures(cases: Cases) -> tuple[Measure, ...]:
    """With the Brier score where survival itself is said."""
    return (*SURVIVAL, BRIER) if len(cases.horizons) else SURVIVAL
