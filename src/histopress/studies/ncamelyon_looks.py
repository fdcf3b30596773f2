"""What many overlapping squares of a picture look like: sums over squares, from one pass over the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

BLANK = 16
"""px a side of a square of pure white that is taken for glass that was never scanned."""


class Sums:
    """Sums over squares of a picture of whole numbers.

    Args:
        values: (rows, cols).
    """

    def __init__(self, values: NDArray[Any]) -> None:
        self._until = np.zeros((values.shape[0] + 1, values.shape[1] + 1), np.int64)
        np.cumsum(values, axis=0, out=self._until[1:, 1:])
        np.cumsum(self._until, axis=1, out=self._until)

    def of(self, tops: Ints, lefts: Ints, side: int) -> Ints:
        """(n,) sums over the squares that begin at these rows and cols."""
        bottoms, rights = tops + side, lefts + side
        u = self._until
        total: Ints = u[bottoms, rights] - u[tops, rights] - u[bottoms, lefts] + u[tops, lefts]
        return total

    def everywhere(self, side: int) -> Ints:
        """(rows - side + 1, cols - side + 1) sums over all squares that lie inside."""
        u = self._until
        total: Ints = u[side:, side:] - u[:-side, side:] - u[side:, :-side] + u[:-side, :-side]
        return total


@dataclass(frozen=True)
class Window:
    """A part of a lattice of px.

    Attributes:
        top: row at which it begins.
        left: col.
        rows: px.
        cols: px.
    """

    top: int
    left: int
    rows: int
    cols: int

    def widened(self, margin: int, rows: int, cols: int) -> Window:
        """With a margin, as far as the lattice of so many rows and cols has one."""
        top, left = max(0, self.top - margin), max(0, self.left - margin)
        bottom, right = self.top + self.rows + margin, self.left + self.cols + margin
        return Window(top, left, min(rows, bottom) - top, min(cols, right) - left)


class Looks:
    """What squares of a picture look like; they are named by their first row and col on the lattice.

    Args:
        pixels: (rows, cols, 3) uint8 of the window.
        window: of the lattice; best with a margin of `BLANK` px around the squares.
        side: px of the squares.
        black: px of which no channel is brighter count as never scanned.
        blank: whether squares of pure white do.
    """

    def __init__(self, pixels: NDArray[np.uint8], window: Window, side: int, black: int, blank: bool) -> None:
        self._pixels, self._window, self._side = pixels, window, side
        self._green = Sums(pixels[..., 1])
        missing = _brightest(pixels) <= black
        self._missing = Sums(missing | _blank(pixels) if blank else missing)

    def green(self, tops: Ints, lefts: Ints) -> NDArray[np.float64]:
        """(n,) mean of the green channel."""
        return np.asarray(self._of(self._green, tops, lefts) / self._side**2)

    def scanned(self, tops: Ints, lefts: Ints) -> Bools:
        """(n,) whether all of it was."""
        return np.asarray(self._of(self._missing, tops, lefts) == 0)

    def _of(self, sums: Sums, tops: Ints, lefts: Ints) -> Ints:
        return sums.of(tops - self._window.top, lefts - self._window.left, self._side)

    def pixels(self, top: int, left: int) -> NDArray[np.uint8]:
        """(side, side, 3) of one square."""
        row, col = top - self._window.top, left - self._window.left
        return self._pixels[row : row + self._side, col : col + self._side]


def _brightest(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(rows, cols) largest of the channels."""
    return np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])


def _blank(pixels: NDArray[np.uint8]) -> Bools:
    """(rows, cols) px that are part of a square of pure white."""
    pure = _brightest(~pixels) == 0
    if min(pure.shape) < BLANK or not pure.any():
        return np.zeros(pure.shape, bool)
    begins = Sums(pure).everywhere(BLANK) == BLANK**2
    return np.asarray(Sums(np.pad(begins, BLANK - 1)).everywhere(BLANK) > 0)
