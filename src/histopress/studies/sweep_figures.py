"""Figures of a sweep: the four that every study of small objects draws, and `lines` of anything."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from histopress.core.errors import RecipeError
from histopress.studies.ink import GREY, INK
from histopress.studies.sweep_lines import Mark, lines
from histopress.studies.sweep_markdown import in_order, named, told
from histopress.studies.sweep_sizes import minimal_size
from histopress.studies.sweep_style import Across, Look, legend, looks, new_figure, save, ticks
from histopress.studies.sweep_tables import check_columns, controls_of

__all__ = [
    "Mark",
    "accuracy_against_o2i",
    "field_against_object",
    "lines",
    "pooling_against_o2i",
    "size_against_o2i",
]

O2I = "object-to-image ratio (%)"
RATIO = "receptive field / object size"
CHANCE = 0.5
BEYOND = 1.25
"""Of the largest training size: where arrows end that stand for more."""


def accuracy_against_o2i(
    table: pd.DataFrame,
    path: Path,
    *,
    value: str = "test_accuracy",
    size: str = "train_size",
    chance: float | None = CHANCE,
    title: str = "",
) -> Path:
    """Accuracy against object-to-image ratio, a line for each training size, or other axis; see `lines`.

    Args:
        table: a row a trial, with o2i (a share), the training size and the value.
        path: PNG to write.
        value: column of results.
        size: axis with a line for each value.
        chance: value of guessing; none draws no line for it.
        title: of the figure.
    """
    return lines(_in_percent(table), O2I, value, size, path, log_x=True, chance=chance, title=title)


def pooling_against_o2i(
    table: pd.DataFrame,
    path: Path,
    *,
    value: str = "test_accuracy",
    pooling: str = "pooling",
    chance: float | None = CHANCE,
    title: str = "",
) -> Path:
    """Accuracy against object-to-image ratio, a line for each global pooling; see `accuracy_against_o2i`."""
    shown, words = _in_percent(table), {"lse": "log-sum-exp"}
    return lines(shown, O2I, value, pooling, path, labels=words, log_x=True, chance=chance, title=title)


def field_against_object(
    table: pd.DataFrame,
    path: Path,
    *,
    value: str = "test_accuracy",
    field: str = "field",
    size: str = "object_px",
    by: str = "o2i",
    chance: float | None = CHANCE,
    title: str = "",
) -> Path:
    """Accuracy against the receptive field, as a multiple of the object's size; see `lines`.

    Args:
        table: a row a trial, with the field and the object's side, both in px.
        path: PNG to write.
        value: column of results.
        field: axis of receptive fields; rows without one (0) are left out.
        size: axis of object sizes.
        by: axis with a line for each value.
        chance: value of guessing; none draws no line for it.
        title: of the figure.
    """
    check_columns(table, [field, size])
    shown = table[(table[field] > 0) & (table[size] > 0)]
    shown = shown.assign(**{RATIO: (shown[field] / shown[size]).map(_three_digits)})
    mark = Mark(1.0, "field as large as object")
    return lines(shown, RATIO, value, by, path, log_x=True, chance=chance, mark=mark, title=title)


def size_against_o2i(
    table: pd.DataFrame,
    path: Path,
    *,
    threshold: float = 0.7,
    by: str = "",
    value: str = "test_accuracy",
    size: str = "train_size",
    title: str = "",
) -> Path:
    """Smallest training size that reaches a threshold, against object-to-image ratio.

    Open arrows stand where not even the largest size does. Bars are bootstrap intervals over replicates,
    and so are the shafts of arrows that begin below the largest size.

    Args:
        table: a row a trial; controls are left out.
        path: PNG to write.
        threshold: for the mean over replicates.
        by: axis with a line for each value; empty for one line.
        value: column of results.
        size: axis of training sizes.
        title: of the figure.

    Raises:
        RecipeError: a column is missing, there is nothing to draw, or more than replicates varies.
    """
    shown = _in_percent(table)[controls_of(table) == ""]
    if shown.empty:
        raise RecipeError("the table holds no trial, expected some besides controls; run the sweep")
    found = minimal_size(shown, threshold, by=[by, O2I] if by else [O2I], size=size, value=value)
    across = Across.of(found, O2I, log=True)
    figure, axis = new_figure(title)
    values = in_order(shown[by]) if by else [0]
    for line, (name, look) in enumerate(zip(values, looks(values), strict=True)):
        own = found[found[by] == name] if by else found
        label = told(by, name) if by else "smallest that does"
        _draw_sizes(axis, own, across.places(own, line, len(values)), look, label)
    _dress_sizes(axis, shown[size], named(size), f"{named(value)} of {threshold:g}")
    across.dress(axis, O2I)
    axis.plot([], [], "^", color=INK, markerfacecolor="white", label="more than the largest tried")
    bars = "95 % bootstrap interval" if found["low"].notna().any() else ""
    legend(figure, axis, named(by) if by else "", bars)
    return save(figure, path)


def _in_percent(table: pd.DataFrame) -> pd.DataFrame:
    """With the object-to-image ratio in percent, to three digits, in a column more."""
    check_columns(table, ["o2i"])
    return table.assign(**{O2I: (100 * table["o2i"]).map(_three_digits)})


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def _draw_sizes(axis: Any, found: pd.DataFrame, places: Any, look: Look, label: str) -> None:
    """Sizes joined by a line, bars where there is an interval, arrows where no size is enough."""
    reached = found["size"].map(math.isfinite).to_numpy()
    ends = (found["largest"] * BEYOND).to_numpy()
    bars = reached & found["low"].notna().to_numpy()
    axis.vlines(
        places[bars], found["low"][bars], found["high"].clip(upper=ends)[bars],
        color=look.colour, linewidth=1.4, alpha=0.6,
    )  # fmt: skip
    axis.plot(
        places[reached], found["size"][reached], color=look.colour, marker=look.sign, markersize=6,
        linewidth=1.8, label=label,
    )  # fmt: skip
    stems = found[["low", "largest"]].min(axis=1)[~reached]
    axis.vlines(places[~reached], stems, ends[~reached], color=look.colour, linewidth=1.4)
    axis.plot(
        places[~reached], ends[~reached], "^", color=look.colour, markerfacecolor="white", markersize=8,
        markeredgewidth=1.6, label="_beyond",
    )  # fmt: skip


def _dress_sizes(axis: Any, sizes: pd.Series, name: str, goal: str) -> None:
    tried = sorted(sizes.unique().tolist())
    axis.set_yscale("log")
    ticks(axis.yaxis, tried)
    axis.set_ylim(tried[0] / 1.3, tried[-1] * 1.5)
    axis.axhline(tried[-1], color=GREY, linewidth=1, linestyle=":")
    axis.set_ylabel(f"{name} for a {goal}", fontsize=9)
