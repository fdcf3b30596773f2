"""Charts as SVG text that takes its colours from the page: sharp in print, readable in light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike

LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 44


class Chart:
    """A drawing area with two linear axes; draw, then `svg`.

    Positions are in the units of the axes; sizes in CSS px of the drawing.
    """

    def __init__(
        self,
        name: str,
        x: tuple[float, float] = (0.0, 1.0),
        y: tuple[float, float] = (0.0, 1.0),
        *,
        width: int = 340,
        height: int = 330,
        left: int = LEFT,
        bottom: int = BOTTOM,
    ) -> None:
        """Args: name is read aloud by screen readers; x and y are the ends of the axes."""
        self.name, self.x, self.y = name, x, y
        self.width, self.height, self.left, self.bottom = width, height, left, bottom
        self._parts: list[str] = []

    def across(self, x: float) -> float:
        """Distance from the left edge in px."""
        low, high = self.x
        return self.left + (x - low) / (high - low) * (self.width - self.left - RIGHT)

    def down(self, y: float) -> float:
        """Distance from the upper edge in px."""
        low, high = self.y
        return self.height - self.bottom - (y - low) / (high - low) * (self.height - TOP - self.bottom)

    def axes(
        self,
        x_label: str,
        y_label: str,
        x_ticks: Sequence[float] | None = None,
        y_ticks: Sequence[float] | None = None,
        *,
        x_names: Sequence[str] = (),
        label_below: int = 36,
    ) -> None:
        """Grid lines, numbers (or names) and names of both axes; no ticks for an empty list."""
        x_ticks = ticks(*self.x) if x_ticks is None else x_ticks
        y_ticks = ticks(*self.y) if y_ticks is None else y_ticks
        bottom, right = self.height - self.bottom, self.width - RIGHT
        for i, tick in enumerate(x_ticks):
            at = self.across(tick)
            self._line("grid", at, TOP, at, bottom)
            self.text("tick", at, bottom + 16, x_names[i] if x_names else f"{tick:g}", "middle")
        for tick in y_ticks:
            at = self.down(tick)
            self._line("grid", self.left, at, right, at)
            self.text("tick", self.left - 7, at + 4, f"{tick:g}", "end")
        self.text("label", (self.left + right) / 2, bottom + label_below, x_label, "middle")
        if y_label:
            middle = (TOP + bottom) / 2
            self._parts.append(
                f'<text class="label" transform="translate(14 {middle:.1f}) rotate(-90)" '
                f'text-anchor="middle">{escape(y_label)}</text>'
            )

    def line(self, style: str, xs: ArrayLike, ys: ArrayLike, steps: bool = False) -> None:
        """A line through points; with `steps`, across first, then up or down."""
        points = [(self.across(x), self.down(y)) for x, y in _pairs(xs, ys)]
        path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
        for x, y in points[1:]:
            path += f"H{x:.1f}V{y:.1f}" if steps else f"L{x:.1f} {y:.1f}"
        self._parts.append(f'<path class="line {style}" d="{path}"/>')

    def band(self, style: str, xs: ArrayLike, low: ArrayLike, high: ArrayLike) -> None:
        """The area between two lines."""
        there = [f"{self.across(x):.1f} {self.down(y):.1f}" for x, y in _pairs(xs, low)]
        back = [f"{self.across(x):.1f} {self.down(y):.1f}" for x, y in _pairs(xs, high)][::-1]
        self._parts.append(f'<path class="band {style}" d="M{"L".join(there + back)}Z"/>')

    def dots(
        self, style: str, xs: ArrayLike, ys: ArrayLike, radius: float = 3.5, names: Iterable[str] = ()
    ) -> None:
        """Points; names show when pointed at."""
        titles = [f"<title>{escape(name)}</title>" for name in names]
        for i, (x, y) in enumerate(_pairs(xs, ys)):
            self._parts.append(
                f'<circle class="dot {style}" cx="{self.across(x):.1f}" cy="{self.down(y):.1f}" '
                f'r="{radius:.1f}">{titles[i] if titles else ""}</circle>'
            )

    def whiskers(self, style: str, xs: ArrayLike, low: ArrayLike, high: ArrayLike) -> None:
        """Upright lines from low to high."""
        for (x, bottom), (_, top) in zip(_pairs(xs, low), _pairs(xs, high), strict=True):
            at = self.across(x)
            self._line(f"whisker {style}", at, self.down(bottom), at, self.down(top))

    def marks(self, style: str, xs: ArrayLike, ys: ArrayLike) -> None:
        """Short upright ticks through points."""
        for x, y in _pairs(xs, ys):
            at, middle = self.across(x), self.down(y)
            self._line(f"mark {style}", at, middle - 4, at, middle + 4)

    def note(self, x: float, y: float, text: str, anchor: str = "middle", style: str = "tick") -> None:
        """Text at a position."""
        self.text(style, self.across(x), self.down(y), text, anchor)

    def svg(self) -> str:
        """The chart as one element."""
        size = "wide" if self.width > 560 else "middle" if self.width > 400 else "narrow"
        return (
            f'<svg class="{size}" viewBox="0 0 {self.width} {self.height}" '
            f'style="max-width: {self.width * 1.25:.0f}px" '
            f'role="img" aria-label="{escape(self.name)}">'
            f"{''.join(self._parts)}</svg>"
        )

    def _line(self, style: str, x1: float, y1: float, x2: float, y2: float) -> None:
        self._parts.append(f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def text(self, style: str, x: float, y: float, text: str, anchor: str) -> None:
        """Text at a place in px of the drawing."""
        self._parts.append(
            f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
        )


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within a range."""
    raw = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(raw))
    step = unit * min((m for m in (1, 2, 2.5, 5, 10)), key=lambda m: abs(m * unit - raw))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def swarm(values: ArrayLike, bins: int, most: int) -> tuple[list[float], list[float], int]:
    """Points that are stacked where they would cover each other, around the middle of a row.

    Args:
        values: (points,) between 0 and 1.
        bins: how finely values are told apart.
        most: points on a stack that fill the row; higher stacks are squeezed.

    Returns:
        values moved to the middle of their bin; offsets from the middle of the row, -0.5 to 0.5; and how many
        points fill the row.
    """
    array = np.asarray(values, np.float64)
    place = np.minimum((array * bins).astype(int), bins - 1)
    offsets = np.zeros(len(array))
    for b in np.unique(place):
        members = np.flatnonzero(place == b)
        offsets[members] = np.arange(len(members)) - (len(members) - 1) / 2
    highest = max(most, round(2 * float(np.abs(offsets).max(initial=0))) + 1)
    return ((place + 0.5) / bins).tolist(), (offsets / highest).tolist(), highest


def _pairs(xs: ArrayLike, ys: ArrayLike) -> list[tuple[float, float]]:
    return list(zip(np.asarray(xs).tolist(), np.asarray(ys).tolist(), strict=True))
