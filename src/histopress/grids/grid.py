"""FeatureGrid: a slide as a small picture whose pixels are code vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError
from histopress.core.geometry import Lattice, Size, Spacing
from histopress.data.damage import BadTile


@dataclass(frozen=True)
class Window:
    """A rectangle of cells; may reach beyond the grid."""

    row: int
    col: int
    rows: int
    cols: int


@dataclass(frozen=True)
class SlideIdentity:
    """Which slide a grid was made of.

    Attributes:
        slide: the slide's id, the stem of its file name.
        size: of level 0, px.
        spacing: um/px of level 0.
        hash: `core.files.quick_hash` of the file.
    """

    slide: str
    size: Size
    spacing: Spacing
    hash: str


@dataclass(frozen=True, kw_only=True)
class GridHeader:
    """Where a grid comes from; everything of it but the numbers.

    Attributes:
        lattice: where the cells lie on the slide.
        slide: which slide it was made of.
        encoder: card of the encoder, as plain values; `encoder["identity"]` names it.
        identity: digest over slide, encoder and settings.
        settings: everything else that shaped the grid (tissue recipe, share of tissue, mask).
        version: of the package that made it.
        engine: how the encoder ran: device, precision, backend.
        damage: stored tiles that could not be decoded; cells that touch them are left out, or partly white.
    """

    lattice: Lattice
    slide: SlideIdentity
    encoder: dict[str, Any]
    identity: str
    settings: dict[str, Any]
    version: str = ""
    engine: dict[str, Any] = field(default_factory=dict)
    damage: tuple[BadTile, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols) of the whole lattice."""
        return self.lattice.shape


@dataclass(frozen=True, kw_only=True)
class FeatureGrid(GridHeader):
    """The codes of the tissue cells of one slide, with the header that tells where they come from.

    Attributes:
        features: (tiles, dim) float16.
        cells: (tiles, 2) int32 row and col, sorted row by row, none twice.
        tissue: (tiles,) float32 share of tissue in each cell, 0 to 1.
    """

    features: NDArray[np.float16]
    cells: NDArray[np.int32]
    tissue: NDArray[np.float32]

    def __post_init__(self) -> None:
        tiles = len(self.cells)
        if self.features.ndim != 2 or self.features.shape[0] != tiles or self.tissue.shape != (tiles,):
            raise GridError(
                f"grid of {self.slide.slide}: features {self.features.shape}, cells {self.cells.shape} and "
                f"tissue {self.tissue.shape} do not fit; expected (tiles, dim), (tiles, 2), (tiles,)"
            )

    @property
    def dim(self) -> int:
        """Length of a code."""
        return int(self.features.shape[1])

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory."""
        return self.features.nbytes + self.cells.nbytes + self.tissue.nbytes

    @property
    def window(self) -> Window:
        """The smallest window that holds every kept cell."""
        if not len(self):
            return Window(0, 0, 1, 1)
        (top, left), (bottom, right) = self.cells.min(axis=0), self.cells.max(axis=0)
        return Window(int(top), int(left), int(bottom - top) + 1, int(right - left) + 1)

    def dense(self, window: Window | None = None) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The cells of a window as a picture.

        Args:
            window: the whole lattice when not given; may reach beyond it.

        Returns:
            (dim, rows, cols) float32, 0 where there is no tile, and (rows, cols) bool, True where one is.
        """
        window = window or Window(0, 0, *self.shape)
        at = self.cells - np.array([window.row, window.col], dtype=np.int32)
        inside = ((at >= 0) & (at < [window.rows, window.cols])).all(axis=1)
        rows, cols = at[inside].T
        picture = np.zeros((self.dim, window.rows, window.cols), dtype=np.float32)
        picture[:, rows, cols] = self.features[inside].T
        mask = np.zeros((window.rows, window.cols), dtype=np.bool_)
        mask[rows, cols] = True
        return picture, mask
