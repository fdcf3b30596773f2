"""The charts of the report, each made of the cases of one target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histopress.metrics.case_arrays import Cases
from histopress.metrics.curves import GRID, Curve, precision_recall, reliability, roc
from histopress.metrics.figures import Chart, swarm
from histopress.metrics.results import number
from histopress.metrics.scores import THRESHOLD, auroc, average_precision

Counts = NDArray[np.uint16]

BINS = 100
"""How finely the picture of answers tells probabilities apart."""

ROW = 76
"""Height of a class in the picture of answers, px."""

NAMED_DOTS = 500
"""Dots up to which each can be pointed at for its patient."""


def style(index: int) -> str:
    """CSS class of the colour of a class or table."""
    return f"c{index % 8}"


def roc_figure(cases: Cases, number_of_class: int, counts: Counts, level: float) -> str:
    """ROC of a class against all others, with its band."""
    member = cases.truth == number_of_class
    score = cases.probabilities[:, number_of_class]
    curve = roc(member, score, counts, level)
    chart = Chart(f"ROC curve of {cases.classes[number_of_class]}")
    chart.axes("1 - specificity", "sensitivity")
    chart.line("even", [0, 1], [0, 1])
    _curve(chart, curve, style(number_of_class))
    area = float(auroc(member, score)[0])
    chart.note(0.97, 0.05, f"AUROC {number(area)}", "end", "label")
    return chart.svg()


def precision_figure(cases: Cases, number_of_class: int, counts: Counts, level: float) -> str:
    """Precision over recall of a class, with its band and the precision of calling everybody positive."""
    member = cases.truth == number_of_class
    score = cases.probabilities[:, number_of_class]
    curve = precision_recall(member, score, counts, level)
    shown = slice(None, int(np.argmax(curve.x >= 1)) + 1)
    xs, ys = np.insert(curve.x[shown], 0, 0.0), np.insert(curve.y[shown], 0, curve.y[0])
    chart = Chart(f"precision-recall curve of {cases.classes[number_of_class]}")
    chart.axes("recall (sensitivity)", "precision")
    chart.line("even", [0, 1], [member.mean()] * 2)
    _curve(chart, Curve(xs, ys, curve.low, curve.high), style(number_of_class))
    precision = float(average_precision(member, score)[0])
    chart.note(0.97, 0.05, f"average precision {number(precision)}", "end", "label")
    return chart.svg()


def overlay_figure(several: list[Cases], names: list[str]) -> str:
    """ROC curves of several tables about one binary target."""
    chart = Chart("ROC curves of all tables")
    chart.axes("1 - specificity", "sensitivity")
    chart.line("even", [0, 1], [0, 1])
    for i, (cases, name) in enumerate(zip(several, names, strict=True)):
        empty = np.ones((1, len(cases)), np.uint16)
        curve = roc(cases.positive, cases.score, empty, 0.95)
        chart.line(f"{style(i)} strong", curve.x, curve.y)
        chart.note(0.97, 0.05 + 0.07 * (len(names) - 1 - i), name, "end", f"key {style(i)}")
    return chart.svg()


def calibration_figure(cases: Cases, level: float) -> tuple[str, str]:
    """How often what was said came true, over the probability that was said; and how many patients a dot."""
    said, came, what = _said(cases)
    bins = reliability(said, came, level)
    chart = Chart("calibration of the probabilities")
    chart.axes(f"probability said of {what}", "share that came true")
    chart.line("even", [0, 1], [0, 1])
    chart.whiskers("c0", bins.said, bins.low, bins.high)
    chart.dots("c0", bins.said, bins.came, 5, [f"{n} patients" for n in bins.patients])
    fewest, most = int(bins.patients.min()), int(bins.patients.max())
    return chart.svg(), f"{fewest} patients" if fewest == most else f"{fewest} to {most} patients"


def calibration_pair_figure(before: Cases, after: Cases, level: float) -> str:
    """Reliability before and after recalibration."""
    chart = Chart("calibration before and after")
    chart.axes("probability that was said", "share that came true")
    chart.line("even", [0, 1], [0, 1])
    for cases, colour, name, height in ((before, "c7", "before", 0.12), (after, "c0", "after", 0.05)):
        bins = reliability(*_said(cases)[:2], level)
        chart.line(colour, bins.said, bins.came)
        chart.dots(colour, bins.said, bins.came, 4.5, [f"{n} patients" for n in bins.patients])
        chart.note(0.97, height, name, "end", f"key {colour}")
    return chart.svg()


def _said(cases: Cases) -> tuple[NDArray[np.float64], NDArray[np.bool_], str]:
    """(patients,) probability; (patients,) whether it came true; and of what it was said."""
    if cases.kind == "binary":
        return cases.score, cases.positive, cases.classes[-1]
    return cases.probabilities.max(axis=1), np.asarray(cases.answer == cases.truth), "the class called"


def distribution_figure(cases: Cases) -> str:
    """A dot a patient, row by row of true class.

    At the probability of the positive class of two, of the true class of several, or at the expected grade.
    """
    present = [i for i, n in enumerate(cases.counts.values()) if n]
    rows, last = len(present), len(cases.classes) - 1
    ordinal, binary = cases.kind == "ordinal", cases.kind == "binary"
    chart = Chart(
        "answers by true class", y=(0, rows), width=620, height=64 + ROW * rows, left=_name_width(cases)
    )
    if ordinal:
        ranks = [i / last for i in range(last + 1)]
        chart.axes("expected grade", "", ranks, y_ticks=[], x_names=cases.classes)
    else:
        chart.axes(f"probability of {cases.classes[-1] if binary else 'the true class'}", "", y_ticks=[])
    if binary:
        chart.line("even", [THRESHOLD, THRESHOLD], [0, rows])
    values = [
        cases.score[cases.truth == i] / last
        if ordinal
        else cases.probabilities[cases.truth == i, 1 if binary else i]
        for i in present
    ]
    most = max(swarm(of_class, bins=BINS, most=9)[2] for of_class in values)
    for row, (i, of_class) in enumerate(zip(present, values, strict=True)):
        _swarm_row(chart, cases, i, of_class, (rows - row - 0.5, most))
    return chart.svg()


def _swarm_row(
    chart: Chart, cases: Cases, i: int, values: NDArray[np.float64], row: tuple[float, int]
) -> None:
    """Dots of one class; row: its middle, and how many dots fill it."""
    middle, most = row
    xs, offsets, _ = swarm(values, BINS, most)
    patients = cases.patients[cases.truth == i]
    scale = len(cases.classes) - 1 if cases.kind == "ordinal" else 1
    names = [f"{p}: {number(v * scale)}" for p, v in zip(patients, values, strict=True)]
    radius = min(max(0.45 * 0.9 * ROW / most, 1.2), 3.2)
    ys = [middle + 0.9 * offset for offset in offsets]
    chart.dots(style(i), xs, ys, radius, names if len(names) <= NAMED_DOTS else ())
    left = chart.left - 12
    chart.text("label", left, chart.down(middle) - 2, _short(cases.classes[i]), "end")
    chart.text("tick", left, chart.down(middle) + 14, f"{len(values)} patients", "end")


def _name_width(cases: Cases) -> int:
    return min(190, max(128, 24 + 9 * max(len(_short(name)) for name in cases.classes)))


def _short(name: str) -> str:
    return name if len(name) <= 19 else f"{name[:18]}..."


def scatter_figure(cases: Cases) -> str:
    """Answer over label."""
    ends = _ends(np.concatenate([cases.truth, cases.score]))
    chart = Chart("answer over label", x=ends, y=ends)
    chart.axes("label", "answer")
    chart.line("even", ends, ends)
    chart.dots("c0 soft", cases.truth, cases.score, 4, _named(cases))
    return chart.svg()


def residual_figure(cases: Cases) -> str:
    """Answer minus label, over the label."""
    rest = cases.score - cases.truth
    widest = max(float(np.abs(rest).max()) * 1.08, 1e-9)
    chart = Chart("residuals over label", x=_ends(np.asarray(cases.truth)), y=(-widest, widest))
    chart.axes("label", "answer - label")
    chart.line("even", chart.x, [0, 0])
    chart.dots("c1 soft", cases.truth, rest, 4, _named(cases))
    return chart.svg()


def meter(value: float, low: float, high: float, ends: tuple[float, float], even: float) -> str:
    """A small scale with a score, its interval and the score of guessing."""
    if not all(np.isfinite([value, low, high, *ends])):
        return ""
    at = [4 + (v - ends[0]) / (ends[1] - ends[0]) * 152 for v in (low, high, value, even)]
    guess = f'<line class="guess" x1="{at[3]:.1f}" y1="3" x2="{at[3]:.1f}" y2="13"/>'
    return (
        '<svg class="meter" viewBox="0 0 160 16" aria-hidden="true">'
        '<line class="scale" x1="4" y1="8" x2="156" y2="8"/>'
        f"{guess if np.isfinite(even) else ''}"
        f'<line class="reach" x1="{at[0]:.1f}" y1="8" x2="{at[1]:.1f}" y2="8"/>'
        f'<circle class="point" cx="{at[2]:.1f}" cy="8" r="4"/></svg>'
    )


def _curve(chart: Chart, curve: Curve, colour: str) -> None:
    chart.band(colour, GRID, curve.low, curve.high)
    chart.line(f"{colour} strong", curve.x, curve.y)


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = max((high - low) * 0.05, 1e-9)
    return low - margin, high + margin


def _named(cases: Cases) -> list[str]:
    if len(cases) > NAMED_DOTS:
        return []
    triples = zip(cases.patients, cases.truth, cases.score, strict=True)
    return [f"{p}: label {t:g}, answer {s:.4g}" for p, t, s in triples]
