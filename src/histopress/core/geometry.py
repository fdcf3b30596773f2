"""Points, sizes, boxes, spacings and the lattice: the only file where units convert.

Positions and lengths on a slide are in level-0 pixels of that slide and are real numbers; only arrays have
whole pixels. Spacings are in micrometres per pixel (um/px). Arrays are ordered (rows, cols) or
(height, width); x and y exist only inside the types of this file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PLAUSIBLE_SPACING = (0.05, 5.0)
"""um/px; outside of it a spacing is taken for a mistake in the file."""


@dataclass(frozen=True, slots=True)
class Point:
    """A position in level-0 px, x to the right, y down."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Size:
    """Whole pixels of an array or a level."""

    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), as arrays have it."""
        return (self.height, self.width)

    def __str__(self) -> str:
        return f"{self.width} x {self.height} px"


@dataclass(frozen=True, slots=True)
class Spacing:
    """The size of a pixel in um/px, along x and along y."""

    x: float
    y: float

    @classmethod
    def square(cls, um_per_px: float) -> Spacing:
        """The same spacing along both axes."""
        return cls(um_per_px, um_per_px)

    @property
    def mean(self) -> float:
        """Geometric mean of both axes, um/px."""
        return math.sqrt(self.x * self.y)

    @property
    def plausible(self) -> bool:
        """Whether both axes lie within `PLAUSIBLE_SPACING`."""
        low, high = PLAUSIBLE_SPACING
        return all(math.isfinite(v) and low <= v <= high for v in (self.x, self.y))

    def scaled(self, factor_x: float, factor_y: float) -> Spacing:
        """The spacing of pixels that are wider and higher by these factors."""
        return Spacing(self.x * factor_x, self.y * factor_y)

    def __str__(self) -> str:
        if math.isclose(self.x, self.y, rel_tol=1e-6):
            return f"{self.x:.4g} um/px"
        return f"{self.x:.4g} x {self.y:.4g} um/px"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in level-0 px; may reach beyond the slide."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def whole(cls, size: Size) -> Box:
        """The box that covers a slide of this size."""
        return cls(0.0, 0.0, float(size.width), float(size.height))

    def size_at(self, stored: Spacing, wanted: Spacing) -> Size:
        """How many pixels of the wanted spacing it takes to show this box, at least one each way.

        Args:
            stored: um/px of the slide's level 0, in which the box is given.
            wanted: um/px of the picture.
        """
        return Size(
            max(1, round(self.width * stored.x / wanted.x)),
            max(1, round(self.height * stored.y / wanted.y)),
        )


def size_um(size: Size, spacing: Spacing) -> tuple[float, float]:
    """(height, width) in um of `size` pixels of `spacing`."""
    return (size.height * spacing.y, size.width * spacing.x)


@dataclass(frozen=True, slots=True)
class Lattice:
    """Square tiles laid edge to edge over a slide, from its origin; shared by tiles, grids and heat maps.

    Attributes:
        step_x: width of a cell in level-0 px of the slide; not a whole number in general.
        step_y: height of a cell in level-0 px.
        rows: cells from top to bottom, the last one may reach beyond the slide.
        cols: cells from left to right, likewise.
        spacing: um/px of the tiles cut from the cells.
        tile: width and height of a tile in px of `spacing`.
        origin: upper left corner of cell (0, 0).
    """

    step_x: float
    step_y: float
    rows: int
    cols: int
    spacing: float
    tile: int
    origin: Point = Point(0.0, 0.0)

    @classmethod
    def over(cls, size: Size, stored: Spacing, wanted: float, tile: int) -> Lattice:
        """The lattice of `tile` px at `wanted` um/px over a slide.

        Args:
            size: the slide's level 0.
            stored: um/px of level 0.
            wanted: um/px of the tiles.
            tile: px a side.
        """
        return cls.stepping(size, tile * wanted / stored.x, tile * wanted / stored.y, wanted, tile)

    @classmethod
    def stepping(cls, size: Size, step_x: float, step_y: float, spacing: float, tile: int) -> Lattice:
        """The lattice of cells of a given size over a slide.

        Args:
            size: the slide's level 0.
            step_x: width of a cell, level-0 px.
            step_y: height of a cell, level-0 px.
            spacing: um/px of the tiles.
            tile: px a side.
        """
        tiny = 1e-6  # a slide that is a whole number of tiles wide must not get an empty column by rounding
        return cls(
            step_x=step_x,
            step_y=step_y,
            rows=max(1, math.ceil(size.height / step_y - tiny)),
            cols=max(1, math.ceil(size.width / step_x - tiny)),
            spacing=spacing,
            tile=tile,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return (self.rows, self.cols)

    def box(self, row: int, col: int, rows: int = 1, cols: int = 1) -> Box:
        """The level-0 box of a cell, or of `rows` x `cols` cells from it."""
        return Box(
            self.origin.x + col * self.step_x,
            self.origin.y + row * self.step_y,
            cols * self.step_x,
            rows * self.step_y,
        )

    @property
    def cell_um(self) -> float:
        """Width and height of a cell in um."""
        return self.tile * self.spacing
