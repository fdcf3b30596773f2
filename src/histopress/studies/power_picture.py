"""The figure of a power study as a picture: learning curves, and patients needed by size of the object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from histopress.core.files import whole
from histopress.studies.ink import GREY
from histopress.studies.learning_curve import FAR
from histopress.studies.power_answers import Answer
from histopress.studies.power_charts import apart
from histopress.studies.power_recipe import PowerRecipe
from histopress.studies.power_tables import OPEN, needed_points, smooth_sizes
from histopress.studies.power_words import share

TARGETS = 4
"""Colours from here on tell wanted AUROCs apart."""

COLOURS = ("#5a3d99", "#d6407f", "#0f8272", "#b36b00", "#2c6fbb", "#7a7f1b", "#a3442c", "#64607a")


def draw(answers: Sequence[Answer], recipe: PowerRecipe, path: Path) -> None:
    """Write the picture.

    Args:
        answers: one for each object-to-image ratio, smallest first.
        recipe: settings.
        path: .png file.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _curves(left, answers)
    _needed(right, answers, recipe)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    with whole(path) as partial:
        figure.savefig(partial, dpi=130)


def _curves(axis: Any, answers: Sequence[Answer]) -> None:
    sizes = smooth_sizes(answers)
    heights = apart([float(a.curve.at([sizes[-1]])[0]) for a in answers])
    for answer, height, colour in zip(answers, heights, COLOURS * len(answers), strict=False):
        curve = answer.curve
        low, high = curve.band(sizes)
        axis.fill_between(sizes, low, high, color=colour, alpha=0.14, linewidth=0)
        axis.plot(sizes, curve.at(sizes), color=colour)
        axis.annotate(share(answer.o2i), (sizes[-1] * 1.03, height), color=colour, va="center", fontsize=9)
        axis.errorbar(curve.sizes, curve.means, curve.sds, color=colour, fmt="o", markersize=4, linewidth=1)
    axis.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    axis.axvline(answers[0].learned, color=GREY, linewidth=0.8, linestyle="--")
    axis.annotate(
        "planned",
        (answers[0].learned, 0.01),
        xycoords=("data", "axes fraction"),
        ha="right",
        color=GREY,
        fontsize=8,
    )
    _log_ticks(axis.xaxis, axis.set_xscale, sorted({int(s) for a in answers for s in a.curve.sizes}))
    axis.set_ylim(0.4, 1.02)
    axis.set_xlabel("patients to learn from")
    axis.set_ylabel("AUROC, unseen patients")
    axis.set_xlim(right=sizes[-1] * 1.35)


def _needed(axis: Any, answers: Sequence[Answer], recipe: PowerRecipe) -> None:
    o2i = [answer.o2i for answer in answers]
    top = FAR * answers[0].needed[0].tried
    for i, target in enumerate(recipe.targets):
        colour = COLOURS[(i + TARGETS) % len(COLOURS)]
        points, low, high = needed_points(answers, i)
        places = [o * (1 + 0.06 * i) for o in o2i]
        told = [n for n, a in enumerate(answers) if a.needed[i].trust not in OPEN]
        axis.vlines(places, low, high, color=colour)
        axis.plot(places, points, "o", color=colour, label=f"AUROC {target:g}", markersize=5)
        axis.plot([places[n] for n in told], [points[n] for n in told], color=colour, linewidth=1)
    axis.axhline(top, color=GREY, linewidth=0.8, linestyle=":")
    axis.annotate(
        f"above: more than {top:,.0f} patients, or never",
        (0.98, top),
        xycoords=("axes fraction", "data"),
        va="bottom",
        ha="right",
        color=GREY,
        fontsize=8,
    )
    least = answers[0].needed[0].least
    marks = [m * 10**p for p in range(7) for m in (1, 2, 5) if 0.6 * least < m * 10**p < top]
    _log_ticks(axis.yaxis, axis.set_yscale, marks)
    axis.set_ylim(0.6 * least, 1.6 * top)
    _log_ticks(axis.xaxis, axis.set_xscale, o2i, [share(o) for o in o2i])
    axis.set_xlabel("object, share of the tissue cells")
    axis.set_ylabel("patients of the whole study")
    axis.legend(frameon=False, fontsize=9, loc="lower left")


def _log_ticks(axis: Any, scale: Any, places: Sequence[float], names: Sequence[str] = ()) -> None:
    """Marks at these places alone."""
    scale("log")
    axis.set_ticks(list(places), list(names) or [f"{place:g}" for place in places])
    axis.set_minor_formatter(NullFormatter())
    axis.set_ticks([], minor=True)
