"""Takes back a shift by part of a pixel that was made with bilinear interpolation.

OpenSlide addresses every level in level-0 px. Where the sides of a level are no whole fractions of those of
level 0, no such address falls onto one of its pixels, and what is read is interpolated: moved by up to a
quarter of a pixel, and blurred more in some places than in others. As the shift is known, it can be undone
but for rounding.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

MARGIN = 6
"""px needed around what is wanted: what lies beyond weighs less than 1/512 for shifts of up to a quarter."""

NEGLIGIBLE = 1 / 128
"""px; finer shifts are below the resolution of the interpolation."""


def unshifted(pixels: NDArray[np.uint8], shift_x: float, shift_y: float) -> NDArray[np.uint8]:
    """The pixels before they were moved.

    A row that was moved by f > 0 holds p[i] = (1 - f) s[i] + f s[i + 1], hence s[i] is the sum over n of
    (-f / (1 - f))^n p[i + n] / (1 - f); likewise to the other side for f < 0.

    Args:
        pixels: (height + 2 MARGIN, width + 2 MARGIN, 3) uint8, interpolated at whole px + shift.
        shift_x: px, -0.25 to 0.25.
        shift_y: px, -0.25 to 0.25.

    Returns:
        (height, width, 3) uint8 at whole px.
    """
    whole = _along_columns(pixels.astype(np.float32), shift_y)
    whole = _along_columns(whole.transpose(1, 0, 2), shift_x).transpose(1, 0, 2)
    return np.clip(np.rint(whole), 0, 255).astype(np.uint8)


def _along_columns(pixels: NDArray[np.float32], shift: float) -> NDArray[np.float32]:
    length = len(pixels) - 2 * MARGIN
    step = 1 if shift > 0 else -1
    total = np.zeros((length, *pixels.shape[1:]), np.float32)
    for number, weight in enumerate(_weights(abs(shift))):
        start = MARGIN + step * number
        total += np.float32(weight) * pixels[start : start + length]
    return total


def _weights(shift: float) -> list[float]:
    """Those of the pixel itself and of its neighbours to one side, as far as they count."""
    if shift < NEGLIGIBLE:
        return [1.0]
    ratio = shift / (1 - shift)
    count = min(MARGIN, math.ceil(math.log(512) / -math.log(ratio)))
    return [(-ratio) ** number / (1 - shift) for number in range(count + 1)]
