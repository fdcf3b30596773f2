"""Grids without a signal: stored ones, drawn noise, or tissue put together from tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from histopress.core.errors import GridError
from histopress.grids.grid import FeatureGrid
from histopress.grids.store import find_grids, grid_path, read_grid
from histopress.studies.drawn_grids import Drawing, DrawnGrids, slide_id
from histopress.studies.needles import NAME as NEEDLES
from histopress.studies.needles import SPACING, TILE, NeedlesRecipe, draw_needles, needle_grid
from histopress.studies.planting_signal import TileSignal

MOSAIC = "mosaic"


@dataclass(frozen=True)
class StoredGrids(Mapping[str, FeatureGrid]):
    """The grids of a folder by slide id, read anew each time: no memory is needed, `dict(grids)` keeps them.

    Attributes:
        folder: that `compress` wrote.
        slides: ids.
    """

    folder: Path
    slides: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path) -> StoredGrids:
        """All grids of a folder.

        Raises:
            GridError: there is none.
        """
        found = find_grids(folder) if folder.is_dir() else []
        if not found:
            raise GridError(
                f"no grid in {folder}, expected <slide id>.grid.zarr.zip files; name the folder that "
                "`compress` wrote"
            )
        return cls(folder, tuple(sorted(path.name.partition(".grid.zarr")[0] for path in found)))

    def __getitem__(self, slide: str) -> FeatureGrid:
        if slide not in self.slides:
            raise KeyError(slide)
        return read_grid(grid_path(self.folder, slide))

    def __contains__(self, slide: object) -> bool:
        return slide in self.slides

    def __iter__(self) -> Iterator[str]:
        return iter(self.slides)

    def __len__(self) -> int:
        return len(self.slides)


def drawn_negatives(
    count: int, cells: int = 1000, dim: int = 32, seed: int = 0
) -> tuple[DrawnGrids, pd.DataFrame]:
    """Slides of standard noise, for those who have no grids yet, and their table (`patient`, `slide`).

    Args:
        count: of slides, each of a patient of its own.
        cells: of tissue in each.
        dim: length of a code.
        seed: of outlines and codes.
    """
    recipe = NeedlesRecipe(cells=cells, dim=dim, informative=1, seed=seed)
    return DrawnGrids(NEEDLES, count, partial(_noise, recipe)), _table(NEEDLES, count)


def mosaic_negatives(
    tiles: TileSignal, count: int, cells: int = 1000, seed: int = 0, *, apart: int = 0
) -> tuple[DrawnGrids, pd.DataFrame]:
    """Slides whose cells show tiles of negative tissue, dealt at random, and their table.

    No two slides share a tile while there are as many tiles as slides; within a slide, tiles come again where
    it has more cells than tiles.

    Args:
        tiles: codes of negative tiles.
        count: of slides, each of a patient of its own.
        cells: of tissue in each.
        seed: of outlines and places.
        apart: so many slides, the first ones, get half of the tiles, and the others the other half: no tile
            is shared between them, however few there are.
    """
    draw = partial(_mosaic, tiles, (apart, count), NeedlesRecipe(cells=cells, seed=seed))
    return DrawnGrids(MOSAIC, count, draw), _table(MOSAIC, count)


def _noise(recipe: NeedlesRecipe, index: int) -> FeatureGrid:
    return needle_grid(recipe, index, positive=False)


def _mosaic(tiles: TileSignal, counts: tuple[int, int], recipe: NeedlesRecipe, index: int) -> FeatureGrid:
    own = _dealt(tiles, *counts, index).codes
    random = np.random.default_rng([recipe.seed, index, 2])
    order = random.permutation(np.resize(np.arange(len(own)), recipe.cells))
    drawing = Drawing(MOSAIC, tiles.encoder or tiles.identity, own.shape[1], TILE, SPACING)
    return drawing.grid(slide_id(MOSAIC, index), recipe.shape, draw_needles(recipe, index).cells, own[order])


def _dealt(tiles: TileSignal, apart: int, count: int, index: int) -> TileSignal:
    """The tiles of one slide."""
    if not apart:
        return tiles.share(index, count)
    if index < apart:
        return tiles.share(0, 2).share(index, apart)
    return tiles.share(1, 2).share(index - apart, count - apart)


def _table(name: str, count: int) -> pd.DataFrame:
    slides = [slide_id(name, index) for index in range(count)]
    return pd.DataFrame({"patient": slides, "slide": slides})
