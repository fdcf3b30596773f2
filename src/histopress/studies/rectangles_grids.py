"""Pictures of the rectangles task as grids: the code of a digit is its class, more or less blurred."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import RecipeError
from histopress.core.recipe import digest
from histopress.grids.grid import FeatureGrid
from histopress.studies.drawn_grids import Drawing, DrawnGrids, label_table, slide_id
from histopress.studies.rectangles import RectanglesRecipe, Scene, draw_scene
from histopress.studies.rectangles_digits import CELL

NAME = "rectangles"
SPACING = 1.0
"""um/px that drawn pictures are declared to have."""

NOISE = 1
PROTOTYPES = 2
"""Set the random numbers of the codes apart from those of the scenes, which have two numbers as seed."""


@dataclass(frozen=True)
class RectangleCodes:
    """What an encoder would see in a digit.

    Attributes:
        scene: what is drawn.
        dim: length of a code; 0 for one-hot codes, else every class has a random unit vector.
        noise: standard deviation that is added to every number of a code.
        seed: of scenes, prototypes and noise.
    """

    scene: RectanglesRecipe = field(default_factory=RectanglesRecipe)
    dim: int = 0
    noise: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dim < 0 or self.noise < 0:
            raise RecipeError(f"dim {self.dim} and noise {self.noise}, expected none below 0; change them")

    @property
    def drawing(self) -> Drawing:
        """What all grids have in common."""
        return Drawing(NAME, digest(self), self.dim or self.scene.classes, CELL, SPACING)

    @property
    def prototypes(self) -> NDArray[np.float32]:
        """(classes, dim) code of a digit without noise."""
        if not self.dim:
            return np.eye(self.scene.classes, dtype=np.float32)
        random = np.random.default_rng([self.seed, 0, PROTOTYPES])
        rows = random.standard_normal((self.scene.classes, self.dim))
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def scene_grid(scene: Scene, codes: RectangleCodes, index: int) -> FeatureGrid:
    """The grid of a picture: a cell for every digit, none where the canvas is empty."""
    random = np.random.default_rng([codes.seed, index, NOISE])
    drawing = codes.drawing
    noise = random.standard_normal((len(scene.cells), drawing.dim), dtype=np.float32)
    noise *= np.float32(codes.noise)
    noise += codes.prototypes[scene.classes]
    return drawing.grid(slide_id(NAME, index), (scene.side, scene.side), scene.cells, noise)


def rectangle_grids(codes: RectangleCodes, count: int) -> tuple[DrawnGrids, pd.DataFrame]:
    """Grids by slide id, and their table (`patient`, `slide`, `label`); nothing is drawn yet."""
    labels = [str(index % codes.scene.labels) for index in range(count)]
    return DrawnGrids(NAME, count, partial(_grid, codes)), label_table(NAME, labels)


def _grid(codes: RectangleCodes, index: int) -> FeatureGrid:
    return scene_grid(draw_scene(codes.scene, codes.seed, index), codes, index)
