"""Lines of means over replicates, with their intervals, single runs, chance level and controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from histopress.core.errors import RecipeError
from histopress.studies.ink import GREY, INK
from histopress.studies.sweep_markdown import in_order, named, told
from histopress.studies.sweep_style import Across, Look, legend, looks, new_figure, save
from histopress.studies.sweep_tables import CONTROL, SHARES, check_columns, controls_of, means

CONTROL_LINES = {"permuted": ("--", "x", "permuted labels"), "noise": (":", "+", "noise for pictures")}
"""Control -> how its lines are drawn, their sign, and what it is in words."""


@dataclass(frozen=True)
class Mark:
    """A place on the x axis that matters, and its name."""

    place: float
    name: str


def lines(
    table: pd.DataFrame,
    x: str,
    y: str,
    by: str,
    path: Path,
    *,
    labels: Mapping[str, str] | None = None,
    log_x: bool = False,
    chance: float | None = None,
    controls: bool = True,
    limits: tuple[float, float] | None = SHARES,
    mark: Mark | None = None,
    title: str = "",
) -> Path:
    """Draw the mean over replicates of one column against another, a line for each value of a third.

    Bars are 95 % t intervals over replicates, faint dots single runs. Controls are grey; one without a place
    on the axis, such as noise without an object on a logarithmic one, is a line right across.

    Args:
        table: a row a trial; see `sweep_tables.as_table`.
        x: numeric axis.
        y: result.
        by: axis with a line for each value; numbers are coloured from pale to dark.
        path: PNG to write.
        labels: columns, and values of `by`, in words, where `sweep_markdown` has no better ones.
        log_x: whether x is logarithmic.
        chance: value of guessing, drawn and named; none for no line.
        controls: whether to draw them.
        limits: of the value, which no interval passes; of shares by default.
        mark: a place to point out.
        title: of the figure.

    Raises:
        RecipeError: a column is missing, there is nothing to draw, or more than replicates varies.
    """
    check_columns(table, [x, y, by])
    labels = labels or {}
    found = means(table, [by, x], y, limits=limits)
    real = found[(found[CONTROL] == "") & ((found[x] > 0) | (not log_x))]
    if real.empty:
        raise RecipeError(f"the table holds no {y} of a trial, expected some besides controls; run the sweep")
    across = Across.of(real, x, log_x)
    figure, axis = new_figure(title)
    runs = _runs(table, y)
    values = in_order(runs[by])
    for line, (value, look) in enumerate(zip(values, looks(values), strict=True)):
        own, single = real[real[by] == value], runs[runs[by] == value]
        axis.plot(across.places(single, line, len(values)), single[y], "o", **_faint(look))
        name = labels.get(str(value), told(by, value))
        _draw_line(axis, own, across.places(own, line, len(values)), look, name)
    if controls:
        _draw_controls(axis, found[found[CONTROL] != ""], by, across)
    _draw_chance(axis, chance, mark)
    across.dress(axis, labels.get(x, named(x)))
    axis.set_ylabel(labels.get(y, named(y)), fontsize=9)
    if len(runs) > len(real):
        axis.plot([], [], "o", **{**_faint(Look(GREY, "o")), "label": "single run"})
    bars = "95 % t interval of the mean" if real["low"].notna().any() else ""
    legend(figure, axis, labels.get(by, named(by)), bars)
    return save(figure, path)


def _runs(table: pd.DataFrame, y: str) -> pd.DataFrame:
    """The single trials that are no controls."""
    return table[(controls_of(table) == "") & table[y].notna()]


def _faint(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "markersize": 3.5, "alpha": 0.35, "markeredgewidth": 0, "label": "_run"}


def _draw_line(axis: Any, means_of_line: pd.DataFrame, places: Any, look: Look, label: str) -> None:
    """Means joined by a line, with bars where there is an interval."""
    bars = means_of_line["low"].notna().to_numpy()
    low, high = means_of_line["low"].to_numpy()[bars], means_of_line["high"].to_numpy()[bars]
    axis.vlines(places[bars], low, high, color=look.colour, linewidth=1.4, alpha=0.6)
    axis.plot(
        places, means_of_line["mean"], color=look.colour, marker=look.sign, markersize=6, linewidth=1.8,
        label=label,
    )  # fmt: skip


def _draw_controls(axis: Any, found: pd.DataFrame, by: str, across: Across) -> None:
    """Grey lines, named once; right across where a control has no place on the axis."""
    for control, part in found.groupby(CONTROL, sort=True):
        style, sign, words = CONTROL_LINES.get(str(control), ("-.", "1", str(control)))
        look = {"color": GREY, "linestyle": style, "linewidth": 1.3}
        placed = part[part[across.column].between(across.values[0], across.values[-1])]
        if placed.empty:
            axis.axhline(part["mean"].mean(), label=words, **look)
        for number, (_, line) in enumerate(placed.groupby(by, sort=True)):
            label = "_again" if number else words
            axis.plot(line[across.column], line["mean"], marker=sign, label=label, **look)


def _draw_chance(axis: Any, chance: float | None, mark: Mark | None) -> None:
    if chance is not None:
        axis.axhline(chance, color=INK, linewidth=0.9, zorder=1)
        axis.annotate(
            "chance", (1, chance), (3, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", fontsize=8, color=INK,
        )  # fmt: skip
        low, high = axis.get_ylim()
        axis.set_ylim(min(low, chance - 0.1 * (high - chance)), high)
    if mark is not None:
        axis.axvline(mark.place, color=INK, linewidth=0.9, zorder=1)
        axis.annotate(
            mark.name, (mark.place, 1), (3, -2), xycoords=("data", "axes fraction"),
            textcoords="offset points", va="top", fontsize=8, color=INK,
        )  # fmt: skip
