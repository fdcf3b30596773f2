"""Pictures -> grids, in memory: what `compress` does to slides, for sets of pictures that are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from histopress.core.errors import RecipeError
from histopress.core.geometry import Lattice, Size, Spacing
from histopress.core.recipe import digest
from histopress.encoders.encoder import Encoder, encode
from histopress.grids.grid import FeatureGrid, SlideIdentity
from histopress.studies.crops import SPACING, coloured
from histopress.studies.pictures import Pictures

BATCH = 64


@dataclass(frozen=True)
class PressRule:
    """How a picture is cut.

    Attributes:
        tile: px a side of the picture that make one code.
        overlap: neighbouring tiles are `tile / overlap` px apart.
        magnify: px of the encoder's tile for a px of the picture.
    """

    tile: int
    overlap: int = 1
    magnify: int = 1

    def __post_init__(self) -> None:
        if self.tile < 1 or self.overlap < 1 or self.tile % self.overlap:
            raise RecipeError(
                f"tiles of {self.tile} px with overlap {self.overlap}, expected a divisor of the tile; "
                "change it"
            )

    @property
    def step(self) -> int:
        """Px from one tile to the next."""
        return self.tile // self.overlap

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """(rows, cols) of tiles that cover a picture: no px lies outside of all of them."""
        rows, cols = (max(0, -(-(side - self.tile) // self.step)) + 1 for side in (height, width))
        return rows, cols


def cut(picture: NDArray[np.uint8], rule: PressRule) -> NDArray[np.uint8]:
    """(rows * cols, tile, tile, channels) tiles of a picture row by row; black where they reach beyond it."""
    height, width, _ = picture.shape
    rows, cols = rule.shape(height, width)
    down, right = (rows - 1) * rule.step + rule.tile, (cols - 1) * rule.step + rule.tile
    filled = np.pad(picture, ((0, down - height), (0, right - width), (0, 0)))
    windows = sliding_window_view(filled, (rule.tile, rule.tile), axis=(0, 1))[:: rule.step, :: rule.step]
    return np.moveaxis(windows, 2, 4).reshape(-1, rule.tile, rule.tile, picture.shape[2])


def press(name: str, pictures: Pictures, encoder: Encoder, rule: PressRule) -> Iterator[FeatureGrid]:
    """The grid of every picture, in order; every cell is kept.

    Args:
        name: of the set; slides are called "NAME-0" and so on.
        pictures: what is pressed.
        encoder: its tile must be `rule.tile * rule.magnify` px.
        rule: how pictures are cut.

    Raises:
        RecipeError: tiles are of another size than the encoder takes.
    """
    card = encoder.card
    if card.tile != rule.tile * rule.magnify:
        raise RecipeError(
            f"{card.name} takes tiles of {card.tile} px, but {rule.tile} px are magnified {rule.magnify} "
            "times; set tile and magnify so that they fit"
        )
    height, width, _ = pictures.shape
    rows, cols = rule.shape(height, width)
    size, stored = Size(width, height), Spacing.square(SPACING)
    lattice = Lattice(rule.step, rule.step, rows, cols, SPACING / rule.magnify, card.tile)
    cells = np.stack(np.divmod(np.arange(rows * cols), cols), axis=1).astype(np.int32)
    for index in range(len(pictures)):
        tiles = coloured(cut(pictures.draw(index).picture, rule), rule.magnify)
        made_of = digest(pictures.identity, index)
        yield FeatureGrid(
            lattice=lattice,
            slide=SlideIdentity(f"{name}-{index}", size, stored, made_of),
            encoder=asdict(card),
            identity=digest(card.identity, made_of),
            settings={},
            features=encode(encoder, tiles, batch=BATCH).astype(np.float16),
            cells=cells,
            tissue=np.ones(len(cells), np.float32),
        )
