"""Section: several tables about one target, on the patients that all of them answer for."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PredictionsError
from histopress.metrics.case_arrays import Cases
from histopress.metrics.compare import Difference, InCommon, compare, compare_areas, in_common
from histopress.metrics.intervals import ScoreOfWeights, draw_resamples
from histopress.metrics.measure import Measure
from histopress.metrics.measures import measures
from histopress.metrics.report_figures import overlay_figure
from histopress.metrics.report_html import card, cell, figure, limits, p_text, paragraph, row, table
from histopress.metrics.report_section import Inquiry, Section
from histopress.metrics.report_tables import side_by_side_table

Models = dict[str, Cases]


def comparison(inquiries: Sequence[Inquiry]) -> Section:
    """Differences of the headline score, with intervals and p corrected for how many were compared.

    Args:
        inquiries: of one target, one a table.
    """
    results = [inquiry.result for inquiry in inquiries]
    target = results[0].target
    side = card("Scores side by side", side_by_side_table(results))
    curves = _curves(inquiries)
    try:
        models, shared = _aligned(inquiries)
    except PredictionsError as error:
        html = row([side, *curves], "row main" if curves else "row wide") + card(
            "Differences", paragraph(f"Not compared: {error}", "plain")
        )
        return Section("comparison", target, html, {"reason": str(error)}, target=target, table="all")
    found = _differences(inquiries[0], models)
    html = row([side, *curves], "row main" if curves else "row wide") + card(
        "Differences on the same patients", _table(found), _words(shared, inquiries[0], models)
    )
    label = measures(next(iter(models.values())))[0].label
    methods = (
        f"{', '.join(models)} were compared by {label} on the {len(shared.patients)} patients that all of "
        "them answer for, by paired bootstrap"
        + (" and DeLong's test" if any(method == "DeLong" for method, _ in found) else "")
        + ", with p corrected after Holm."
    )
    rows = tuple({"method": method} | d.plain for method, d in found)
    facts = {"score": label, "patients": len(shared.patients), "differences": list(rows)}
    return Section("comparison", target, html, facts, rows, methods, target=target, table="all")


def _aligned(inquiries: Sequence[Inquiry]) -> tuple[Models, InCommon]:
    """The cases of every table, cut to the patients in common, and who they are."""
    models = {inquiry.result.name: inquiry.cases for inquiry in inquiries}
    kinds = sorted({cases.kind for cases in models.values()})
    if len(kinds) > 1:
        raise PredictionsError(f"tables tell of one target as {' and '.join(kinds)}, expected one kind")
    shared = in_common(
        {name: cases.patients for name, cases in models.items()},
        {name: _truth(cases) for name, cases in models.items()},
    )
    return {name: cases.at(shared.rows[name]) for name, cases in models.items()}, shared


def _truth(cases: Cases) -> NDArray[np.generic]:
    """As it was written, whatever the order of the classes."""
    if cases.classed:
        return np.array([cases.classes[i] for i in cases.truth.astype(int)])
    if cases.kind == "survival":
        return np.stack([cases.time, cases.event], axis=1)
    return cases.time


def _differences(inquiry: Inquiry, models: Models) -> list[tuple[str, Difference]]:
    """(method, difference) of every pair."""
    recipe, first = inquiry.recipe, next(iter(models.values()))
    counts = draw_resamples(first.patients, None, recipe.resamples, recipe.seed)
    measure, reference = measures(first)[0], recipe.reference or None
    if any(measure.undefined(cases) for cases in models.values()):
        return []
    scores = {name: _bound(measure, cases) for name, cases in models.items()}
    found = compare(scores, first.patients, counts, recipe.confidence, reference=reference)
    told = [("paired bootstrap", d) for d in found]
    if first.kind == "binary" and len({cases.classes for cases in models.values()}) == 1:
        answers = {name: cases.score for name, cases in models.items()}
        areas = compare_areas(first.positive, answers, first.patients, recipe.confidence, reference=reference)
        told += [("DeLong", d) for d in areas]
    return told


def _bound(measure: Measure, cases: Cases) -> ScoreOfWeights:
    return lambda weights: measure.score(cases, weights)


def _table(found: list[tuple[str, Difference]]) -> str:
    rows = [
        f'<tr><th>{escape(d.one)}<span class="soft">less {escape(d.other)}</span></th>'
        + figure(f"{d.value:+.3f}")
        + figure(limits(d.interval.low, d.interval.high))
        + figure(p_text(d.p))
        + figure(p_text(d.corrected))
        + cell(method)
        + "</tr>"
        for method, d in found
    ]
    return table(["", ("n", "difference"), ("n", "interval"), ("n", "p"), ("n", "p, Holm"), "method"], rows)


def _words(shared: InCommon, inquiry: Inquiry, models: Models) -> str:
    lost = {name: len(ids) for name, ids in shared.left_out.items() if ids}
    label = measures(next(iter(models.values())))[0].label
    who = f"All tables answer for the same {len(shared.patients)} patients."
    if lost:
        more = ", ".join(f"{n} of {name}" for name, n in lost.items())
        who = f"{len(shared.patients)} patients in common; left out: {more}: compare with care."
    return (
        f"{who} Differences are of {label}; patients are drawn once for all tables, so what is hard about a "
        "patient falls on all alike. A difference whose interval holds 0 may be chance."
    )


def _curves(inquiries: Sequence[Inquiry]) -> list[str]:
    binary = [
        i for i in inquiries if i.cases.kind == "binary" and not measures(i.cases)[0].undefined(i.cases)
    ]
    if len(binary) < 2:
        return []
    chart = overlay_figure([i.cases for i in binary], [i.result.name for i in binary])
    return [card("ROC curves", chart)]
