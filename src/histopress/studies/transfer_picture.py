"""One picture of how good the encoders are: a panel for every task, a row for every encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from histopress.core.files import whole
from histopress.studies.ink import INK
from histopress.studies.transfer_findings import Finding
from histopress.studies.transfer_tables import Judged, labels

METHODS = (
    ("linear", "linear probe", "#3b76af", "o", 0.18),
    ("neighbours", "nearest neighbours", "#c8553d", "s", 0.0),
    ("5-shot", "5 tiles a class (bars: draws)", "#6a994e", "D", -0.18),
)
"""Method, words, colour, sign, and distance from the middle of the row."""

ACROSS = 4
LONGEST = 30
BEYOND = 0.15
"""How far below the worst score a panel reaches; what groups are too few to tell runs out of it."""


def draw_transfer(pairs: Sequence[Judged], path: Path) -> Path:
    """Draw the headline scores by tile with their intervals, and how little turning changes codes.

    Args:
        pairs: one a pair of encoder and task.
        path: PNG to write.
    """
    names, tasks = labels(pairs), list(dict.fromkeys(p.result.task for p in pairs))
    panels = len(tasks) + 1
    across = min(ACROSS, panels)
    down = math.ceil(panels / across)
    figure = Figure(
        figsize=(1.6 + 3.1 * across, 0.7 + down * (1.1 + 0.42 * len(names))), layout="constrained"
    )
    axes = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    for axis, task in zip(axes, tasks, strict=False):
        _panel(axis, [p for p in pairs if p.result.task == task], list(names))
    _turning_panel(axes[len(tasks)], pairs, list(names))
    for axis in axes[panels:]:
        axis.set_axis_off()
    shown = [name if len(name) <= LONGEST else f"...{name[3 - LONGEST :]}" for name in names.values()]
    axes[0].set(yticks=range(len(names)), yticklabels=shown, ylim=(len(names) - 0.5, -0.5))
    handles, words = axes[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside upper center", ncols=len(METHODS), frameon=False)
    with whole(path) as partial:
        figure.savefig(partial, dpi=120)
    return path


def _panel(axis: Any, pairs: Sequence[Judged], encoders: Sequence[str]) -> None:
    """The scores of one task."""
    drawn: list[Finding] = []
    for method, words, colour, sign, offset in METHODS:
        rows = [(encoders.index(p.asked) - offset, p.result.find(method)) for p in pairs]
        found = [(row, f) for row, f in rows if f is not None and math.isfinite(f.point)]
        drawn += [f for _, f in found]
        for row, f in found:
            axis.plot([f.low, f.high], [row, row], color=colour, linewidth=1.6, alpha=0.6)
        axis.plot(
            [f.point for _, f in found], [row for row, _ in found],
            sign, color=colour, markersize=5, label=words, linestyle="none",
        )  # fmt: skip
    _dress(axis, pairs[0].result.task)
    if drawn:
        head = drawn[0]
        axis.axvline(head.guess, color="0.6", linewidth=1, linestyle=":")
        axis.set_xlabel(
            f"{head.measure.replace('_', ' ')}, {head.cases} tiles of {head.groups} groups", fontsize=8
        )
        worst = min([head.guess, *(f.point for f in drawn)])
        lowest = min([worst, *(f.low for f in drawn if math.isfinite(f.low))])
        axis.set_xlim(max(lowest, worst - BEYOND) - 0.03, 1.03)


def _turning_panel(axis: Any, pairs: Sequence[Judged], encoders: Sequence[str]) -> None:
    """Cosine of standardised codes of turned tiles: median and 5th percentile, one sign a task."""
    for pair in pairs:
        low = pair.result.find("turned", "standardised_cosine_5th_percentile")
        middle = pair.result.find("turned", "standardised_cosine_median")
        if low is not None and middle is not None:
            row = encoders.index(pair.asked)
            axis.plot([low.point, middle.point], [row, row], color=INK, linewidth=1, alpha=0.25)
            axis.plot(middle.point, row, "o", color=INK, markersize=5, alpha=0.55)
            axis.plot(low.point, row, "|", color=INK, markersize=9, alpha=0.55)
    _dress(axis, "turned or mirrored tiles, all tasks")
    axis.set_xlabel("cosine of standardised codes: median, | 5th percentile", fontsize=8)


def _dress(axis: Any, title: str) -> None:
    axis.set_title(title, color=INK, fontsize=10)
    axis.grid(axis="x", color="0.92")
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
