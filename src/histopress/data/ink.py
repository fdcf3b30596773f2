"""Pen marks on the glass: told from stained tissue by hues that no stain has, or by lying outside of tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from histopress.core.geometry import Spacing
from histopress.data.glass import Bools, Floats
from histopress.data.regions import area_px, grown

SMALLEST_STROKE = 50_000.0
"""um^2; a spot of ink-like colour that is smaller is no pen mark."""
EDGE_UM = 32.0
"""How far the faint edge of a stroke reaches."""


def find_ink(density: Floats, tissue_like: Bools, spacing: Spacing) -> Bools:
    """Pixels covered by pen marks, with their faint edges.

    A connected patch of pen-like hue is a pen mark when a fifth of it has a hue that no stained tissue has, or
    when most of its surroundings are not tissue: a red stroke on glass looks like blood, which lies in tissue.

    Args:
        density: optical density, (rows, cols, 3).
        tissue_like: pixels that look like tissue if they are not ink, (rows, cols).
        spacing: um/px.
    """
    sure, likely = ink_hues(density)
    labels, count = ndimage.label(likely, np.ones((3, 3)))
    ink = np.zeros_like(likely)
    for label, box in enumerate(ndimage.find_objects(labels, count), start=1):
        if _too_small(box, spacing):
            continue
        around = _widened(box, spacing, likely.shape)
        patch = labels[around] == label
        if patch.sum() < area_px(SMALLEST_STROKE, spacing):
            continue
        ring = grown(patch, 2 * EDGE_UM, spacing) & ~grown(patch, EDGE_UM, spacing)
        outside = 1 - tissue_like[around][ring].mean() if ring.any() else 0.0
        if sure[around][patch].mean() > 0.2 or outside > 0.5:
            ink[around] |= patch
    return grown(ink, EDGE_UM, spacing) if ink.any() else ink


def ink_hues(density: Floats) -> tuple[Bools, Bools]:
    """(pixels that only ink looks like, pixels that ink may look like), each (rows, cols).

    Haematoxylin takes most from red and green, eosin from green, diaminobenzidine from blue. So no tissue lets
    green through best, as green ink does; red through but not blue, as densely as red ink; or green
    better than red, as blue ink does. Nor is it as dark and colourless as black ink, save for dense pigment.
    """
    red, green, blue = np.moveaxis(density, -1, 0)
    dark, pale = density.min(axis=-1), density.max(axis=-1)
    colour = pale - dark
    black = (dark > 0.35) & (colour < 0.35 * density.mean(axis=-1))
    greenish = (red > 0.06) & (green < 0.85 * red) & (green < 0.92 * blue)
    bluish = (red > 0.1) & (blue < 0.85 * red) & (green < np.clip(0.4 + red, 0.55, 1.05) * red)
    reddish = (green > 0.12) & (red < 0.45 * green) & (blue > 0.65 * green) & (blue < 1.25 * green)
    sure_black = dark > 0.8
    sure_green = greenish & (green < 0.8 * blue)
    sure_blue = bluish & (green < 0.6 * red)
    sure_red = reddish & (green > 0.7) & (blue > 0.55)
    return (
        sure_black | greenish & (red > 0.1) | sure_green | bluish | sure_blue | sure_red,
        black | greenish | bluish | reddish,
    )


def _too_small(box: tuple[slice, slice], spacing: Spacing) -> bool:
    rows, cols = (s.stop - s.start for s in box)
    return bool(rows * cols < area_px(SMALLEST_STROKE, spacing))


def _widened(box: tuple[slice, slice], spacing: Spacing, shape: tuple[int, ...]) -> tuple[slice, slice]:
    margin = [int(np.ceil(2 * EDGE_UM / um)) + 1 for um in (spacing.y, spacing.x)]
    rows, cols = (
        slice(max(0, s.start - m), min(n, s.stop + m)) for s, m, n in zip(box, margin, shape, strict=True)
    )
    return rows, cols
