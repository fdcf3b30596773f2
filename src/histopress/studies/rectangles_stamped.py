"""Pictures of real digits as grids, without a pixel: codes of all stamps are known, and a grid gathers them.

A picture is made of stamps, each alone in its cell, so the code of a cell is the code of its stamp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.core.recipe import digest
from histopress.grids.grid import FeatureGrid
from histopress.studies.drawn_grids import Drawing, DrawnGrids
from histopress.studies.rectangles import RectanglesRecipe, Scene, draw_scene
from histopress.studies.rectangles_digits import CELL, chosen
from histopress.studies.rectangles_grids import NAME, SPACING


@dataclass(frozen=True)
class CodeBook:
    """The codes of the stamps of one part.

    Attributes:
        codes: (stamps, dim) float16, sorted by class.
        counts: (classes,) stamps of each class.
        identity: of the encoder.
    """

    codes: NDArray[np.float16]
    counts: NDArray[np.int64]
    identity: str

    def read(self, scene: Scene) -> NDArray[np.float16]:
        """(digits, dim) the codes of the cells of a scene."""
        return self.codes.take(chosen(scene, self.counts), axis=0)


@dataclass(frozen=True)
class StampedGrids:
    """Draws the grids of one part.

    Attributes:
        part: name of the part.
        scene: of the pictures.
        seed: of the pictures.
        book: codes of the part's stamps.
        noise: standard normal numbers stand in for the codes, so that nothing can be learned but by heart.
    """

    part: str
    scene: RectanglesRecipe
    seed: int
    book: CodeBook
    noise: bool = False

    def scene_of(self, index: int) -> Scene:
        """The picture of this number."""
        return draw_scene(self.scene, self.seed, index)

    def __call__(self, index: int) -> FeatureGrid:
        """The grid of the picture of this number."""
        scene = self.scene_of(index)
        codes = self._drawn(index, len(scene.cells)) if self.noise else self.book.read(scene)
        return self.drawing.grid(f"{self.name}-{index:06d}", (scene.side, scene.side), scene.cells, codes)

    def _drawn(self, index: int, cells: int) -> NDArray[np.float16]:
        random = np.random.default_rng([self.seed, index, 1])
        return random.standard_normal((cells, self.book.codes.shape[1]), np.float32).astype(np.float16)

    @property
    def name(self) -> str:
        """What slide ids begin with."""
        return f"{NAME}-{self.part}"

    @property
    def drawing(self) -> Drawing:
        """What all grids have in common."""
        made_of = digest(self.scene, self.seed, self.book.identity, self.noise)
        return Drawing(NAME, made_of, self.book.codes.shape[1], CELL, SPACING)

    def grids(self, count: int) -> DrawnGrids:
        """The first so many of them."""
        return DrawnGrids(self.name, count, self)
