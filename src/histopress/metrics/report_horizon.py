"""Section: survival that was said at a time beside what came, and AUROC over time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.metrics.figures import Chart
from histopress.metrics.measures_survival import risks_at, scored_horizons
from histopress.metrics.report_html import card, row
from histopress.metrics.report_section import Inquiry, Section
from histopress.metrics.survival import dynamic_auroc
from histopress.metrics.survival_groups import SurvivalCalibration, survival_calibration

TITLE = "At a given time"
MOST_RESAMPLES = 500


def horizon(inquiry: Inquiry) -> Section | None:
    """Calibration at a horizon where survival is said, and AUROC at all horizons."""
    cases = inquiry.cases
    times = scored_horizons(cases)
    if not len(times) or not cases.event.any():
        return None
    cards: list[str] = []
    facts: dict[str, Any] = {}
    methods = ""
    if len(cases.horizons):
        at = _chosen(cases.horizons, inquiry.recipe.horizon, times)
        said = cases.survival[:, cases.horizons.index(at)]
        found = survival_calibration(cases.time, cases.event, said, at, inquiry.level)
        cards.append(
            card(
                f"Calibration at {at:g}",
                _calibration_chart(found),
                f"Each dot: {_sizes(found)} patients. On the dashed line, what was said came true.",
            )
        )
        facts |= {"horizon": at, "said": found.said.tolist(), "came": found.came.tolist()}
        methods = (
            f"Calibration was judged at {at:g} against Kaplan-Meier estimates in groups of said survival."
        )
    areas = _areas(inquiry, times)
    known = [area for area in areas if np.isfinite(list(area.values())).all()]
    if len(known) > 1:
        cards.append(card("AUROC over time", _area_chart(known), "Whiskers: point by point."))
    html = row(cards, "row wide") if cards else ""
    return Section("horizons", TITLE, html, facts | {"auroc": areas}, tuple(areas), methods)


def _chosen(said: tuple[float, ...], asked: float | None, times: NDArray[np.float64]) -> float:
    """The horizon asked for, or the nearest that is said; without, the middle one."""
    if asked is not None:
        return min(said, key=lambda h: abs(h - asked))
    return float(times[len(times) // 2])


def _areas(inquiry: Inquiry, times: NDArray[np.float64]) -> list[dict[str, float]]:
    """Time, AUROC and its limits; NaN where there is nobody to compare."""
    cases, risks = inquiry.cases, risks_at(inquiry.cases)
    values = dynamic_auroc(cases.time, cases.event, risks, times)[0]
    weights = inquiry.counts[:MOST_RESAMPLES].astype(np.float64)
    drawn = dynamic_auroc(cases.time, cases.event, risks, times, weights)
    tails = [(1 - inquiry.level) / 2, (1 + inquiry.level) / 2]
    found = []
    for time, value, column in zip(times.tolist(), values.tolist(), drawn.T, strict=True):
        known = column[np.isfinite(column)]
        low, high = np.quantile(known, tails).tolist() if len(known) else (np.nan, np.nan)
        found.append({"time": time, "auroc": value, "low": low, "high": high})
    return found


def _sizes(found: SurvivalCalibration) -> str:
    few, many = int(found.cases.min()), int(found.cases.max())
    return f"{few}" if few == many else f"{few} to {many}"


def _calibration_chart(found: SurvivalCalibration) -> str:
    chart = Chart("calibration of survival")
    chart.axes("survival that was said", "survival that came (Kaplan-Meier)")
    chart.line("even", [0, 1], [0, 1])
    seen = np.isfinite(found.came)
    chart.whiskers("c0", found.said[seen], found.low[seen], found.high[seen])
    chart.dots("c0", found.said[seen], found.came[seen], 5, [f"{n} patients" for n in found.cases[seen]])
    return chart.svg()


def _area_chart(areas: list[dict[str, float]]) -> str:
    times, value, low, high = ([a[name] for a in areas] for name in ("time", "auroc", "low", "high"))
    bottom, margin = min(0.4, *(v - 0.05 for v in low)), (times[-1] - times[0]) * 0.08
    chart = Chart("AUROC over time", x=(times[0] - margin, times[-1] + margin), y=(bottom, 1))
    chart.axes("time", "AUROC")
    chart.line("even", chart.x, [0.5, 0.5])
    chart.whiskers("c0", times, low, high)
    chart.line("c0 strong", times, value)
    chart.dots("c0", times, value, 5, [f"{t:g}: {v:.2f}" for t, v in zip(times, value, strict=True)])
    return chart.svg()
