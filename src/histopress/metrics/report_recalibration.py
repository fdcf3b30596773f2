"""Section: probabilities put right on tuning patients, before and after, on the tested ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from histopress.metrics.calibration import calibration_in_the_large, calibration_slope
from histopress.metrics.case_arrays import Cases
from histopress.metrics.intervals import UNKNOWN, Interval, bootstrap
from histopress.metrics.measures import measures
from histopress.metrics.recalibration import Method, Recalibration, Tuning, recalibrate
from histopress.metrics.report_figures import calibration_pair_figure
from histopress.metrics.report_html import card, figure, limits, line, row, table
from histopress.metrics.report_section import Inquiry, Section
from histopress.metrics.report_thresholds import lacking
from histopress.metrics.results import number

TITLE = "Can the probabilities be put right?"
KEPT = ("brier", "ranked_probability_score", "log_loss", "calibration_error")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Value:
    """A score of probabilities, with what is perfect in words."""

    label: str
    meaning: str
    value: float
    interval: Interval

    def plain(self, when: str) -> dict[str, float]:
        """As columns of the CSV."""
        return {when: self.value, f"{when}_low": self.interval.low, f"{when}_high": self.interval.high}

    @property
    def cell(self) -> str:
        """As a cell of the table."""
        return figure(number(self.value), limits(self.interval.low, self.interval.high))


def recalibration(inquiry: Inquiry) -> Section | None:
    """Brier score, log loss, calibration error and slope before and after."""
    cases, tuning = inquiry.cases, inquiry.tuning
    if sum(1 for n in cases.counts.values() if n) < 2:
        return None
    reason = lacking(inquiry, tuning)
    if reason:
        return Section("recalibration", TITLE, reason=f"Probabilities were not recalibrated: {reason}.")
    asked = inquiry.recipe.recalibration
    method: Method = "temperature" if asked == "logistic" and cases.kind != "binary" else asked
    after, fitted = _after(cases, tuning, method)
    pairs = list(zip(_values(cases, inquiry), _values(after, inquiry), strict=True))
    lines = [line(was.label, [was.cell, now.cell], was.meaning) for was, now in pairs]
    words = (
        f"{method.capitalize()}, fitted on {sum(map(len, tuning.values()))} tuning patients "
        f"({_told(list(fitted.values()))}); the figures are of the tested patients. "
        "Where the tuning part also decided when training stopped, it looks a little better than it should."
    )
    html = row(
        [
            card("Calibration before and after", calibration_pair_figure(cases, after, inquiry.level)),
            card("In numbers", table(["", ("n", "before"), ("n", "after")], lines), words),
        ],
        "row wide",
    )
    rows = tuple({"score": was.label, **was.plain("before"), **now.plain("after")} for was, now in pairs)
    first, then = pairs[0]
    methods = (
        f"Probabilities were recalibrated ({method}) on the tuning part of each fold; on tested patients the "
        f"{first.label} went from {number(first.value)} to {number(then.value)}."
    )
    facts = {"method": method, "fitted": {run: str(f) for run, f in fitted.items()}, "scores": list(rows)}
    return Section("recalibration", TITLE, html, facts, rows, methods)


def _after(cases: Cases, tuning: dict[str, Cases], method: Method) -> tuple[Cases, dict[str, Recalibration]]:
    own = set(cases.fold.tolist()) <= set(tuning)
    run = cases.fold if own else np.full(len(cases), "mean")
    learned = Tuning(
        truth=np.concatenate([part.truth for part in tuning.values()]).astype(np.int64),
        probabilities=np.concatenate([part.probabilities for part in tuning.values()]),
        run=np.concatenate([np.full(len(part), fold if own else "mean") for fold, part in tuning.items()]),
    )
    shares, fitted = recalibrate(method, learned, cases.probabilities, run)
    score = {"binary": shares[:, -1], "ordinal": shares @ np.arange(shares.shape[1])}.get(
        cases.kind, cases.score
    )
    return replace(cases, probabilities=shares, score=score), fitted


def _values(cases: Cases, inquiry: Inquiry) -> list[Value]:
    """(label, meaning, value, interval) of each score."""
    scores: list[tuple[str, str, Callable[[Array | None], Array]]] = [
        (m.label, "0 is perfect", _bound(m.score, cases)) for m in measures(cases) if m.name in KEPT
    ]
    if cases.kind == "binary":
        scores += [
            (
                "Slope",
                "1 is perfect; below 1 too extreme",
                lambda w: calibration_slope(cases.positive, cases.score, w),
            ),
            (
                "In the large",
                "0 is perfect; below 0 too high",
                lambda w: calibration_in_the_large(cases.positive, cases.score, w),
            ),
        ]
    found = []
    for label, meaning, score in scores:
        value = float(score(None)[0])
        known = np.isfinite(value)
        drawn = bootstrap(score, cases.patients, inquiry.counts, inquiry.level) if known else UNKNOWN
        found.append(Value(label, meaning, value, drawn))
    return found


def _bound(score: Callable[[Cases, Array | None], Array], cases: Cases) -> Callable[[Array | None], Array]:
    return lambda weights: score(cases, weights)


def _told(fitted: list[Recalibration]) -> str:
    texts = [str(f) for f in fitted]
    return texts[0] if len(texts) == 1 else f"{texts[0]} in the first of {len(texts)} folds"
