"""An object planted into one grid: how large it is, where it lies, and what its cells look like then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError
from histopress.core.recipe import digest
from histopress.grids.grid import FeatureGrid
from histopress.studies.planting_context import context_cells
from histopress.studies.planting_foci import grow
from histopress.studies.planting_ground import Ground, measure
from histopress.studies.planting_recipe import PlantRecipe
from histopress.studies.planting_signal import Signal

PLACES, LOOKS, SITE = 0, 1, 2
"""Set the random numbers of where, what and site apart."""

LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Planted:
    """A grid with an object in it.

    Attributes:
        grid: with an identity of its own.
        cells: (tiles,) True where the object lies.
    """

    grid: FeatureGrid
    cells: NDArray[np.bool_]


def object_size(o2i: float, tiles: int) -> int:
    """Cells of an object in a slide of so many tissue cells, one at least."""
    return max(1, round(o2i * tiles))


def plant(
    grid: FeatureGrid,
    signal: Signal,
    recipe: PlantRecipe,
    index: int,
    *,
    ground: Ground | None = None,
    decoy: bool = False,
) -> Planted:
    """Put the object into a slide; all cells without it stay as they are, bit for bit.

    Args:
        grid: without it.
        signal: what it looks like.
        recipe: how large it is, and where it may lie.
        index: of what is drawn for this slide.
        ground: what cells without the object are like; measured on this grid where not given.
        decoy: put it where it does not count, in all of the tissue but the part that the recipe names.

    Raises:
        GridError: the grid has no tissue, the signal does not fit it, or the object has no room.
    """
    if not len(grid):
        raise GridError(f"grid of {grid.slide.slide} has no tissue cell, expected some; leave the slide out")
    signal.check(grid)
    ground = ground or measure({grid.slide.slide: grid})
    cells = _places(grid, recipe, ground, decoy, np.random.default_rng([recipe.seed, index, PLACES]))
    own = grid.features[cells].astype(np.float32)
    seen = signal.seen(own, ground, np.random.default_rng([recipe.seed, index, LOOKS]))
    features = grid.features.copy()
    if recipe.contrast > 0:
        features[cells] = stored((1 - recipe.contrast) * own + recipe.contrast * seen)
    return Planted(_renamed(grid, features, "planted", recipe, signal.identity, index, decoy), cells)


def _places(
    grid: FeatureGrid, recipe: PlantRecipe, ground: Ground, decoy: bool, random: np.random.Generator
) -> NDArray[np.bool_]:
    """(tiles,) True where the object lies."""
    inside = context_cells(grid, recipe, ground)
    allowed = ~inside if decoy else inside
    size = object_size(recipe.o2i, len(grid))
    if size > int(allowed.sum()):
        raise GridError(
            f"an object of {size} cells in {grid.slide.slide}, where {int(allowed.sum())} of {len(grid)} "
            f"cells may hold it ({recipe.inside}); expected room for it; lower o2i or change context"
        )
    return grow(grid.cells, allowed, size, recipe.foci, random)


def shifted(grid: FeatureGrid, recipe: PlantRecipe, site: int, ground: Ground) -> FeatureGrid:
    """The slide as the scanner and stains of a site show it: all codes moved by one vector."""
    if not recipe.site_shift:
        return grid
    drawn = np.random.default_rng([recipe.seed, site, SITE]).standard_normal(grid.dim)
    vector = (recipe.site_shift * ground.sd * drawn).astype(np.float32)
    features = stored(grid.features.astype(np.float32) + vector)
    return _renamed(grid, features, "shifted", recipe.site_shift, recipe.seed, site)


def stored(codes: NDArray[Any]) -> NDArray[np.float16]:
    """Codes as grids keep them; what is too large for float16 becomes the largest number."""
    return np.asarray(np.clip(codes, -LARGEST, LARGEST), np.float16)


def _renamed(grid: FeatureGrid, features: NDArray[np.float16], *reasons: Any) -> FeatureGrid:
    """The grid with other codes, and an identity that tells why."""
    return replace(grid, features=features, identity=digest(grid.identity, *reasons))
