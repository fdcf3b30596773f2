"""Cells of a lattice -> their pixels, for any slide."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import CutOffError, UnreadableSlideError
from histopress.core.geometry import Lattice, Spacing
from histopress.data.damage import BadTile, Damage
from histopress.data.slide import RGB, WHITE, Slide


class CellReader(Protocol):
    """Reads the cells it was made for, best each once and in order. Safe to use from several threads."""

    def read(self, start: int, stop: int, damage: Damage) -> RGB:
        """The pixels of cells `start` to `stop` of the list.

        Args:
            start: number of the first cell.
            stop: number after the last cell.
            damage: told of what cannot be decoded.

        Returns:
            (stop - start, tile, tile, 3) uint8; white where pixels cannot be decoded.

        Raises:
            UnreadableSlideError: pixels cannot be decoded and damage is to fail, or the file is cut off.
        """


class OneByOne:
    """Reads each cell by itself, as `Slide.read` does.

    Resampling a longer box would round differently in the last bit, and then a tile would depend on which of
    its neighbours are read with it.
    """

    def __init__(self, slide: Slide, lattice: Lattice, cells: NDArray[np.int32]) -> None:
        self._slide = slide
        self._lattice = lattice
        self._cells = cells

    def read(self, start: int, stop: int, damage: Damage) -> RGB:
        """See `CellReader.read`."""
        side = self._lattice.tile
        pixels = np.empty((stop - start, side, side, 3), np.uint8)
        spacing = Spacing.square(self._lattice.spacing)
        for number in range(start, stop):
            row, col = map(int, self._cells[number])
            try:
                pixels[number - start] = self._slide.read(self._lattice.box(row, col), spacing)
            except CutOffError:
                raise
            except UnreadableSlideError as error:
                if damage.on_bad_tile == "fail":
                    raise
                pixels[number - start] = WHITE
                damage.add(self._slide.path, BadTile.at(self._lattice.box(row, col), error), number)
        return pixels
