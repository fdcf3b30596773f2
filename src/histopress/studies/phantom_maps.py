"""Maps of a scene as seen at the pixels of a block: bilinear, in whole numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histopress.studies.phantom_plan import MASK_STEP
from histopress.studies.phantom_textures import BLOCK, MARGIN, Field

Layer = NDArray[np.int16]
"""(SIDE, SIDE) of a block with its margin: depth of a stain 0 to 255, or a weight 0 to 128."""

SIDE = BLOCK + 2 * MARGIN
_CELLS = SIDE // MASK_STEP
_STEPS = (2 * np.arange(MASK_STEP) + 1).astype(np.int16)
"""Sixteenths of the way from the middle of one map px to that of the next."""


class SmoothMap:
    """A map whose values lie between -127 and 255."""

    def __init__(self, values: Field) -> None:
        whole = np.clip(np.rint(values), -127, 255).astype(np.int16)
        self._values = np.pad(whole, ((1, _CELLS + 1), (1, _CELLS + 1)), mode="edge")

    def _corners(self, y: int, x: int) -> Layer:
        """The map px between which a block and its margin lie."""
        top, left = y // MASK_STEP, x // MASK_STEP
        return self._values[top : top + _CELLS + 1, left : left + _CELLS + 1]

    def layer(self, y: int, x: int) -> Layer:
        """(SIDE, SIDE) values of the block at this multiple of BLOCK, with its margin."""
        corners = self._corners(y, x)
        climb = np.diff(corners, axis=0)
        rows = (corners[:-1, None] * 16 + _STEPS[:, None] * climb[:, None] >> 1).reshape(SIDE, _CELLS + 1)
        values = np.repeat(rows[:, :-1], MASK_STEP, axis=1)
        climb = np.repeat(np.diff(rows, axis=1), MASK_STEP, axis=1)
        layer: Layer = values * 16 + climb * np.tile(_STEPS, _CELLS) >> 7
        return layer


class DepthMap(SmoothMap):
    """A map of depths in px, positive inside, known in half px up to 63 px from the edge."""

    def __init__(self, depth: Field) -> None:
        super().__init__(np.clip(2 * depth, -127, 127))

    def touches(self, y: int, x: int) -> bool:
        """Whether any of a block may lie inside, or within 16 px of it, where edges are still soft."""
        return bool((self._corners(y, x) > -32).any())

    def weight(self, y: int, x: int, soft: int, fray: Layer | int = 0) -> Layer:
        """Weight of the inside, from 0 to 128 over `soft` px around the edge; `fray` moves the edge (px)."""
        depth = np.clip(self.layer(y, x) + 2 * fray, -soft, soft)
        weight: Layer = 64 + depth * 64 // soft
        return weight
