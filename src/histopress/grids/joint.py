"""Several slides of a patient as one grid, side by side, and taken apart again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError
from histopress.core.geometry import Lattice, Size, Spacing
from histopress.core.recipe import digest
from histopress.grids.grid import FeatureGrid, SlideIdentity, Window


@dataclass(frozen=True)
class JointGrid:
    """Grids laid side by side.

    Attributes:
        slides: how many grids there are, those without tissue too.
        grid: all of their cells.
        owners: (tiles,) int64, which of the grids, in the order they were given, each cell comes from.
        cells_in_slide: (tiles, 2) int32 row and col of each cell in its own grid.
    """

    slides: int
    grid: FeatureGrid
    owners: NDArray[np.int64]
    cells_in_slide: NDArray[np.int32]

    def apart(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """(tiles, ...) values of the joint cells -> those of each grid, in the order of its own cells."""
        return [values[self.owners == slide] for slide in range(self.slides)]


def lay_side_by_side(grids: Sequence[FeatureGrid], gap: int = 8) -> JointGrid:
    """One grid that holds the tissue of several, each in its own place.

    The order in which grids are given changes nothing but the numbers of the owners. The lattice is that of a
    picture at the spacing of the tiles; it lies on no slide, so damage of the slides is not listed.

    Args:
        grids: of the same encoder; some may be without tissue.
        gap: at least so many empty rows or cols between the tissue of two slides, so that convolutions that
            reach less far do not see across.

    Raises:
        GridError: no grids, or grids of several encoders.
    """
    _check(grids)
    order = sorted(range(len(grids)), key=lambda i: _name(grids[i]))
    laid = [grids[i] for i in order]
    shifts = _shifts([grid.window for grid in laid], [len(grid) > 0 for grid in laid], gap)
    sizes = [len(grid) for grid in laid]
    own = np.concatenate([grid.cells for grid in laid])
    at = own + np.repeat(shifts, sizes, axis=0)
    by = np.lexsort((at[:, 1], at[:, 0]))
    joint = FeatureGrid(
        **_header(laid, at.max(axis=0, initial=0) + 1, gap),
        features=np.concatenate([grid.features for grid in laid])[by],
        cells=at[by],
        tissue=np.concatenate([grid.tissue for grid in laid])[by],
    )
    return JointGrid(len(grids), joint, np.repeat(order, sizes)[by], own[by])


def _check(grids: Sequence[FeatureGrid]) -> None:
    if not grids:
        raise GridError("no grids to lay side by side, expected one or more")
    first = grids[0]
    for grid in grids:
        found, wanted = grid.encoder.get("identity"), first.encoder.get("identity")
        if found != wanted:
            raise GridError(
                f"the grid of {grid.slide.slide} was made by encoder {found}, that of {first.slide.slide} by "
                f"{wanted}, expected one for all slides of a case; compress them with the same encoder"
            )


def _name(grid: FeatureGrid) -> tuple[str, str, str]:
    return grid.slide.slide, grid.slide.hash, grid.identity


def _shifts(windows: Sequence[Window], filled: Sequence[bool], gap: int) -> NDArray[np.int32]:
    """(grids, 2) rows and cols by which the cells of each grid move to their place; 0 without tissue."""
    shifts = np.zeros((len(windows), 2), dtype=np.int32)
    some = [i for i, has in enumerate(filled) if has]
    for i, (row, col) in zip(some, _squarest([windows[i] for i in some], gap), strict=True):
        shifts[i] = row - windows[i].row, col - windows[i].col
    return shifts


def _squarest(windows: Sequence[Window], gap: int) -> list[tuple[int, int]]:
    """Upper left corners in the shelves whose longer side is the shortest."""
    highest_first = sorted(range(len(windows)), key=lambda i: -windows[i].rows)
    sizes = [windows[i] for i in highest_first]
    ways = [
        _shelves(sizes, sum(w.cols + gap for w in sizes[:count]), gap) for count in range(1, len(sizes) + 1)
    ]
    best = min(ways, key=lambda corners: _longer_side(sizes, corners), default=[])
    corners = dict(zip(highest_first, best, strict=True))
    return [corners[i] for i in range(len(windows))]


def _shelves(windows: Sequence[Window], width: int, gap: int) -> list[tuple[int, int]]:
    """Corners from left to right on shelves at most so wide, gaps behind included; the highest come first."""
    corners: list[tuple[int, int]] = []
    row, col, below = 0, 0, 0
    for window in windows:
        if col and col + window.cols + gap > width:
            row, col = below, 0
        corners.append((row, col))
        col += window.cols + gap
        below = max(below, row + window.rows + gap)
    return corners


def _longer_side(windows: Sequence[Window], corners: Sequence[tuple[int, int]]) -> int:
    return max(
        max(row + window.rows, col + window.cols) for window, (row, col) in zip(windows, corners, strict=True)
    )


def _header(grids: Sequence[FeatureGrid], shape: NDArray[np.int32], gap: int) -> dict[str, Any]:
    """Of a picture of as many tiles as the lattice is large, which stands for all slides."""
    first = grids[0]
    rows, cols = shape.tolist()
    spacing, tile = first.lattice.spacing, first.lattice.tile
    alike = {k: v for k, v in first.settings.items() if all(g.settings.get(k) == v for g in grids)}
    return {
        "lattice": Lattice(float(tile), float(tile), rows, cols, spacing, tile),
        "slide": SlideIdentity(
            slide="+".join(grid.slide.slide for grid in grids),
            size=Size(cols * tile, rows * tile),
            spacing=Spacing.square(spacing),
            hash=digest([grid.slide.hash for grid in grids]),
        ),
        "encoder": first.encoder,
        "identity": digest([grid.identity for grid in grids], gap),
        "settings": {**alike, "gap": gap},
        "version": first.version,
    }
