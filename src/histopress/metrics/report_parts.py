"""The charts and tables of one result, by kind of target."""

from __future__ import annotations

import numpy as np

from histopress.metrics import report_figures as figures
from histopress.metrics.case_arrays import Cases
from histopress.metrics.intervals import draw_resamples
from histopress.metrics.report_html import card, row
from histopress.metrics.report_section import Inquiry
from histopress.metrics.report_tables import confusion_table

MOST_CURVE_RESAMPLES = 500
"""Enough for a band that is looked at."""


def figures_of(inquiry: Inquiry) -> str:
    """What a reader looks at after the headline."""
    kind = inquiry.cases.kind
    if kind == "survival":
        return ""
    return _numbers(inquiry.cases) if kind == "regression" else _classes(inquiry)


def _classes(inquiry: Inquiry) -> str:
    cases, level = inquiry.cases, inquiry.level
    called = {"binary": "probability 0.5", "ordinal": "the most probable grade"}.get(
        cases.kind, "the highest probability"
    )
    middle = card(
        "Answers by true class",
        figures.distribution_figure(cases),
        "One dot a patient; point at it for the name.",
    ) + card(f"Called at {called}", confusion_table(cases, level))
    if np.isnan(inquiry.result.scores[0].value):
        return middle
    return _curves(inquiry, middle)


def _curves(inquiry: Inquiry, middle: str) -> str:
    cases, level = inquiry.cases, inquiry.level
    resamples = min(inquiry.recipe.resamples, MOST_CURVE_RESAMPLES)
    counts = draw_resamples(cases.patients, cases.truth, resamples, inquiry.recipe.seed)
    band = f"Band: {level:.0%} of resamples within classes, point by point."
    shown = [1] if cases.kind == "binary" else [i for i, n in enumerate(cases.counts.values()) if n]
    rocs = [
        card(f"ROC: {cases.classes[i]}", figures.roc_figure(cases, i, counts, level), band) for i in shown
    ]
    precisions = [
        card(f"Precision: {cases.classes[i]}", figures.precision_figure(cases, i, counts, level), band)
        for i in shown
        if cases.kind != "ordinal"
    ]
    chart, patients = figures.calibration_figure(cases, level)
    words = f"Each dot: {patients}. On the dashed line probabilities can be taken at their word."
    calibration = card("Calibration", chart, words)
    if cases.kind == "binary":
        return row([*rocs, *precisions, calibration]) + middle
    return middle + row([*rocs, *precisions, calibration])


def _numbers(cases: Cases) -> str:
    scatter = card(
        "Answer and label", figures.scatter_figure(cases), "On the dashed line the answer is right."
    )
    rest = card("Residuals", figures.residual_figure(cases), "Above the dashed line the answer is too high.")
    return row([scatter, rest], "row wide")
