"""Section: a threshold chosen on tuning patients, and what it does to the tested ones."""

from __future__ import annotations

import numpy as np

from histopress.metrics.case_arrays import Cases
from histopress.metrics.report_html import beside, card, figure, limits, line, table
from histopress.metrics.report_section import Inquiry, Section
from histopress.metrics.report_tables import matrix
from histopress.metrics.results import number
from histopress.metrics.thresholds import (
    Proportion,
    Scored,
    ThresholdRule,
    call,
    proportions,
    thresholds_by_run,
)

TITLE = "With a threshold chosen in advance"


def thresholds(inquiry: Inquiry) -> Section | None:
    """Sensitivity, specificity and predictive values on test patients."""
    cases, tuning = inquiry.cases, inquiry.tuning
    if min(cases.counts.values()) == 0:
        return None
    reason = lacking(inquiry, tuning)
    if reason:
        return Section("thresholds", TITLE, reason=f"No threshold was chosen: {reason}.")
    rule = ThresholdRule.parse(inquiry.recipe.threshold)
    chosen = thresholds_by_run(rule, _scored(tuning))
    called = call(cases.score, cases.fold, chosen)
    found = proportions(cases.positive, called, cases.patients, inquiry.counts, inquiry.level)
    counts = np.zeros((2, 2), int)
    np.add.at(counts, (cases.truth.astype(int), called.astype(int)), 1)
    patients = sum(len(part) for part in tuning.values())
    words = (
        f"Rule: {rule}. Chosen on {patients} tuning patients and not looked at again: "
        f"{_told(chosen)}. Predictive values hold for {cases.positive.mean():.0%} {cases.classes[-1]}, "
        "as in this cohort."
    )
    html = card("", beside(matrix(counts, cases.classes), _table(found, inquiry.level)), words)
    methods = (
        f"A threshold was chosen on the tuning part by rule ({rule}) and applied unchanged to the tested "
        "patients: "
        + ", ".join(f"{p.name} {number(p.value)} {limits(p.wilson.low, p.wilson.high)}" for p in found)
        + " (Wilson intervals)."
    )
    facts = {"rule": str(rule), "thresholds": chosen, "proportions": [p.plain for p in found]}
    return Section("thresholds", TITLE, html, facts, tuple(p.plain for p in found), methods)


def lacking(inquiry: Inquiry, tuning: dict[str, Cases]) -> str:
    """Why nothing can be learned from the tuning part; "" where it can."""
    needed = sorted(set(inquiry.cases.fold.tolist()) - set(tuning) - {"mean"})
    if not tuning or needed:
        return "the table holds no rows of part tuning" + (f" for run {', '.join(needed)}" if tuning else "")
    poor = [fold for fold, part in tuning.items() if len(np.unique(part.truth)) < 2]
    if poor:
        return f"the tuning patients of run {', '.join(poor)} are all of one class"
    return ""


def _scored(tuning: dict[str, Cases]) -> Scored:
    return Scored(
        positive=np.concatenate([part.positive for part in tuning.values()]),
        score=np.concatenate([part.score for part in tuning.values()]),
        run=np.concatenate([np.full(len(part), fold) for fold, part in tuning.items()]),
    )


def _told(chosen: dict[str, float]) -> str:
    values = list(chosen.values())
    if len(values) == 1:
        return f"a probability of {values[0]:.2g}"
    return f"a probability of {min(values):.2g} to {max(values):.2g}, each of {len(values)} folds its own"


def _table(found: tuple[Proportion, ...], level: float) -> str:
    rows = [
        line(
            p.name.capitalize(),
            [
                figure(number(p.value)),
                figure(limits(p.wilson.low, p.wilson.high)),
                figure(limits(p.bootstrap.low, p.bootstrap.high)),
                figure(f"{p.hits} of {p.trials}"),
            ],
        )
        for p in found
    ]
    head = ["", ("n", "value"), ("n", f"{level:.0%}, Wilson"), ("n", "bootstrap"), ("n", "patients")]
    return table(head, rows)
