"""What bare glass looks like on a slide, and how much light everything else takes away compared with it.

Arrays of absorbance and density are (3, rows, cols): red, green, blue first.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from histopress.core.geometry import Spacing
from histopress.data.bands import bands

if TYPE_CHECKING:
    from histopress.data.slide import RGB

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Places = NDArray[np.integer[Any]]

FLAT = 0.007
"""Spread of absorbance over `FLAT_UM`: bare glass stays below 0.003, the calmest tissue above 0.011."""
FLAT_UM = 40.0
DARKEST = 12
"""Grey levels; what is darker counts as this dark, as the colour of black is noise."""
PURE_WHITE = 254
"""Grey levels; scanners paint what they did not scan in pure white, which tells nothing of the glass."""
SAMPLES = 100_000
"""Pixels of glass that its surface is fitted to, at most."""


@dataclass(frozen=True)
class Glass:
    """Absorbance of bare glass all over a picture: a quadratic surface within limits.

    Attributes:
        shape: (rows, cols) of the picture.
        weights: (3, 6), for 1, x, y, x^2, xy, y^2 with x and y from -1 to 1.
        low: (3,) least absorbance of each channel.
        high: (3,) greatest.
    """

    shape: tuple[int, int]
    weights: Floats
    low: Floats
    high: Floats

    def density(self, picture: RGB, top: int = 0) -> Floats:
        """Optical density: absorbance beyond that of the glass at the same place.

        Args:
            picture: (rows, cols, 3) uint8, whole rows of the picture from row `top` on.
            top: number of the first row.

        Returns:
            (3, rows, cols) float32, zero where there is only glass.
        """
        rows, cols = np.ogrid[top : top + picture.shape[0], : picture.shape[1]]
        density: Floats = absorbance(picture) - self.at(rows, cols)
        return np.maximum(density, 0, out=density)

    def at(self, rows: Places, cols: Places) -> Floats:
        """Absorbance of the glass at some pixels, (3, ...)."""
        surface = np.tensordot(self.weights, _terms(self.shape, rows, cols), axes=1)
        at: Floats = np.clip(surface.T, self.low, self.high).T
        return at


def absorbance(picture: RGB) -> Floats:
    """-log10 of the light that reaches the sensor, as a share of pure white: (..., 3) -> (3, ...)."""
    table = (-np.log10(np.maximum(np.arange(256), DARKEST) / 255)).astype(np.float32)
    light: Floats = table[np.ascontiguousarray(np.moveaxis(picture, -1, 0))]
    return light


def spread(values: Floats, spacing: Spacing) -> Floats:
    """Standard deviation of (rows, cols) values around each pixel, over a square of `FLAT_UM`."""
    window = tuple(max(3, 2 * int(FLAT_UM / um / 2) + 1) for um in (spacing.y, spacing.x))
    mean = ndimage.uniform_filter(values, window)
    variance: Floats = ndimage.uniform_filter(values**2, window) - mean**2
    return np.sqrt(np.maximum(variance, 0))


def find_glass(picture: RGB, spacing: Spacing) -> Glass:
    """The bare glass of a picture.

    Glass is bright, hardly coloured and flat. It may be grey or yellowish and drift across the slide: a
    surface is fitted to it, starting from its brightest part. Where a picture shows no glass, as one full of
    tissue does, glass is taken to be white.

    Args:
        picture: (rows, cols, 3) uint8.
        spacing: um/px of the picture, about 8.
    """
    shape = picture.shape[:2]
    candidates = np.zeros(shape, bool)
    for band in bands(shape, ceil(FLAT_UM / spacing.y)):
        candidates[band.wanted] = could_be_glass(picture[band.seen], spacing)[band.inner]
    rows, cols = np.nonzero(candidates)
    if len(rows) < max(50, 0.005 * candidates.size):
        white = np.zeros(3, np.float32)
        return Glass(shape, np.zeros((3, 6), np.float32), white, white)
    some = slice(None, None, ceil(len(rows) / SAMPLES))
    return _fit(shape, rows[some], cols[some], absorbance(picture[rows[some], cols[some]]))


def could_be_glass(picture: RGB, spacing: Spacing) -> Bools:
    """Which pixels look like bare glass: scanned, bright, flat, hardly coloured and not pinkish."""
    light = absorbance(picture)
    red, green, blue = light
    brightness = light.mean(axis=0)
    scanned = (picture[..., 0] < PURE_WHITE) | (picture[..., 1] < PURE_WHITE) | (picture[..., 2] < PURE_WHITE)
    tint = light.max(axis=0) - light.min(axis=0)
    pinkness = green - (red + blue) / 2
    flat = spread(brightness, spacing) < FLAT
    return np.asarray(scanned & flat & (brightness < 0.3) & (tint < 0.1) & (pinkness < 0.02))


def _fit(shape: tuple[int, int], rows: Places, cols: Places, light: Floats) -> Glass:
    """The surface through the brightest tenth of (3, n) samples, then through all that lie close to it."""
    brightness = light.mean(axis=0)
    members = np.abs(brightness - np.percentile(brightness, 10)) < 0.02
    for _ in range(5):
        glass = _surface(shape, rows[members], cols[members], light[:, members])
        members = (np.abs(light - glass.at(rows, cols)) < 0.015).all(axis=0)
        if not members.any():
            break
    return glass


def _surface(shape: tuple[int, int], rows: Places, cols: Places, light: Floats) -> Glass:
    """Least squares with a little damping, so that what lies far from all samples stays sober."""
    terms = _terms(shape, rows, cols)
    damping = 1e-3 * terms.shape[1] * np.diag([0.0, 1, 1, 1, 1, 1])
    centre = light.mean(axis=1, keepdims=True, dtype=np.float64)
    weights = np.linalg.solve(terms @ terms.T + damping, terms @ (light - centre).T).T
    weights[:, :1] += centre
    low, high = np.percentile(light, [1, 99], axis=1).astype(np.float32)
    return Glass(shape, weights.astype(np.float32), low - np.float32(0.005), high + np.float32(0.005))


def _terms(shape: tuple[int, int], rows: Places, cols: Places) -> Floats:
    """(6, ...), as `Glass.weights` counts them."""
    y = (2 * rows / shape[0] - 1).astype(np.float32)
    x = (2 * cols / shape[1] - 1).astype(np.float32)
    return np.stack(np.broadcast_arrays(np.float32(1), x, y, x * x, x * y, y * y))
