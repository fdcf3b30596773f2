"""In which part of the tissue the object counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, uniform_filter

from histopress.grids.grid import FeatureGrid
from histopress.studies.planting_ground import Ground
from histopress.studies.planting_recipe import PlantRecipe

AROUND = 5
"""Cells a side of the surroundings of a cell, by which it belongs to a cluster."""

TIE = 1e-6
"""Weight of the distance from the middle of the tissue, which decides between cells as far from the edge."""


def context_cells(grid: FeatureGrid, recipe: PlantRecipe, ground: Ground) -> NDArray[np.bool_]:
    """(tiles,) True for the cells of a slide in which the object counts, the wanted share of them."""
    if recipe.inside == "anywhere":
        return np.ones(len(grid), np.bool_)
    ranked = np.argsort(_height(grid, recipe, ground), kind="stable")
    found = np.zeros(len(grid), np.bool_)
    found[ranked[len(grid) - round(recipe.context * len(grid)) :]] = True
    return found


def _height(grid: FeatureGrid, recipe: PlantRecipe, ground: Ground) -> NDArray[np.float64]:
    """(tiles,) the higher, the more a cell belongs to the part."""
    if recipe.inside == "cluster":
        return _surroundings(grid, ground)
    depth = _depth(grid)
    return depth if recipe.inside == "core" else -depth


def _depth(grid: FeatureGrid) -> NDArray[np.float64]:
    """(tiles,) cells to the nearest one without tissue; where equal, the middle of the tissue is deeper."""
    at = _placed(grid)
    tissue = np.zeros(at.max(axis=0) + 2, np.bool_)
    tissue[at[:, 0], at[:, 1]] = True
    depth = np.asarray(distance_transform_edt(tissue), np.float64)[at[:, 0], at[:, 1]]
    return np.asarray(depth - TIE * np.linalg.norm(at - at.mean(axis=0), axis=1), np.float64)


def _surroundings(grid: FeatureGrid, ground: Ground) -> NDArray[np.float64]:
    """(tiles,) mean projection on the main direction, of the tissue cells around each."""
    at = _placed(grid)
    weights = ground.axis / ground.sd
    heights, tissue = (np.zeros(at.max(axis=0) + 2) for _ in range(2))
    heights[at[:, 0], at[:, 1]] = grid.features.astype(np.float64) @ weights - ground.mean @ weights
    tissue[at[:, 0], at[:, 1]] = 1.0
    sums, counts = (uniform_filter(field, AROUND, mode="constant") for field in (heights, tissue))
    return np.asarray((sums / counts.clip(1 / AROUND**2))[at[:, 0], at[:, 1]], np.float64)


def _placed(grid: FeatureGrid) -> NDArray[np.int64]:
    """(tiles, 2) row and col, with an empty row and col before the first."""
    return np.asarray(grid.cells - grid.cells.min(axis=0) + 1, np.int64)
