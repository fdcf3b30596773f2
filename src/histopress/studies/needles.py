"""Needle grids: one informative cell among thousands decides on the label of a slide.

Codes of all cells are Gaussian noise. In a positive slide a single cell is shifted. Slides of both labels
have as many cells, in tissue of the same law. The mean code of a slide tells next to nothing: with n cells
its shift is `effect * sqrt(informative / n)` of its standard deviation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import RecipeError
from histopress.core.recipe import digest
from histopress.grids.grid import FeatureGrid
from histopress.studies.drawn_grids import Drawing, DrawnGrids, label_table, slide_id

NAME = "needles"
LABELS = ("negative", "positive")
TILE, SPACING = 256, 0.5
TISSUE = 0.55
"""Share of the lattice that is tissue."""

WIDE = 1.25
"""Cols to rows of the lattice."""

COARSE = 6
"""Random heights along a side, between which the height of the tissue is interpolated."""


@dataclass(frozen=True)
class NeedlesRecipe:
    """How needle grids are drawn.

    Attributes:
        cells: of tissue in a slide.
        needles: informative cells in a positive slide.
        dim: length of a code.
        informative: numbers of a code that are shifted in an informative cell, the first ones.
        effect: shift of each of them, in standard deviations of the other cells.
        seed: of everything.
    """

    cells: int = 1000
    needles: int = 1
    dim: int = 32
    informative: int = 4
    effect: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.needles <= self.cells and 1 <= self.informative <= self.dim):
            raise RecipeError(
                f"{self.needles} needles in {self.cells} cells, {self.informative} informative numbers of "
                f"{self.dim}; expected 1 or more, and no more than there are; change them"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols) of the lattice."""
        rows = max(2, round(math.sqrt(self.cells / TISSUE / WIDE)))
        return rows, max(2, math.ceil(self.cells / TISSUE / rows))

    @property
    def drawing(self) -> Drawing:
        """What all grids have in common."""
        return Drawing(NAME, digest(self), self.dim, TILE, SPACING)


@dataclass(frozen=True)
class Needles:
    """Where things are in one slide; drawn alike for both labels.

    Attributes:
        cells: (cells, 2) int32 row and col of the tissue, sorted row by row.
        places: (needles,) which of them are informative, if the slide is positive.
    """

    cells: NDArray[np.int32]
    places: NDArray[np.int64]


def draw_needles(recipe: NeedlesRecipe, index: int) -> Needles:
    """The tissue of the slide of this number; the same on any machine, in any process and any order."""
    random = np.random.default_rng([recipe.seed, index])
    cells = _blob(recipe, random)
    return Needles(cells, random.choice(len(cells), recipe.needles, replace=False))


def needle_grid(recipe: NeedlesRecipe, index: int, *, positive: bool) -> FeatureGrid:
    """The slide of this number with either label; both differ in the informative cells alone."""
    drawn = draw_needles(recipe, index)
    random = np.random.default_rng([recipe.seed, index, 1])
    codes = random.standard_normal((recipe.cells, recipe.dim), dtype=np.float32)
    if positive:
        codes[drawn.places, : recipe.informative] += recipe.effect
    return recipe.drawing.grid(slide_id(NAME, index), recipe.shape, drawn.cells, codes)


def needle_grids(recipe: NeedlesRecipe, count: int) -> tuple[DrawnGrids, pd.DataFrame]:
    """Grids by slide id, every other one positive, and their table (`patient`, `slide`, `label`).

    Nothing is drawn yet.
    """
    labels = [LABELS[index % 2] for index in range(count)]
    return DrawnGrids(NAME, count, partial(_grid, recipe)), label_table(NAME, labels)


def oracle(recipe: NeedlesRecipe, grid: FeatureGrid) -> float:
    """Log of the likelihood ratio of positive to negative, of a grid: no head can tell labels better.

    With one needle that may lie anywhere; for several it is that of the first.
    """
    shifted = grid.features[:, : recipe.informative].astype(np.float64).sum(axis=1)
    ratios = recipe.effect * shifted - recipe.informative * recipe.effect**2 / 2
    top = float(ratios.max())
    return top + math.log(float(np.exp(ratios - top).mean()))


def _grid(recipe: NeedlesRecipe, index: int) -> FeatureGrid:
    return needle_grid(recipe, index, positive=index % 2 == 1)


def _blob(recipe: NeedlesRecipe, random: np.random.Generator) -> NDArray[np.int32]:
    """The highest cells of a smooth random hill: tissue with an irregular outline."""
    rows, cols = recipe.shape
    heights = random.standard_normal((COARSE, COARSE))
    hill = _between(rows) @ heights @ _between(cols).T
    hill -= 2 * np.hypot(np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, cols)[None])
    highest = np.argpartition(-hill.ravel(), recipe.cells - 1)[: recipe.cells]
    return np.stack(np.divmod(np.sort(highest), cols), axis=1).astype(np.int32)


def _between(count: int) -> NDArray[np.float64]:
    """(count, COARSE) weights that interpolate linearly."""
    at = np.linspace(0, COARSE - 1, count)
    return np.asarray(np.maximum(0.0, 1 - np.abs(at[:, None] - np.arange(COARSE)[None])), np.float64)
