"""The charts of a power report: learning curves, and patients needed by size of the object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from histopress.metrics.figures import Chart
from histopress.studies.learning_curve import FAR
from histopress.studies.power_answers import Answer
from histopress.studies.power_tables import OPEN, needed_points, smooth_sizes
from histopress.studies.power_words import Study, share

COLOURS = 8
"""Of lines that the style sheet knows."""

TARGETS = 4
"""Colours from here on tell wanted AUROCs apart."""

BESIDE = 0.06
"""Share of an object-to-image ratio by which the next target stands to the right."""

WIDTH, HEIGHT = 520, 340


def curves(study: Study) -> str:
    """AUROC by patients learned from, a colour for each object-to-image ratio."""
    sizes = smooth_sizes(study.answers)
    marks = sorted({int(size) for answer in study.answers for size in answer.curve.sizes})
    learned = study.answers[0].learned
    chart = Chart(
        "AUROC by patients to learn from",
        (math.log10(sizes[0]) - 0.03, math.log10(sizes[-1]) + 0.3),
        (0.4, 1.02),
        width=WIDTH,
        height=HEIGHT,
    )
    chart.axes(
        "patients to learn from", "AUROC, unseen patients", _log(marks), x_names=[str(m) for m in marks]
    )
    chart.line("even", _log([sizes[0], sizes[-1]]), [0.5, 0.5])
    chart.line("even", _log([learned, learned]), [0.4, 1.02])
    chart.note(math.log10(learned), 0.415, "planned", "end")
    heights = apart([float(a.curve.at([sizes[-1]])[0]) for a in study.answers])
    for i, (answer, height) in enumerate(zip(study.answers, heights, strict=True)):
        colour = f"c{i % COLOURS}"
        low, high = answer.curve.band(sizes)
        chart.band(colour, _log(sizes), low, high)
        chart.line(colour, _log(sizes), answer.curve.at(sizes))
        chart.dots(f"{colour} soft", _log(answer.curve.patients), answer.curve.scores, 3)
        chart.note(math.log10(sizes[-1]) + 0.02, height, share(answer.o2i), "start", f"key {colour}")
    return chart.svg()


def apart(heights: list[float], least: float = 0.035) -> list[float]:
    """Heights of names, moved down where they would cover each other; none is above 1."""
    placed = np.minimum(heights, 1.0)
    for above, below in pairwise(np.argsort(-placed, kind="stable")):
        placed[below] = min(placed[below], placed[above] - least)
    return [float(height) for height in placed]


def needed_chart(study: Study) -> str:
    """Patients needed by object-to-image ratio, a colour for each wanted AUROC; open ones at the top."""
    o2i = [answer.o2i for answer in study.answers]
    tried = study.answers[0].needed[0].tried
    top = FAR * tried
    ends = (math.log10(0.6 * study.answers[0].needed[0].least), math.log10(top * 1.6))
    spread = 0.15 if len(o2i) > 1 else 0.5
    chart = Chart(
        "patients needed by size of the object",
        (math.log10(o2i[0]) - spread, math.log10(o2i[-1]) + spread),
        ends,
        width=WIDTH,
        height=HEIGHT,
    )
    chart.axes("object, share of the tissue cells", "", _log(o2i), [], x_names=[share(o) for o in o2i])
    for mark in _marks(10 ** ends[0], top):
        chart.line("grid", [chart.x[0], chart.x[1]], _log([mark, mark]))
        chart.text("tick", chart.left - 7, chart.down(math.log10(mark)) + 4, f"{mark:,}", "end")
    chart.line("even", list(chart.x), _log([study.design.patients] * 2))
    chart.note(chart.x[0] + 0.02, math.log10(study.design.patients) + 0.03, "you have", "start")
    chart.note(
        (chart.x[0] + chart.x[1]) / 2, math.log10(top * 1.35), f"more than {top:,.0f}, or never", "middle"
    )
    for i, target in enumerate(study.recipe.targets):
        colour = f"c{(i + TARGETS) % COLOURS}"
        _one_target(chart, colour, i, study.answers)
        chart.note(chart.x[0] + 0.03, ends[0] + 0.05 + 0.1 * i, f"AUROC {target:g}", "start", f"key {colour}")
    return chart.svg()


def _one_target(chart: Chart, colour: str, target: int, answers: Sequence[Answer]) -> None:
    """Dots, whiskers, and a line through what is not open."""
    points, low, high = needed_points(answers, target)
    places = _log([a.o2i * (1 + BESIDE * target) for a in answers])
    chart.whiskers(colour, places, _log(low), _log(high))
    told = [i for i, a in enumerate(answers) if a.needed[target].trust not in OPEN]
    if len(told) > 1:
        chart.line(colour, [places[i] for i in told], _log([points[i] for i in told]))
    chart.dots(colour, places, _log(points), 4, [a.needed[target].text for a in answers])


def _marks(low: float, high: float) -> list[int]:
    """Round numbers, 1, 2 or 5 times a power of ten, between two."""
    found = [m * 10**p for p in range(7) for m in (1, 2, 5)]
    return [mark for mark in found if low <= mark <= high]


def _log(values: object) -> list[float]:
    return [float(value) for value in np.log10(np.asarray(values, np.float64))]
