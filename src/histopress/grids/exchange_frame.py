"""A grid as other tools see one: whole corners in px, square tiles, an overlap, a name for the encoder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError
from histopress.grids.exchange_note import tile_px
from histopress.grids.grid import FeatureGrid

SQUARE = 0.01
"""Relative difference of steps along x and y up to which one number may stand for both."""


@dataclass(frozen=True)
class Frame:
    """Sizes of a grid's tiles.

    Attributes:
        corners: (tiles, 2) int64 x and y in level-0 px.
        tile: width and height of a tile in px of `spacing`.
        overlap: px of `spacing` that neighbours share.
        spacing: um/px of the tiles.
        extent: width and height of a tile in level-0 px.
        encoder: its name.
    """

    corners: NDArray[np.int64]
    tile: int
    overlap: int
    spacing: float
    extent: float
    encoder: str

    @classmethod
    def of(cls, grid: FeatureGrid, tool: str) -> Self:
        """The frame of a grid.

        Raises:
            GridError: its pixels are not square, which the tool's files cannot tell, or nothing is known of
                the slide's own pixels.
        """
        if grid.settings.get("level0_from") == "tiles":
            raise GridError(
                f"{tool} counts in px of level 0, but for {grid.slide.slide} only positions in um are known; "
                "import it again with --spacing (um/px of level 0) or --slides"
            )
        lattice, tile = grid.lattice, tile_px(grid)
        if abs(lattice.step_x / lattice.step_y - 1) > SQUARE:
            raise GridError(
                f"the cells of {grid.slide.slide} are {lattice.step_x:.6g} x {lattice.step_y:.6g} px of "
                f"level 0, as its pixels are {grid.slide.spacing}; {tool} files have one number for both; "
                "export to stamp or nic instead"
            )
        step = (lattice.step_x + lattice.step_y) / 2
        return cls(
            corners=np.rint(corners_of(grid)).astype(np.int64),
            tile=tile,
            overlap=tile - lattice.tile,
            spacing=lattice.spacing,
            extent=step * tile / lattice.tile,
            encoder=str(grid.encoder.get("name", "unnamed")),
        )


def corners_of(grid: FeatureGrid) -> NDArray[np.float64]:
    """(tiles, 2) x and y of the upper left corners of the cells in level-0 px."""
    lattice = grid.lattice
    rows, cols = grid.cells.T.astype(np.float64)
    x, y = lattice.origin.x + cols * lattice.step_x, lattice.origin.y + rows * lattice.step_y
    return np.stack([x, y], axis=1)


def file_safe(name: str) -> str:
    """A name without characters that files cannot have."""
    return re.sub(r"[^\w.+=-]+", "-", name)
