"""What bare glass looks like on a slide, and how much light everything else takes away compared with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from histopress.core.geometry import Spacing

if TYPE_CHECKING:
    from histopress.data.slide import RGB

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

FLAT = 0.007
"""Spread of absorbance over `FLAT_UM`: bare glass stays below 0.003, the calmest tissue above 0.011."""
FLAT_UM = 40.0
DARKEST = 12
"""Grey levels; what is darker counts as this dark, as the colour of black is noise."""
PURE_WHITE = 254
"""A scanner paints what it did not scan in pure white, which tells nothing of the glass."""


def optical_density(picture: RGB, spacing: Spacing) -> Floats:
    """Absorbance of every pixel and channel beyond that of bare glass at the same place.

    Args:
        picture: (rows, cols, 3) uint8.
        spacing: um/px of the picture, about 8.

    Returns:
        (rows, cols, 3) float32, zero where there is only glass.
    """
    light = absorbance(picture)
    scanned = (picture < PURE_WHITE).any(axis=-1)
    return np.clip(light - glass_field(light, scanned, spacing), 0, None)


def absorbance(picture: RGB) -> Floats:
    """-log10 of the light that reaches the sensor, as a share of pure white."""
    table = -np.log10(np.maximum(np.arange(256), DARKEST) / 255)
    return table.astype(np.float32)[picture]


def spread(values: Floats, spacing: Spacing) -> Floats:
    """Standard deviation of (rows, cols) values around each pixel, over a square of `FLAT_UM`."""
    window = tuple(max(3, 2 * round(FLAT_UM / um / 2) + 1) for um in (spacing.y, spacing.x))
    mean = ndimage.uniform_filter(values, window)
    return np.sqrt(np.maximum(ndimage.uniform_filter(values**2, window) - mean**2, 0))


def glass_field(light: Floats, scanned: Bools, spacing: Spacing) -> Floats:
    """Absorbance of bare glass all over a picture, (rows, cols, 3).

    Glass is bright, nearly colourless and flat. It may be grey or yellowish and drift across the slide: a
    quadratic surface is fitted to it, starting from its brightest part. Where a picture shows no glass, as
    one full of tissue does, glass is taken to be white.
    """
    candidates = scanned & glass_like(light, spacing)
    if candidates.sum() < max(50, 0.005 * candidates.size):
        return np.zeros_like(light)
    brightness = light.mean(axis=-1)
    brightest = float(np.percentile(brightness[candidates], 10))
    members = candidates & (np.abs(brightness - brightest) < 0.02)
    field = _surface(light, members)
    for _ in range(4):
        members = candidates & (np.abs(light - field) < 0.015).all(axis=-1)
        if not members.any():
            break
        field = _surface(light, members)
    return field


def glass_like(light: Floats, spacing: Spacing) -> Bools:
    """Which pixels could be bare glass by their own looks: bright, flat, hardly coloured and not pinkish."""
    red, green, blue = np.moveaxis(light, -1, 0)
    brightness = light.mean(axis=-1)
    tint = light.max(axis=-1) - light.min(axis=-1)
    pinkness = green - (red + blue) / 2
    return (brightness < 0.3) & (tint < 0.1) & (pinkness < 0.02) & (spread(brightness, spacing) < FLAT)


def _surface(light: Floats, members: Bools) -> Floats:
    """The quadratic surface through the members, kept within the range of their values."""
    rows, cols = np.nonzero(members)
    keep = slice(None, None, max(1, len(rows) // 20_000))
    rows, cols = rows[keep], cols[keep]
    values = light[rows, cols].astype(np.float64)
    height, width = members.shape
    y, x = 2 * rows / height - 1, 2 * cols / width - 1
    terms = _quadratic(y, x)
    calm = np.diag([0.0, *[1e-3 * len(rows)] * 5])
    centre = values.mean(axis=0)
    weights = np.linalg.solve(terms.T @ terms + calm + 1e-9 * np.eye(6), terms.T @ (values - centre))
    low, high = np.percentile(values, [1, 99], axis=0)
    grid_y, grid_x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    field = _quadratic(grid_y, grid_x) @ weights.astype(np.float32) + centre.astype(np.float32)
    return np.clip(field, low - 0.005, high + 0.005).astype(np.float32)


def _quadratic(y: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
