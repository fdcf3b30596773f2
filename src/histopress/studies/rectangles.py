"""The rectangles task: two rectangles of digits among random ones; the tilted one's class is the label.

After the synthetic task of neural image compression (arXiv 1811.02840): a canvas of 3,600 px in cells of 9 px
holds 25,920 digits. Digits inside of a rectangle share its class, all others are of random classes. One
rectangle lies along the axes, the other one at 45 or 135 degrees; both are twice as long as wide. What a bag
of digits tells is which two classes are too many, never which of them is tilted.

Where this departs from the published generator:
- both rectangles hold a number of digits that follows from their size alone, and sizes are drawn alike for
  both, independently of places and classes. So label and distractor can be swapped without any change in the
  law of the digits as a bag: no head that ignores places can be right in more than half of the pictures.
- the distractor is of any other class; there it was never the label minus one (mod 10).
- rectangles do not overlap, and lie inside of the canvas as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import RecipeError

STRAIGHT = (0, 90)
TILTED = (45, 135)
"""Degrees between the long side and the rows."""

ASPECT = 2
FULLEST = 0.9
"""Largest share of cells that may hold a digit: a tilted rectangle holds a few cells less than its area."""


@dataclass(frozen=True)
class RectanglesRecipe:
    """How pictures are drawn.

    Attributes:
        side: of the canvas, cells.
        digits: in a picture.
        classes: of digits, at least 2.
        labels: rectangles are of the first so many classes, at least 2; of all classes as published.
        shortest: long side of the smallest rectangle, cells; even.
        longest: long side of the largest rectangle, cells; even, at most half of the canvas.
    """

    side: int = 400
    digits: int = 25_920
    classes: int = 10
    labels: int = 10
    shortest: int = 4
    longest: int = 200

    def __post_init__(self) -> None:
        even = self.shortest % 2 == 0 and self.longest % 2 == 0
        if not (even and 4 <= self.shortest <= self.longest <= self.side / 2):
            raise RecipeError(
                f"long sides {self.shortest} to {self.longest} on a canvas of {self.side} cells, expected "
                "even numbers from 4 to half of the canvas; change them"
            )
        if not (0 < self.share <= FULLEST and 2 <= self.labels <= self.classes):
            raise RecipeError(
                f"{self.digits} digits of {self.classes} classes on {self.side**2} cells, {self.labels} "
                "labels; expected 2 or more labels, no more than there are classes, and digits on at most "
                f"{FULLEST:.0%} of the cells; change them"
            )

    @property
    def share(self) -> float:
        """Of the cells that hold a digit."""
        return self.digits / self.side**2


PUBLISHED = RectanglesRecipe()
SMALL = RectanglesRecipe(side=32, digits=819, classes=10, labels=2, shortest=12, longest=12)
"""Four of five cells are full and rectangles are large: a thousand pictures are enough."""


@dataclass(frozen=True)
class Rectangle:
    """Digits of one class; lengths and places in cells.

    Attributes:
        row: of the centre.
        col: of the centre.
        long: length of the long side, twice the short one.
        angle: degrees between the long side and the rows.
        number: class of the digits in it.
    """

    row: float
    col: float
    long: int
    angle: int
    number: int

    @property
    def reach(self) -> tuple[float, float]:
        """Rows and cols from the centre to where it ends."""
        turn = np.deg2rad(self.angle)
        along, across = self.long / 2, self.long / (2 * ASPECT)
        cos, sin = abs(float(np.cos(turn))), abs(float(np.sin(turn)))
        return along * sin + across * cos, along * cos + across * sin

    def inside(self, side: int) -> NDArray[np.int64]:
        """(n,) positions in the flattened canvas of the cells whose centre lies in it, ascending."""
        down, right = self.reach
        rows = np.arange(max(0, int(self.row - down)), min(side, int(self.row + down) + 2))[:, None]
        cols = np.arange(max(0, int(self.col - right)), min(side, int(self.col + right) + 2))
        y, x, turn = rows + 0.5 - self.row, cols + 0.5 - self.col, np.deg2rad(self.angle)
        along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        held = (np.abs(along) < self.long / 2) & (np.abs(across) < self.long / (2 * ASPECT))
        return np.asarray((rows * side + cols)[held], np.int64)


@dataclass(frozen=True)
class Scene:
    """One picture: everything that is left to chance.

    Attributes:
        tilted: its class is the label.
        straight: the distractor.
        side: of the canvas, cells.
        cells: (digits, 2) int32 row and col, sorted row by row.
        classes: (digits,) uint8.
        variants: (digits,) uint32, by which one of the pictures of its class is chosen.
    """

    tilted: Rectangle
    straight: Rectangle
    side: int
    cells: NDArray[np.int32]
    classes: NDArray[np.uint8]
    variants: NDArray[np.uint32]

    @property
    def label(self) -> int:
        """Class of the tilted rectangle."""
        return self.tilted.number


def draw_scene(recipe: RectanglesRecipe, seed: int, index: int) -> Scene:
    """The picture of this number; the same on any machine, in any process and any order.

    Labels take turns, so that every `labels` pictures in a row hold each of them once.
    """
    random = np.random.default_rng([seed, index])
    label = index % recipe.labels
    other = (label + 1 + int(random.integers(recipe.labels - 1))) % recipe.labels
    sizes = [2 * int(n) for n in random.integers(recipe.shortest // 2, recipe.longest // 2 + 1, 2)]
    angles = (TILTED[random.integers(2)], STRAIGHT[random.integers(2)])
    pair, inside = _place(recipe, (label, other), sizes, angles, random)
    held = [
        random.choice(i, _count(recipe, r.long), replace=False) for i, r in zip(inside, pair, strict=True)
    ]
    free = np.ones(recipe.side**2, np.bool_)
    free[np.concatenate(inside)] = False
    around = random.choice(np.flatnonzero(free), recipe.digits - sum(map(len, held)), replace=False)
    canvas = np.full(recipe.side**2, -1, np.int16)
    canvas[around] = random.integers(recipe.classes, size=len(around))
    for rectangle, own in zip(pair, held, strict=True):
        canvas[own] = rectangle.number
    full = np.flatnonzero(canvas >= 0)
    return Scene(
        *pair,
        side=recipe.side,
        cells=_cells(full, recipe.side),
        classes=canvas[full].astype(np.uint8),
        variants=random.integers(1 << 32, size=len(full), dtype=np.uint32),
    )


def _cells(full: NDArray[np.int64], side: int) -> NDArray[np.int32]:
    """Positions in the flattened canvas -> (n, 2) row and col."""
    cells = np.empty((len(full), 2), np.int32)
    np.divmod(full.astype(np.int32), np.int32(side), out=(cells[:, 0], cells[:, 1]))
    return cells


def _count(recipe: RectanglesRecipe, long: int) -> int:
    """Digits in a rectangle: as dense as on the whole canvas, whichever way it lies."""
    return max(1, round(recipe.share * long * long / ASPECT))


def _place(
    recipe: RectanglesRecipe,
    numbers: tuple[int, int],
    sizes: list[int],
    angles: tuple[int, int],
    random: np.random.Generator,
) -> tuple[tuple[Rectangle, Rectangle], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Both on the canvas, apart from each other, with enough cells, which are told too.

    Only places are drawn again.
    """
    while True:
        tilted, straight = (_drop(recipe, *each, random) for each in zip(numbers, sizes, angles, strict=True))
        inside = tilted.inside(recipe.side), straight.inside(recipe.side)
        room = all(len(i) >= _count(recipe, r.long) for i, r in zip(inside, (tilted, straight), strict=True))
        if room and _apart(*inside, recipe.side):
            return (tilted, straight), inside


def _apart(first: NDArray[np.int64], second: NDArray[np.int64], side: int) -> bool:
    """Whether no cell is in both."""
    taken = np.zeros(side**2, np.bool_)
    taken[first] = True
    return not taken[second].any()


def _drop(
    recipe: RectanglesRecipe, number: int, long: int, angle: int, random: np.random.Generator
) -> Rectangle:
    """A rectangle anywhere on the canvas."""
    down, right = Rectangle(0, 0, long, angle, number).reach
    row, col = (float(random.uniform(reach, recipe.side - reach)) for reach in (down, right))
    return Rectangle(row, col, long, angle, number)
