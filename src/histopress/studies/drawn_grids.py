"""Grids whose codes are drawn instead of encoded, each made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.geometry import Lattice, Size, Spacing
from histopress.core.recipe import digest
from histopress.encoders.encoder import EncoderCard
from histopress.grids.grid import FeatureGrid, SlideIdentity

DIGITS = 6
"""Of the number in the name of a grid."""


@dataclass(frozen=True)
class Drawing:
    """What all drawn grids of one kind have in common.

    Attributes:
        name: of the task.
        identity: digest of everything that shapes the codes.
        dim: length of a code.
        tile: px a side of a cell.
        spacing: um/px.
    """

    name: str
    identity: str
    dim: int
    tile: int
    spacing: float

    def grid(
        self, slide: str, shape: tuple[int, int], cells: NDArray[np.int32], codes: NDArray[np.floating[Any]]
    ) -> FeatureGrid:
        """A grid as `compress` would store it.

        Args:
            slide: its id.
            shape: (rows, cols) of the lattice.
            cells: (tiles, 2) row and col, sorted row by row.
            codes: (tiles, dim).
        """
        size = Size(shape[1] * self.tile, shape[0] * self.tile)
        stored = Spacing.square(self.spacing)
        made_of = digest(self.identity, slide)
        return FeatureGrid(
            lattice=Lattice.over(size, stored, self.spacing, self.tile),
            slide=SlideIdentity(slide, size, stored, made_of),
            encoder=asdict(self._card()),
            identity=made_of,
            settings={},
            features=codes.astype(np.float16, copy=False),
            cells=cells,
            tissue=np.ones(len(cells), np.float32),
        )

    def _card(self) -> EncoderCard:
        return EncoderCard(
            name=f"drawn-{self.name}",
            identity=self.identity,
            spacing=self.spacing,
            tile=self.tile,
            dim=self.dim,
            normalisation="codes are drawn, no tile was encoded",
        )


@dataclass(frozen=True)
class DrawnGrids(Mapping[str, FeatureGrid]):
    """Grids by slide id, drawn anew each time: no memory is needed, `dict(grids)` keeps them.

    Attributes:
        name: of the task; slide ids are "NAME-000000" and so on.
        count: of grids.
        draw: number of a grid -> grid; the same one every time.
    """

    name: str
    count: int
    draw: Callable[[int], FeatureGrid]

    def __getitem__(self, slide: str) -> FeatureGrid:
        index = self.index_of(slide)
        if not 0 <= index < self.count:
            raise KeyError(slide)
        return self.draw(index)

    def __iter__(self) -> Iterator[str]:
        return (slide_id(self.name, index) for index in range(self.count))

    def __len__(self) -> int:
        return self.count

    def index_of(self, slide: str) -> int:
        """Number of a grid; -1 for ids that are of another kind."""
        name, _, number = slide.rpartition("-")
        return int(number) if name == self.name and len(number) == DIGITS and number.isdigit() else -1


def slide_id(name: str, index: int) -> str:
    """How the grid of this number is called."""
    return f"{name}-{index:0{DIGITS}d}"


def label_table(name: str, labels: list[str]) -> pd.DataFrame:
    """One row a grid: `patient` and `slide` (the same) and `label`."""
    slides = [slide_id(name, index) for index in range(len(labels))]
    return pd.DataFrame({"patient": slides, "slide": slides, "label": labels})
