"""Connected groups of cells, grown on the lattice from seeds."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

BESIDE = ((-1, 0), (0, -1), (0, 1), (1, 0))
AROUND = tuple((row, col) for row in (-1, 0, 1) for col in (-1, 0, 1))
RAGGED = 1.0
"""Cells by which chance moves the outline of a focus."""

Cell = tuple[int, int]


def grow(
    cells: NDArray[np.int32], allowed: NDArray[np.bool_], size: int, foci: int, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Cells that hold the object.

    Foci are connected by their sides, of equal size to one cell, and do not touch each other, not even at
    corners, wherever the allowed cells leave room for that; the number of cells is always kept.

    Args:
        cells: (tiles, 2) row and col.
        allowed: (tiles,) where the object may lie.
        size: cells in all, no more than are allowed.
        foci: groups.
        random: of seeds and outlines.

    Returns:
        (tiles,) True where the object lies.
    """
    foci = min(foci, size)
    sizes = [size // foci + (number < size % foci) for number in range(foci)]
    field = _Field(cells, allowed, random)
    for number, seed in enumerate(field.seeds(sizes)):
        field.settle(number, seed)
    grown = [1] * len(sizes)
    growing = True
    while growing:
        growing = False
        for number, wanted in enumerate(sizes):
            if grown[number] < wanted and field.extend(number):
                grown[number] += 1
                growing = True
    field.fill(size)
    return field.taken


class _Field:
    """The allowed cells of a slide, and whose they are by now."""

    def __init__(
        self, cells: NDArray[np.int32], allowed: NDArray[np.bool_], random: np.random.Generator
    ) -> None:
        self.places = np.flatnonzero(allowed)
        self.at = cells[self.places].astype(np.int64)
        self.taken = np.zeros(len(cells), np.bool_)
        self._number = {cell: index for index, cell in enumerate(map(tuple, self.at.tolist()))}
        self._rough = random.random(len(self.at)) * RAGGED
        self._random = random
        self._owner: dict[Cell, int] = {}
        self._edges: dict[int, list[tuple[float, Cell]]] = {}
        self._seed: dict[int, Cell] = {}

    def seeds(self, sizes: list[int]) -> list[Cell]:
        """A cell for each focus, drawn where there is room between them, else as far apart as can be."""
        chosen: list[NDArray[np.int64]] = []
        away = np.full(len(self.at), np.inf)
        for size in sizes:
            room = np.flatnonzero(away > 2 * np.sqrt(size) + 2)
            pick = int(self._random.choice(room)) if len(room) else int(away.argmax())
            chosen.append(self.at[pick])
            away = np.minimum(away, np.abs(self.at - self.at[pick]).max(axis=1))
        return [(int(row), int(col)) for row, col in chosen]

    def settle(self, number: int, cell: Cell) -> None:
        """The first cell of a focus."""
        self._seed[number], self._edges[number] = cell, []
        self._take(number, cell)

    def extend(self, number: int) -> bool:
        """One more cell for a focus, near its seed; False where there is no room without touching others."""
        edge = self._edges[number]
        while edge:
            _, cell = heappop(edge)
            if cell not in self._owner and all(
                self._owner.get(near, number) == number for near in _beside(cell, AROUND)
            ):
                self._take(number, cell)
                return True
        return False

    def fill(self, size: int) -> None:
        """Take the cells that are still missing: those nearest to what is taken."""
        missing = size - int(self.taken.sum())
        if missing <= 0:
            return
        free = np.flatnonzero(~self.taken[self.places])
        away, _ = KDTree(np.array(list(self._owner))).query(self.at[free])
        nearest = free[np.argsort(away + self._rough[free], kind="stable")[:missing]]
        self.taken[self.places[nearest]] = True

    def _take(self, number: int, cell: Cell) -> None:
        self._owner[cell] = number
        self.taken[self.places[self._number[cell]]] = True
        for near in _beside(cell, BESIDE):
            if near in self._number and near not in self._owner:
                away = np.hypot(near[0] - self._seed[number][0], near[1] - self._seed[number][1])
                heappush(self._edges[number], (float(away + self._rough[self._number[near]]), near))


def _beside(cell: Cell, steps: tuple[Cell, ...]) -> Iterator[Cell]:
    return ((cell[0] + row, cell[1] + col) for row, col in steps)
