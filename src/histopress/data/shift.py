"""Takes back a shift by part of a pixel that was made with bilinear interpolation.

OpenSlide addresses every level in level-0 px. Where the sides of a level are no whole fractions of those of
level 0, no such address falls onto one of its pixels, and what is read is interpolated: moved by up to a
quarter of a pixel, and blurred more in some places than in others. As the shift is known, it can be undone
but for rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MARGIN = 6
"""px needed around what is wanted: what lies beyond weighs 1/700 at most, for shifts up to a quarter."""

NEGLIGIBLE = 1 / 128
"""px; finer shifts are below the resolution of the interpolation."""


def unshifted(pixels: NDArray[np.uint8], shift_x: float, shift_y: float) -> NDArray[np.uint8]:
    """The pixels before they were moved.

    Args:
        pixels: (height + 2 MARGIN, width + 2 MARGIN, 3) uint8, interpolated at whole px + shift.
        shift_x: px, -0.25 to 0.25.
        shift_y: px, -0.25 to 0.25.

    Returns:
        (height, width, 3) uint8 at whole px.
    """
    upright = pixels.astype(np.float32)
    _move_rows_back(upright, shift_y)
    turned = np.ascontiguousarray(upright[MARGIN:-MARGIN].transpose(1, 0, 2))
    _move_rows_back(turned, shift_x)
    np.clip(np.rint(turned, out=turned), 0, 255, out=turned)
    return np.ascontiguousarray(turned[MARGIN:-MARGIN].astype(np.uint8).transpose(1, 0, 2))


def _move_rows_back(rows: NDArray[np.float32], shift: float) -> None:
    """Undo a shift along the first axis, in place.

    Rows that were moved by f > 0 hold p[i] = (1 - f) s[i] + f s[i + 1], so that s[i] = (p[i] - f s[i + 1]) /
    (1 - f) from the last to the first; likewise from the first to the last for f < 0. Not knowing the row
    beyond the end is an error that shrinks by f / (1 - f) from row to row.
    """
    part = abs(shift)
    if part < NEGLIGIBLE:
        return
    rows /= np.float32(1 - part)
    ratio = np.float32(part / (1 - part))
    if shift > 0:
        rows = rows[::-1]
    for index in range(1, len(rows)):
        rows[index] -= ratio * rows[index - 1]
