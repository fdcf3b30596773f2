"""Section: Kaplan-Meier curves of groups of risk, with numbers at risk, log-rank test and hazard ratios."""

from __future__ import annotations

from html import escape

import numpy as np

from histopress.metrics.figures import Chart, ticks
from histopress.metrics.report_figures import style
from histopress.metrics.report_html import card, cell, figure, limits, line, p_sign, p_text, row, table
from histopress.metrics.report_section import Inquiry, Section
from histopress.metrics.results import number
from histopress.metrics.survival_cox import HazardRatio, Term, hazard_ratio
from histopress.metrics.survival_curves import KaplanMeier, kaplan_meier, log_rank
from histopress.metrics.survival_groups import RiskGroups, quantile_cuts, risk_groups

TITLE = "What comes of patients at low and at high risk?"
TUNED = 10
"""Tuning patients of a fold from which its cut may be learned."""
LINE = 17


def groups(inquiry: Inquiry) -> Section | None:
    """Curves, test and ratios."""
    cases, level = inquiry.cases, inquiry.level
    parted = _parted(inquiry)
    members = [(name, parted.member == i) for i, name in enumerate(parted.names)]
    curves = {n: kaplan_meier(cases.time[m], cases.event[m], level) for n, m in members if m.any()}
    p = log_rank(cases.time, cases.event, parted.member)
    ratios = _ratios(inquiry, parted)
    words = (
        f"Groups: {parted.rule}. Log-rank test {p_sign(p)}. Bands: {level:.0%}, time by time. Ticks: last "
        "contact without the event."
    )
    numbers = _group_table(curves) + "<h4>Hazard ratios (Cox)</h4>" + _ratio_table(ratios, level)
    html = row(
        [card("Free of the event", _chart(curves), words), card("In numbers", numbers, _notes(ratios))],
        "row wide",
    )
    rows = tuple(_plain(model, term) for model, ratio in ratios for term in (ratio.term, *ratio.others))
    facts = {
        "rule": parted.rule,
        "log_rank_p": p,
        "groups": {
            name: {"patients": c.cases, "events": c.events, "median": c.median} for name, c in curves.items()
        },
        "hazard_ratios": [*rows],
        "notes": [note for _, ratio in ratios for note in (*ratio.notes, ratio.reason) if note],
    }
    first = ratios[0][1]
    methods = (
        f"Patients were grouped by risk ({parted.rule}) and compared by Kaplan-Meier curves and the log-rank "
        f"test ({p_sign(p)}); the hazard ratio from a Cox model was {number(first.ratio)} "
        f"{limits(first.low, first.high)}."
    )
    if len(inquiry.known.adjust.columns):
        adjusted = ratios[-1][1]
        names = ", ".join(map(str, inquiry.known.adjust))
        methods += (
            f" Adjusted for {names}, the ratio per standard deviation of the risk was "
            f"{number(adjusted.ratio)} {limits(adjusted.low, adjusted.high)}."
        )
    return Section("risk_groups", TITLE, html, facts, rows, methods)


def _parted(inquiry: Inquiry) -> RiskGroups:
    """Cut at the tuning patients' risk, where there are enough of them in every fold."""
    cases, tuning, count = inquiry.cases, inquiry.tuning, inquiry.recipe.risk_groups
    several = len(np.unique(cases.fold)) > 1
    enough = set(cases.fold.tolist()) <= set(tuning) and min(map(len, tuning.values()), default=0) >= TUNED
    if not enough:
        return risk_groups(cases.score, count, fold=cases.fold if several else None)
    cuts = {fold: quantile_cuts(part.score, count) for fold, part in tuning.items()}
    return risk_groups(cases.score, count, cuts=cuts, fold=cases.fold)


def _ratios(inquiry: Inquiry, parted: RiskGroups) -> list[tuple[str, HazardRatio]]:
    """(name of the model, what it says)."""
    cases, level, last = inquiry.cases, inquiry.level, len(parted.names) - 1
    strata = cases.fold if len(np.unique(cases.fold)) > 1 else None
    ends = np.isin(parted.member, [0, last])
    name = f"{parted.names[-1]} against {parted.names[0]}"
    high = (parted.member == last).astype(np.float64)
    time, event = cases.time, cases.event
    found = [
        ("groups", hazard_ratio(time[ends], event[ends], high[ends], name=name, level=level)),
        ("risk", hazard_ratio(time, event, cases.score, per_sd=True, strata=strata, level=level)),
    ]
    known = inquiry.known.adjust
    if len(known.columns):
        others = known.reindex(cases.patients)
        found.append(
            (
                "adjusted",
                hazard_ratio(time, event, cases.score, others, per_sd=True, strata=strata, level=level),
            )
        )
    return found


def _chart(curves: dict[str, KaplanMeier]) -> str:
    ends = max(float(c.times[-1]) for c in curves.values())
    at = ticks(0, ends)
    below = 66 + LINE * len(curves)
    chart = Chart("Kaplan-Meier curves", x=(0, ends), width=460, height=300 + below, left=84, bottom=below)
    chart.axes("time", "share free of the event", x_ticks=at, label_below=34)
    for i, (name, curve) in enumerate(curves.items()):
        xs, low, high = _steps(curve)
        chart.band(style(i), xs, low, high)
        chart.line(f"{style(i)} strong", curve.times, curve.survival, steps=True)
        seen = curve.censored > 0
        chart.marks(style(i), curve.times[seen], curve.survival[seen])
        down = chart.height - below + 58 + LINE * (i + 1)
        chart.text(f"key {style(i)}", 4, down, name.removesuffix(" risk"), "start")
        for tick, n in zip(at, curve.numbers_at_risk(at), strict=True):
            chart.text("tick", chart.across(tick), down, str(n), "middle")
    chart.text("label", 4, chart.height - below + 56, "at risk", "start")
    return chart.svg()


def _steps(curve: KaplanMeier) -> tuple[list[float], list[float], list[float]]:
    """The band's corners: each value holds until the next time."""
    xs = np.repeat(curve.times, 2)[1:]
    low, high = np.repeat(curve.low, 2)[:-1], np.repeat(curve.high, 2)[:-1]
    return xs.tolist(), low.tolist(), high.tolist()


def _group_table(curves: dict[str, KaplanMeier]) -> str:
    rows = []
    for name, curve in curves.items():
        low, high = curve.median_limits
        median = number(curve.median) if np.isfinite(curve.median) else "not reached"
        span = f"[{number(low) if np.isfinite(low) else '-'}, {number(high) if np.isfinite(high) else '-'}]"
        rows.append(line(name, [figure(str(curve.cases)), figure(str(curve.events)), figure(median, span)]))
    return table(["", ("n", "patients"), ("n", "events"), ("n", "median time")], rows)


def _ratio_table(ratios: list[tuple[str, HazardRatio]], level: float) -> str:
    rows = []
    for model, ratio in ratios:
        rows.append(
            f'<tr class="group"><th colspan="4">{escape(_MODEL[model])}'
            f'<span class="soft inline">{ratio.cases} patients, {ratio.events} events</span></th></tr>'
        )
        if ratio.reason:
            rows.append(line(ratio.term.name, [cell(f"no ratio: {ratio.reason}"), "<td></td><td></td>"]))
            continue
        rows += [
            line(
                term.name,
                [figure(number(term.ratio)), figure(limits(term.low, term.high)), figure(p_text(term.p))],
                style="member",
            )
            for term in (ratio.term, *ratio.others)
        ]
    return table(["", ("n", "hazard ratio"), ("n", f"{level:.0%} interval"), ("n", "p")], rows)


_MODEL = {"groups": "Groups of risk", "risk": "Risk as a number", "adjusted": "Risk, adjusted"}


def _notes(ratios: list[tuple[str, HazardRatio]]) -> str:
    notes = dict.fromkeys(note for _, ratio in ratios for note in ratio.notes)
    return " ".join(f"{note[0].upper()}{note[1:]}." for note in notes)


def _plain(model: str, term: Term) -> dict[str, object]:
    return {
        "model": model,
        "term": term.name,
        "ratio": term.ratio,
        "low": term.low,
        "high": term.high,
        "p": term.p,
    }
