"""What encoders of single cells learn from: cells of pictures of their own, each with one beside it.

As published (arXiv 1811.02840), cells with a digit are drawn twice as often as empty ones. A digit fills
9 px; networks see it in the middle of a tile of 16 px, on background, since the published generator begins
with maps of 4 x 4, which double to 16 px.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histopress.core.recipe import digest
from histopress.data.unlabelled import UnlabelledTiles
from histopress.studies.rectangles import RectanglesRecipe, Scene, draw_scene
from histopress.studies.rectangles_digits import CELL, Stamps, chosen
from histopress.studies.rectangles_grids import SPACING

TILE = 16
"""px a side of what networks see."""

FRAME = (TILE - CELL) // 2
"""px of background above a digit, and at its left."""

PAIRS_A_PICTURE = 400
"""One million pairs of 2,500 pictures, as published."""

INKED = 2 / 3
"""Share of the cells drawn that hold a digit."""

BESIDE = ((-1, 0), (1, 0), (0, -1), (0, 1))


def framed(stamps: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stamps (n, 9, 9) -> RGB tiles (n, 16, 16, 3), with background around them."""
    tiles = np.zeros((len(stamps), TILE, TILE, 3), np.uint8)
    tiles[:, FRAME : FRAME + CELL, FRAME : FRAME + CELL] = stamps[..., None]
    return tiles


def cell_pairs(recipe: RectanglesRecipe, stamps: Stamps, count: int, seed: int) -> UnlabelledTiles:
    """So many cells, each with one beside it; a source is a picture.

    Args:
        recipe: of the pictures.
        stamps: of the encoder part, which pictures of other parts do not hold.
        count: of pairs.
        seed: of the pictures and of what is drawn from them.
    """
    per_picture = min(count, PAIRS_A_PICTURE)
    pictures = -(-count // per_picture)
    blank = np.concatenate([stamps.pictures, np.zeros((1, CELL, CELL), np.uint8)])
    rows = np.concatenate(
        [_pairs(draw_scene(recipe, seed, i), stamps, per_picture, seed, i) for i in range(pictures)]
    )[:count]
    return UnlabelledTiles(
        blocks=(framed(blank[rows.ravel()]).reshape(count, 2, TILE, TILE, 3),),
        sources=np.repeat(np.arange(pictures), per_picture)[:count],
        names=tuple(f"rectangles-{i}" for i in range(pictures)),
        spacing=SPACING,
        identity=digest("cell pairs", recipe, stamps.identity, count, seed),
    )


def _pairs(scene: Scene, stamps: Stamps, count: int, seed: int, index: int) -> NDArray[np.int64]:
    """(count, 2) which stamp a cell holds and which one lies beside it; -1 where there is none."""
    random = np.random.default_rng([seed, index, 0])
    canvas = np.full((scene.side + 2, scene.side + 2), -1, np.int64)
    canvas[scene.cells[:, 0] + 1, scene.cells[:, 1] + 1] = chosen(scene, stamps.counts)
    empty = np.argwhere(canvas[1:-1, 1:-1] < 0)
    inked = random.random((count, 1)) < INKED
    at = 1 + np.where(inked, random.choice(scene.cells, count), random.choice(empty, count))
    beside = at + np.array(BESIDE)[random.integers(len(BESIDE), size=count)]
    return np.stack([canvas[at[:, 0], at[:, 1]], canvas[beside[:, 0], beside[:, 1]]], axis=1)
