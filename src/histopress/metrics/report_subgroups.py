"""Section: the headline score in subgroups of the patients, and whether they differ by more than chance."""

from __future__ import annotations

from dataclasses import asdict
from html import escape

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.metrics.case_arrays import Cases
from histopress.metrics.intervals import UNKNOWN, Interval, draw_resamples
from histopress.metrics.measure import Measure
from histopress.metrics.measures import measures
from histopress.metrics.report_figures import meter
from histopress.metrics.report_html import card, figure, limits, line, p_sign, table
from histopress.metrics.report_section import Inquiry, Section
from histopress.metrics.results import number
from histopress.metrics.subgroups import DISTINCT, GroupScore, SubgroupTable, groupings, subgroup_table

TITLE = "Does it hold in all groups of patients?"


def subgroups(inquiry: Inquiry) -> Section | None:
    """Scores of all groups of every covariate that is asked for; None where none is."""
    cases, recipe = inquiry.cases, inquiry.recipe
    measure = measures(cases)[0]
    if inquiry.known.subgroups.empty or measure.undefined(cases):
        return None
    found = [
        subgroup_table(
            lambda weights: measure.score(cases, weights),
            grouping,
            cases.strata,
            _events(cases),
            resamples=recipe.resamples,
            seed=recipe.seed,
            level=recipe.confidence,
            interval=lambda rows: _interval(measure, cases, rows, inquiry),
        )
        for grouping in groupings(inquiry.known.subgroups, cases.patients, bands(inquiry.known.subgroups))
    ]
    rows = tuple(_plain(own, row.group, asdict(row)) for own in found for row in own.rows)
    facts = {"score": measure.name, "groups": list(rows), "p": {own.covariate: own.p for own in found}}
    names = ", ".join(own.covariate for own in found)
    methods = (
        f"{measure.label} was also told by {names}; differences between groups of ten patients or more were "
        "tested by dealing the groups anew between patients ("
        + ", ".join(f"{own.covariate} {p_sign(own.p)}" for own in found)
        + ")."
    )
    return Section("subgroups", TITLE, _card(found, measure, inquiry), facts, rows, methods)


def bands(covariates: pd.DataFrame) -> dict[str, list[float]]:
    """Thirds of every covariate that is a number of many values, at round edges."""
    found = {}
    for name in covariates:
        values = covariates[name].dropna()
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > DISTINCT:
            edges = np.quantile(values.to_numpy(np.float64), [1 / 3, 2 / 3])
            found[str(name)] = sorted({float(f"{edge:.2g}") for edge in edges})
    return found


def _card(found: list[SubgroupTable], measure: Measure, inquiry: Inquiry) -> str:
    cases, score = inquiry.cases, inquiry.result.scores[0]
    everybody = GroupScore(
        "All patients",
        len(cases),
        _all_events(cases),
        score.value,
        Interval(score.low, score.high, score.method),
        False,
    )
    rows = [line(everybody.group, _cells(everybody, measure, cases))]
    for own in found:
        tested = f"{p_sign(own.p)}, {', '.join(own.compared)} compared" if np.isfinite(own.p) else ""
        rows.append(f'<tr class="group"><th colspan="5">{_titled(own.covariate, tested)}</th></tr>')
        rows += [
            line(row.group, _cells(row, measure, cases), "few patients" if row.small else "", "member")
            for row in own.rows
        ]
    what = {"binary": cases.classes[-1] if cases.classes else "", "survival": "events"}.get(cases.kind, "")
    counted = f"patients ({what})" if what else "patients"
    head = ["", ("n", counted), ("n", measure.label), ("n", f"{inquiry.level:.0%} interval"), ""]
    words = (
        "Groups differ by chance alone, too; p tells how often groups drawn at random differ as much. "
        "Several groups were looked at, so one small p is no proof."
    )
    return card("", table(head, rows), words)


def _titled(name: str, soft: str) -> str:
    return f'{escape(name)}<span class="soft inline">{escape(soft)}</span>'


def _cells(row: GroupScore, measure: Measure, cases: Cases) -> list[str]:
    low, high = row.interval.low, row.interval.high
    counted = f"{row.patients}" if row.events is None else f"{row.patients} ({row.events})"
    scale = meter(row.value, low, high, measure.ends, measure.guess(cases))
    return [figure(counted), figure(number(row.value)), figure(limits(low, high)), f"<td>{scale}</td>"]


def _interval(measure: Measure, cases: Cases, rows: NDArray[np.intp], inquiry: Inquiry) -> Interval:
    if not len(rows):
        return UNKNOWN
    own = cases.at(rows)
    counts = draw_resamples(own.patients, None, inquiry.recipe.resamples, inquiry.recipe.seed)
    return measure.interval(own, counts, inquiry.level)


def _events(cases: Cases) -> NDArray[np.bool_] | None:
    return {"binary": cases.positive, "survival": cases.event}.get(cases.kind)


def _all_events(cases: Cases) -> int | None:
    events = _events(cases)
    return None if events is None else int(events.sum())


def _plain(own: SubgroupTable, group: str, row: dict[str, object]) -> dict[str, object]:
    interval = row.pop("interval")
    assert isinstance(interval, dict)
    return {"covariate": own.covariate, "group": group} | row | interval | {"p_of_covariate": own.p}
