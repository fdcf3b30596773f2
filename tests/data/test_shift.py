"""A shift by part of a pixel is taken back."""

from __future__ import annotations

import numpy as np
import pytest

from histopress.data.shift import MARGIN, unshifted


def moved(pixels: np.ndarray, x: float, y: float) -> np.ndarray:
    """Bilinear interpolation at whole px + (x, y), rounded; wraps around."""
    out = pixels.astype(float)
    for axis, f in ((0, y), (1, x)):
        out = (1 - abs(f)) * out + abs(f) * np.roll(out, -1 if f > 0 else 1, axis=axis)
    return np.rint(out).astype(np.uint8)


@pytest.mark.parametrize(
    ("x", "y"),
    [(0.25, -0.25), (-0.25, 0.25), (0.1, 0.2), (-0.03, 0.17), (0.0, 0.25), (0.0, 0.0), (0.004, -0.2)],
)
def test_pixels_come_back(x: float, y: float) -> None:
    pixels = np.random.default_rng(2).integers(40, 216, (60, 90, 3), dtype=np.uint8)
    back = unshifted(moved(pixels, x, y), x, y)
    off = np.abs(back.astype(int) - pixels[MARGIN:-MARGIN, MARGIN:-MARGIN])
    assert back.shape == (60 - 2 * MARGIN, 90 - 2 * MARGIN, 3)
    assert off.max() <= 3
    assert off.mean() < 0.6
    if x == y == 0:
        assert off.max() == 0


def test_black_and_white_stay_within_range() -> None:
    pixels = np.zeros((40, 50, 3), np.uint8)
    pixels[:, 20:] = 255
    back = unshifted(moved(pixels, 0.25, 0.0), 0.25, 0.0)
    assert np.array_equal(back, pixels[MARGIN:-MARGIN, MARGIN:-MARGIN])
