"""Section: decision curve, for which risks acting on the model is better than treating all or none."""

from __future__ import annotations

import numpy as np

from histopress.metrics.decision import DecisionCurve, decision_curve
from histopress.metrics.figures import Chart
from histopress.metrics.intervals import draw_resamples
from histopress.metrics.report_html import beside, card, paragraph
from histopress.metrics.report_section import Inquiry, Section

TITLE = "Is acting on it worth it? (decision curve)"


def decision(inquiry: Inquiry) -> Section | None:
    """Net benefit over the risk from which one would act."""
    cases, recipe = inquiry.cases, inquiry.recipe
    if min(cases.counts.values()) == 0:
        return None
    counts = draw_resamples(cases.patients, None, min(recipe.resamples, 500), recipe.seed)
    curve = decision_curve(cases.positive, cases.score, counts, inquiry.level)
    positive = cases.classes[-1]
    words = (
        f"Who acts from a risk of 10 % on accepts nine needless ones for one {positive} patient. Where the "
        "coloured line is above both others, acting on the model does more good than acting on all or on "
        "nobody. Risks only mean what they say if the probabilities are calibrated."
    )
    better = curve.model > np.maximum(curve.everyone, 0) + 1e-12
    facts = {
        "better_from": float(curve.threshold[better].min()) if better.any() else None,
        "better_to": float(curve.threshold[better].max()) if better.any() else None,
    }
    rows = tuple(
        {
            "threshold": float(t),
            "net_benefit": float(m),
            "low": float(low),
            "high": float(high),
            "treat_all": float(a),
        }
        for t, m, low, high, a in zip(
            curve.threshold, curve.model, curve.low, curve.high, curve.everyone, strict=True
        )
    )
    methods = "Clinical use was judged by decision curve analysis (net benefit, Vickers and Elkin 2006)."
    html = card("", beside(_chart(curve, float(cases.positive.mean())), paragraph(words, "plain"), "even"))
    return Section("decision_curve", TITLE, html, facts, rows, methods)


def _chart(curve: DecisionCurve, share: float) -> str:
    bottom, top = -share / 3, max(share * 1.15, float(curve.high.max()) * 1.05)
    chart = Chart("decision curve", y=(bottom, top), width=460, height=320)
    chart.axes("risk from which one would act", "net benefit")
    shown = curve.everyone >= bottom
    chart.line("even", curve.threshold[shown], curve.everyone[shown])
    chart.line("zero", [0, 1], [0, 0])
    chart.band("c0", curve.threshold, np.clip(curve.low, bottom, top), np.clip(curve.high, bottom, top))
    chart.line("c0 strong", curve.threshold, np.clip(curve.model, bottom, top))
    last = int(np.flatnonzero(shown)[-1])
    chart.note(float(curve.threshold[last]) + 0.02, bottom + (top - bottom) * 0.02, "act on all", "start")
    chart.note(0.01, -(top - bottom) * 0.05, "act on nobody", "start")
    return chart.svg()
