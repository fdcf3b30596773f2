"""Section: could this be chance? Labels dealt anew between patients; and DeLong's interval as a check."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from histopress.metrics.case_arrays import Cases
from histopress.metrics.delong import delong
from histopress.metrics.figures import Chart
from histopress.metrics.intervals import Interval
from histopress.metrics.measures import measures
from histopress.metrics.permutation import Chance, deal, permutation_test
from histopress.metrics.report_html import beside, card, figure, limits, line, p_sign, table
from histopress.metrics.report_section import Inquiry, Section
from histopress.metrics.results import number

SLOW = {"survival": 500, "regression": 1000}
"""Permutations at most, of kinds that are scored deal by deal."""

Array = NDArray[np.float64]


def chance(inquiry: Inquiry) -> Section | None:
    """The headline beside what the same answers score with shuffled labels."""
    cases, recipe = inquiry.cases, inquiry.recipe
    measure, score = measures(cases)[0], inquiry.result.scores[0]
    deals = min(recipe.permutations, SLOW.get(cases.kind, recipe.permutations))
    if not deals or measure.undefined(cases):
        return None
    folds = cases.fold if len(np.unique(cases.fold)) > 1 else None
    dealt = deal(cases.patients, deals, recipe.seed, folds)
    truth = np.stack([cases.time, cases.event], axis=1) if cases.kind == "survival" else cases.truth

    def of_pairs(answer: NDArray[np.intp], label: NDArray[np.intp], weights: Array | None) -> Array:
        return measure.score(_dealt(cases, answer, label), weights)

    found = permutation_test(of_pairs, truth, dealt, higher=measure.higher)
    check = _delong(cases, inquiry.level)
    within = ", within folds" if folds is not None else ""
    methods = (
        f"Against chance, labels were dealt anew between patients{within} {found.deals:,} times; "
        f"{p_sign(found.p)} (one-sided), with {score.label} by chance {number(found.low)} to "
        f"{number(found.high)} in 95 of 100 deals."
    )
    rows = [
        line("these predictions", [figure(number(found.value))]),
        line(
            "labels dealt anew",
            [figure(number(found.mean), f"{number(found.low)} to {number(found.high)}")],
            f"mean, and 95 of 100 of {found.deals:,} deals",
        ),
    ]
    if check is not None:
        methods += f" As a check, DeLong's interval was {limits(check.low, check.high)}."
        rows.append(
            line("interval after DeLong", [figure(limits(check.low, check.high))], "in closed form, a check")
        )
    words = f"Of the same answers to shuffled labels, this good or better: {p_sign(found.p)}."
    content = beside(_chart(found, measure.ends), table(["", ("n", score.label)], rows), "even")
    html = card("", content, words)
    facts = vars(found) | ({} if check is None else {"delong": {"low": check.low, "high": check.high}})
    return Section("chance", "Is it more than chance?", html, facts, (facts,), methods)


def _dealt(cases: Cases, answer: NDArray[np.intp], label: NDArray[np.intp]) -> Cases:
    """The answers of some patients beside the labels of others."""
    answered = cases.at(answer)
    event = cases.event[label] if len(cases.event) else cases.event
    return replace(answered, truth=cases.truth[label], event=event)


def _delong(cases: Cases, level: float) -> Interval | None:
    if cases.kind != "binary":
        return None
    return delong(cases.positive, cases.score).interval(0, level)


def _chart(found: Chance, ends: tuple[float, float]) -> str:
    """The score, and where chance falls, on one line."""
    low, high = (
        max(ends[0], min(found.low, found.value) - 0.1),
        min(ends[1], max(found.high, found.value) + 0.1),
    )
    chart = Chart("score against chance", x=(low, high), y=(0, 1), width=340, height=96, left=14, bottom=34)
    chart.axes("", "", y_ticks=[])
    chart.band("c7", [found.low, found.high], [0.25, 0.25], [0.75, 0.75])
    chart.line("even", [found.mean, found.mean], [0.1, 0.9])
    chart.dots("c0", [found.value], [0.5], 7, [f"these predictions: {number(found.value)}"])
    chart.note(found.mean, 0.84, "chance", "start")
    return chart.svg()
