"""Pen marks on the glass: told from stained tissue by hues that no stain has, or by lying outside of tissue."""

from __future__ import annotations

from math import ceil

import numpy as np
from scipy import ndimage

from histopress.core.geometry import Spacing
from histopress.data.glass import Bools, Floats
from histopress.data.regions import area_px, grown, opened

SMALLEST_STROKE = 50_000.0
"""um^2; a spot of ink-like colour that is smaller is no pen mark."""
EDGE = 32.0
"""um; how far the faint edge of a stroke reaches beyond where its hue is seen."""
RIM = 160.0
"""um from a stroke within which thin leftovers of it are searched."""


def without_ink(tissue: Bools, ink: Bools, spacing: Spacing) -> Bools:
    """Tissue less ink, and less the thin rims of strokes that are left beside it."""
    if not ink.any():
        return tissue
    tissue = tissue & ~ink
    return tissue & (opened(tissue, 1.25 * EDGE, spacing) | ~grown(ink, RIM, spacing))


def find_ink(sure: Bools, likely: Bools, stained: Bools, spacing: Spacing) -> Bools:
    """Pixels covered by pen marks, with their faint edges.

    A connected patch of ink-like hue is a pen mark when a fifth of it has a hue that no stained tissue has, or
    when most of its surroundings are not tissue: a red stroke has the hue of blood, but blood lies in tissue.

    Args:
        sure: pixels that only ink looks like, (rows, cols).
        likely: pixels that ink may look like.
        stained: pixels that look like tissue if they are not ink.
        spacing: um/px.
    """
    labels, count = ndimage.label(likely, np.ones((3, 3)))
    large = np.bincount(labels.ravel(), minlength=count + 1) >= area_px(SMALLEST_STROKE, spacing)
    large[0] = False
    boxes = ndimage.find_objects(labels)
    ink = np.zeros_like(likely)
    for label in np.flatnonzero(large):
        here = _widened(boxes[label - 1], spacing, likely.shape)
        patch = labels[here] == label
        if sure[here][patch].mean() > 0.2 or _lies_on_glass(patch, stained[here], spacing):
            ink[here] |= patch
    return grown(ink, EDGE, spacing)


def ink_hues(density: Floats) -> tuple[Bools, Bools]:
    """Pixels that only ink looks like, and pixels that ink may look like.

    Haematoxylin takes most from green and red, eosin from green, diaminobenzidine from blue. So no stain spares
    green most, as green ink does; nor takes red alone, as blue ink does, or dense navy ink nearly so; nor spares
    red and takes much from both others, as red ink does, save for blood. Nothing in tissue is as black as
    black ink, save for heaps of pigment.

    Args:
        density: optical density, (3, rows, cols).

    Returns:
        sure and likely, each (rows, cols) bool.
    """
    red, green, blue = density
    dark = density.min(axis=0)
    colour = density.max(axis=0) - dark
    greenish = (red > 0.06) & (green < 0.85 * red) & (green < 0.92 * blue)
    bluish = (red > 0.1) & (blue < 0.85 * red) & (green < np.clip(0.5 + 0.9 * red, 0.65, 1.2) * red)
    reddish = (green > 0.12) & (red < 0.45 * green) & (blue > 0.65 * green) & (blue < 1.25 * green)
    black = dark > 0.7
    blackish = (dark > 0.35) & (colour < 0.35 * density.mean(axis=0))
    sure = greenish & (red > 0.1) | bluish | reddish & (green > 0.7) & (blue > 0.55) | black
    return sure, sure | greenish | reddish | blackish


def _lies_on_glass(patch: Bools, stained: Bools, spacing: Spacing) -> bool:
    ring = grown(patch, 2 * EDGE, spacing) & ~grown(patch, EDGE, spacing)
    return not ring.any() or float(stained[ring].mean()) < 0.5


def _widened(box: tuple[slice, slice], spacing: Spacing, shape: tuple[int, ...]) -> tuple[slice, slice]:
    margins = (ceil(2 * EDGE / spacing.y) + 1, ceil(2 * EDGE / spacing.x) + 1)
    rows, cols = (
        slice(max(0, side.start - margin), min(length, side.stop + margin))
        for side, margin, length in zip(box, margins, shape, strict=True)
    )
    return rows, cols
