"""Tiles of drawn tissue, with tumour and without."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histopress.studies.phantom import MASK_STEP, Painted, PhantomRecipe, draw, paint

SIDES = (2048, 1536)
"""Width and height of the slides that tiles are cut from, px."""

SHARE = 0.4
"""Of their tissue that is tumour."""

MOST = 400
"""Slides that are painted at most."""


def phantom_tiles(
    count: int, tile: int, spacing: float, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Tiles cut from drawn slides, so many without tumour, and so many that are nothing but tumour.

    Args:
        count: of either.
        tile: px a side, a multiple of `MASK_STEP`.
        spacing: um/px.
        seed: of the slides.

    Returns:
        Two arrays (count, tile, tile, 3) uint8.
    """
    recipe = PhantomRecipe(
        slides=MOST,
        lesion_share=SHARE,
        width=(SIDES[0], SIDES[0]),
        height=(SIDES[1], SIDES[1]),
        spacing=spacing,
        seed=seed,
    )
    found: tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]] = ([], [])
    index = 0
    while min(map(len, found)) < count:
        plan = draw(recipe, index)
        index += 1
        if plan.tumour is None:
            continue
        for tiles, new in zip(found, _cut(paint(plan), tile), strict=True):
            tiles.extend(new[: max(0, count - len(tiles))])
    return np.stack(found[0]), np.stack(found[1])


def _cut(painted: Painted, tile: int) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """Tiles that lie in tissue as a whole: those without tumour, and those that lie in it as a whole."""
    step = tile // MASK_STEP
    without, within = [], []
    for row in range(0, painted.tissue.shape[0] - step + 1, step):
        for col in range(0, painted.tissue.shape[1] - step + 1, step):
            at = np.s_[row : row + step, col : col + step]
            top, left = row * MASK_STEP, col * MASK_STEP
            pixels = painted.picture[top : top + tile, left : left + tile]
            if painted.tissue[at].all() and not painted.lesion[at].any():
                without.append(pixels)
            elif painted.lesion[at].all():
                within.append(pixels)
    return without, within
