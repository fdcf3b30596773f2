"""Hazard ratios from Cox models (Efron's ties), alone and adjusted for covariates, and a check of their form.

Nothing raises for want of data: a model that cannot be fitted gives NaN and the reason.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from histopress.metrics.survival_covariates import Design, design_of

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_ERROR = 10.0
"""Standard error of a log hazard ratio, per SD or between groups, from which a model has run away."""

EVENTS_A_TERM = 10
"""Events for every term of a model below which a note warns (Peduzzi, J Clin Epidemiol 1995;48:1503)."""

NOT_PROPORTIONAL = 0.05
"""P value of Schoenfeld residuals against time below which a note warns."""


@dataclass(frozen=True)
class Term:
    """One line of a Cox model.

    Attributes:
        name: of the term, with its unit.
        ratio: hazard ratio.
        low: lower limit of it.
        high: upper limit.
        p: that it is 1 (Wald).
        proportional: p that it is the same at all times (Schoenfeld residuals, ranks of time).
    """

    name: str
    ratio: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    proportional: float = math.nan


@dataclass(frozen=True)
class HazardRatio:
    """What a Cox model says.

    Attributes:
        term: the one that was asked for.
        others: what it is adjusted for.
        cases: that the model was fitted to.
        events: among them.
        dropped: cases left out, as a covariate is missing or its value has no events.
        reason: why there is no value; "" where there is one.
        notes: what a reader must know.
        level: confidence of the limits.
    """

    term: Term
    others: tuple[Term, ...] = ()
    cases: int = 0
    events: int = 0
    dropped: int = 0
    reason: str = ""
    notes: tuple[str, ...] = ()
    level: float = 0.95

    @property
    def ratio(self) -> float:
        """The hazard ratio asked for; NaN if there is none."""
        return self.term.ratio

    @property
    def low(self) -> float:
        """Lower limit of it."""
        return self.term.low

    @property
    def high(self) -> float:
        """Upper limit of it."""
        return self.term.high

    @property
    def p(self) -> float:
        """P value (Wald) that it is 1."""
        return self.term.p


def hazard_ratio(
    time: ArrayLike,
    event: ArrayLike,
    x: ArrayLike,
    covariates: pd.DataFrame | None = None,
    *,
    name: str = "risk",
    per_sd: bool = False,
    strata: ArrayLike | None = None,
    level: float = 0.95,
) -> HazardRatio:
    """Hazard ratio of one quantity, adjusted for others.

    Args:
        time: (cases,) of the event or of the last contact.
        event: (cases,) whether it was the event.
        x: (cases,) numbers, or whether a case belongs to a group.
        covariates: one row a case; numbers count per standard deviation, anything with two values or text
            against its first value in order. Cases with a missing one are left out.
        name: of x, in words.
        per_sd: the ratio is for one standard deviation of x, among all cases given, not for 1.
        strata: (cases,) groups with baseline hazards of their own, such as sites or folds.
        level: confidence.
    """
    time, event, x = np.asarray(time, np.float64), np.asarray(event, np.bool_), np.asarray(x, np.float64)
    spread = float(x.std(ddof=1)) if per_sd and len(x) > 1 else 1.0
    label = f"{name}, per SD" if per_sd else name
    design = design_of(x / spread if spread > 0 else x, label, covariates, event)
    layers = None if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1][design.kept]
    empty = HazardRatio(
        Term(label),
        tuple(Term(n) for n in design.names[1:]),
        cases=int(design.kept.sum()),
        events=int(event[design.kept].sum()),
        dropped=int((~design.kept).sum()),
        notes=design.notes,
        level=level,
    )
    reason = _why_not(design, event[design.kept])
    if reason:
        return replace(empty, reason=reason)
    return _fitted(empty, design, time[design.kept], event[design.kept], layers)


def _why_not(design: Design, event: Flags) -> str:
    """Why no model can be fitted; "" where one can."""
    values = design.values
    x = values[:, 0]
    if not event.any():
        return f"no event among {len(event)} cases"
    if np.ptp(x) == 0:
        return f"{design.names[0]} is the same in all {len(event)} cases"
    if event.sum() <= values.shape[1]:
        return f"{int(event.sum())} events, too few for {values.shape[1]} terms"
    if len(np.unique(x)) == 2:
        groups = (("lower", x == x.min()), ("higher", x == x.max()))
        without = [which for which, members in groups if not event[members].any()]
        if without:
            return f"no event in the group with the {without[0]} {design.names[0]}"
    if np.linalg.matrix_rank(values - values.mean(axis=0)) < values.shape[1]:
        return "the covariates, or the risk and the covariates, tell the same"
    return ""


def _fitted(
    empty: HazardRatio, design: Design, time: Array, event: Flags, strata: NDArray[np.int64] | None
) -> HazardRatio:
    columns = [f"x{i}" for i in range(design.values.shape[1])]
    table = pd.DataFrame(design.values, columns=columns).assign(time=time, event=event.astype(int))
    if strata is not None:
        table["strata"] = strata
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        summary, proportional, failure = _cox(table, ["strata"] if strata is not None else None)
    if summary is None:
        return replace(empty, reason=f"the Cox model does not converge ({failure})")
    errors, logs = (summary[c].to_numpy(np.float64) for c in ("se(coef)", "coef"))
    runaway = not np.isfinite(errors).all() or errors.max() > MOST_ERROR
    if runaway or _monotone(time, event, design.values @ logs, strata):
        return replace(empty, reason="the order of the events is known without error, so no ratio is finite")
    z = NormalDist().inv_cdf((1 + empty.level) / 2)
    terms = [
        Term(name, math.exp(b), math.exp(b - z * e), math.exp(min(b + z * e, 700.0)), float(p), float(same))
        for name, b, e, p, same in zip(design.names, logs, errors, summary["p"], proportional, strict=True)
    ]
    notes = (*empty.notes, *_cautions(terms, empty.events))
    return replace(empty, term=terms[0], others=tuple(terms[1:]), notes=notes)


def _cox(table: pd.DataFrame, strata: list[str] | None) -> tuple[pd.DataFrame | None, Array, str]:
    """Summary of the model, p values of Schoenfeld residuals, and why there is none of them."""
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError
    from lifelines.statistics import proportional_hazard_test

    nothing = np.full(0, np.nan)
    model: Any = CoxPHFitter()
    try:
        model.fit(table, "time", "event", strata=strata)
    except (ConvergenceError, np.linalg.LinAlgError, ValueError) as error:
        return None, nothing, str(error).split("\n")[0].rstrip(". ")[:120]
    try:
        test = proportional_hazard_test(model, table, time_transform="rank")
        proportional = np.atleast_1d(np.asarray(test.p_value, np.float64))
    except (np.linalg.LinAlgError, ValueError):
        proportional = np.full(len(model.summary), np.nan)
    return model.summary, proportional, ""


def _monotone(time: Array, event: Flags, score: Array, strata: NDArray[np.int64] | None) -> bool:
    """Whether every event has the highest score of all who are at risk: the likelihood then has no peak."""
    layers = np.zeros(len(time), np.int64) if strata is None else strata
    for layer in np.unique(layers):
        members = np.flatnonzero(layers == layer)
        members = members[np.argsort(time[members], kind="stable")]
        highest = np.maximum.accumulate(score[members][::-1])[::-1]
        at_risk = highest[np.searchsorted(time[members], time[members], side="left")]
        if (score[members] < at_risk)[event[members]].any():
            return False
    return True


def _cautions(terms: list[Term], events: int) -> list[str]:
    notes = []
    if events < EVENTS_A_TERM * len(terms):
        notes.append(
            f"{events} events for {len(terms)} term{'s' if len(terms) > 1 else ''}: the ratio is unsteady, "
            f"{EVENTS_A_TERM} events for each are advised"
        )
    notes += [
        f"the hazard ratio of {term.name} changes over time (Schoenfeld residuals, "
        f"p = {term.proportional:.2g}): read it as an average over the follow-up"
        for term in terms
        if term.proportional < NOT_PROPORTIONAL
    ]
    return notes
