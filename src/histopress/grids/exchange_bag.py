"""TileBag: the tiles of one slide as another tool stored them, before they lie on a lattice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError, NoTissueError
from histopress.core.geometry import Lattice, Size, Spacing

Unit = Literal["level 0", "um", "tile", "cell"]
"""What coordinates count: level-0 px, micrometres, px of the tiles as they were cut, or cells."""

NO_TILE = "look at the tool's tissue mask of this slide, or leave the slide out"
OTHER_FILE = "name the file with the features of the tiles"


@dataclass(frozen=True, kw_only=True)
class TileBag:
    """One slide in another tool's file; what the file does not tell is None and never guessed.

    Rows belong together by position in these arrays alone; readers join features and coordinates by the
    file's own ids, not by the order of two lists.

    Attributes:
        tool: whose file it is.
        features: (tiles, dim) numbers.
        corners: (tiles, 2) float64 x and y of the upper left corners, in `unit`.
        unit: of `corners`, `extent` and `step`.
        encoder: what the file calls it; empty if it does not.
        facts: whatever else tells encoders apart.
        extent: width and height of a tile.
        step: from one tile to the next; less than `extent` where tiles overlap.
        tile: width and height of a tile in px of `tile_spacing`.
        tile_spacing: um/px of the tiles as the encoder saw them.
        level0: um/px of the slide's level 0.
        size: of the slide's level 0.
        tissue: (tiles,) share of tissue.
        lattice: where one of our own grids became the file: its lattice, exactly.
    """

    tool: str
    features: NDArray[Any]
    corners: NDArray[np.float64]
    unit: Unit
    encoder: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    extent: float | None = None
    step: float | None = None
    tile: int | None = None
    tile_spacing: float | None = None
    level0: Spacing | None = None
    size: Size | None = None
    tissue: NDArray[np.float32] | None = None
    lattice: Lattice | None = None

    def __post_init__(self) -> None:
        tiles = len(self.features)
        if self.corners.shape != (tiles, 2):
            raise GridError(
                f"{tiles} rows of features, but coordinates {self.corners.shape}, expected ({tiles}, 2); "
                "copy or make the file again: it is damaged, or its parts belong to different slides"
            )
        if not np.isfinite(self.corners).all():
            raise GridError("coordinates that are not numbers, so the file is damaged; copy or make it again")

    @property
    def dim(self) -> int:
        """Length of a code."""
        return int(self.features.shape[1])


def feature_rows(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Features as (tiles, dim).

    Args:
        array: as stored.
        where: name of the data set, for messages.

    Raises:
        NoTissueError: there is no tile: (0,) and (0, dim) both mean that.
        GridError: one vector for a whole slide, or anything else that is no table.
    """
    if array.size == 0:
        raise NoTissueError(
            f"{where} {array.shape}: the tool kept no tile of this slide, so there is no grid; {NO_TILE}"
        )
    if array.ndim == 1 or (array.ndim == 2 and array.shape[0] == 1 and array.shape[1] == 0):
        raise GridError(
            f"{where} {array.shape} is one vector of a whole slide, expected (tiles, dim); {OTHER_FILE}"
        )
    if array.ndim != 2:
        raise GridError(f"{where} {array.shape}, expected (tiles, dim); {OTHER_FILE}")
    if array.dtype.kind not in "fiu":
        raise GridError(f"{where} holds {array.dtype}, expected numbers; {OTHER_FILE}")
    return array


def no_features(tiles: int, remedy: str) -> GridError | NoTissueError:
    """The error for a file with coordinates alone: either there is no tile, or none was encoded."""
    if not tiles:
        return NoTissueError(f"the tool kept no tile of this slide and wrote no features; {NO_TILE}")
    return GridError(f"coordinates of {tiles} tiles, but no features; {remedy}")
