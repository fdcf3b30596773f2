"""How the figures of a sweep look: colours, signs, ticks, and lines side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from histopress.core.files import whole
from histopress.studies.ink import COLOURS, GREY, INK

SIGNS = "osD^XvP*"
ORDERED = LinearSegmentedColormap.from_list("ordered", ["#9fd0dd", "#3b8ea5", "#16202a"])
"""For lines whose values have an order: darker is more."""

UNORDERED = tuple(COLOURS[n] for n in (7, 1, 4, 3, 2, 0, 6, 8))
"""The colours of the house, so that neighbours differ in lightness too."""

DODGE = 0.011
"""Of the width of a figure, between the places of two lines at one value."""

CROWDED = 0.035
"""Of the width: ticks nearer to each other are left out."""


@dataclass(frozen=True)
class Look:
    """Of one line: told by its colour and by its sign."""

    colour: str
    sign: str


def looks(values: Sequence[Any]) -> list[Look]:
    """For each value of an axis: numbers from pale to dark, words in colours that differ."""
    count = len(values)
    if all(isinstance(value, int | float) for value in values):
        places = np.linspace(0, 1, count) if count > 1 else [0.5]
        colours = [to_hex(ORDERED(float(place))) for place in places]
    else:
        colours = [UNORDERED[n % len(UNORDERED)] for n in range(count)]
    return [Look(colour, SIGNS[n % len(SIGNS)]) for n, colour in enumerate(colours)]


@dataclass(frozen=True)
class Across:
    """The x axis of a figure.

    Attributes:
        column: that runs across.
        log: whether it is logarithmic.
        values: that the table holds.
    """

    column: str
    log: bool
    values: tuple[float, ...]

    @classmethod
    def of(cls, table: pd.DataFrame, column: str, log: bool) -> Across:
        """The axis of a table."""
        return cls(column, log, tuple(sorted(float(v) for v in table[column].unique())))

    @property
    def _width(self) -> float:
        if self.log:
            return float(np.log(self.values[-1] / self.values[0])) or 1.0
        return self.values[-1] - self.values[0] or 1.0

    def places(self, part: pd.DataFrame, line: int, count: int) -> Any:
        """Where the rows of a line stand: beside those of the others, so that no bar hides another."""
        shift = DODGE * self._width * (line - (count - 1) / 2)
        values = part[self.column].to_numpy(float)
        return values * np.exp(shift) if self.log else values + shift

    def dress(self, axis: Any, label: str) -> None:
        """Ticks at the values themselves, and little else."""
        if self.log:
            axis.set_xscale("log")
        ticks(axis.xaxis, self._apart())
        margin = 0.06 * self._width
        low, high = self.values[0], self.values[-1]
        if self.log:
            axis.set_xlim(low * np.exp(-margin), high * np.exp(margin))
        else:
            axis.set_xlim(low - margin, high + margin)
        axis.set_xlabel(label, fontsize=9)
        axis.grid(axis="y", color="0.92")
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)

    def _apart(self) -> list[float]:
        """The values, without those too near to the one before."""
        found: list[float] = []
        for value in self.values:
            gap = (np.log(value / found[-1]) if self.log else value - found[-1]) if found else np.inf
            if gap >= CROWDED * self._width:
                found.append(value)
        return found


def ticks(axis: Any, values: Sequence[float]) -> None:
    """Ticks at these values, written out."""
    axis.set_major_locator(FixedLocator([float(v) for v in values]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def legend(figure: Any, axis: Any, title: str, interval: str = "") -> None:
    """What the lines are, beside the figure; and what the bars are, if there are any."""
    if interval:
        axis.plot([], [], "|", color=GREY, markersize=9, markeredgewidth=1.4, label=interval)
    handles, words = axis.get_legend_handles_labels()
    figure.legend(
        handles, words, title=title or None, loc="outside right upper",
        frameon=False, fontsize=8, title_fontsize=9, alignment="left",
    )  # fmt: skip


def new_figure(title: str) -> tuple[Figure, Any]:
    """A figure of one panel, and its axis."""
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.set_title(title, fontsize=10, color=INK)
    return figure, axis


def save(figure: Figure, path: Path) -> Path:
    """Write a figure, whole or not at all."""
    with whole(path) as partial:
        figure.savefig(partial, dpi=130)
    return path
