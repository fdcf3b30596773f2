"""Pen marks: told from stained tissue by hues that no stain has, or by lying outside of tissue."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy import ndimage

from histopress.core.geometry import Spacing
from histopress.data.glass import Bools, Floats
from histopress.data.regions import area_px, grown

SMALLEST_STROKE = 50_000.0
"""um^2; a spot of ink-like colour that is smaller is no pen mark."""
EDGE = 32.0
"""um; how far the faint edge of a stroke reaches beyond where its hue is seen."""
RIM = 100.0
"""um; within this distance of a stroke even what has a hue close to that of ink belongs to it."""


@dataclass(frozen=True)
class Hues:
    """What the hue of each pixel says, each (rows, cols) bool.

    Attributes:
        sure: only ink looks like this.
        likely: ink may look like this.
        close: the faint rim of a stroke may look like this, and so does some tissue.
    """

    sure: Bools
    likely: Bools
    close: Bools


def find_ink(hues: Hues, stained: Bools, spacing: Spacing) -> Bools:
    """Pixels covered by pen marks, with their faint rims.

    A connected patch of ink-like hue is a pen mark when a fifth of it has a hue that no stained tissue has,
    or when most of its surroundings are not tissue: red ink has the hue of blood, but blood lies in tissue.

    Args:
        hues: of the pixels.
        stained: pixels that look like tissue if they are not ink, (rows, cols).
        spacing: um/px.
    """
    labels, count = ndimage.label(hues.likely, np.ones((3, 3)))
    large = np.bincount(labels.ravel(), minlength=count + 1) >= area_px(SMALLEST_STROKE, spacing)
    large[0] = False
    boxes = ndimage.find_objects(labels)
    ink = np.zeros_like(stained)
    for label in np.flatnonzero(large):
        here = _widened(boxes[label - 1], spacing, ink.shape)
        patch = labels[here] == label
        if hues.sure[here][patch].mean() > 0.2 or _lies_on_glass(patch, stained[here], spacing):
            ink[here] |= patch
    return grown(ink, EDGE, spacing) | hues.close & grown(ink, RIM, spacing)


def ink_hues(density: Floats) -> Hues:
    """Which inks pixels look like.

    Haematoxylin takes most from green and red, eosin from green, diaminobenzidine from blue. So no stain
    spares green most, as green ink does; nor takes most from red, as blue ink does; nor spares red and takes
    much from both others, as red ink does, save for blood. Nor is anything in tissue as black as black ink,
    save for heaps of pigment.

    Args:
        density: optical density, (3, rows, cols).
    """
    red, green, blue = density
    dark = density.min(axis=0)
    grey = density.max(axis=0) - dark < 0.35 * density.mean(axis=0)
    greenish = (red > 0.06) & (green < 0.85 * red) & (green < 0.92 * blue)
    bluish = (red > 0.1) & (blue < 0.85 * red) & (green < np.clip(0.5 + 0.9 * red, 0.65, 1.2) * red)
    reddish = (green > 0.12) & (red < 0.45 * green) & (blue > 0.65 * green) & (blue < 1.25 * green)
    sure = greenish & (red > 0.1) | bluish | reddish & (green > 0.7) & (blue > 0.55) | (dark > 0.7)
    likely = sure | greenish | reddish | grey & (dark > 0.35)
    close = grey | (green < 1.1 * red) | (red < 0.5 * green) & (blue > 0.65 * green)
    return Hues(sure, likely, close)


def _lies_on_glass(patch: Bools, stained: Bools, spacing: Spacing) -> bool:
    ring = grown(patch, 2 * EDGE, spacing) & ~grown(patch, EDGE, spacing)
    return not ring.any() or float(stained[ring].mean()) < 0.5


def _widened(box: tuple[slice, ...], spacing: Spacing, shape: tuple[int, ...]) -> tuple[slice, slice]:
    margins = (ceil(2 * EDGE / spacing.y) + 1, ceil(2 * EDGE / spacing.x) + 1)
    rows, cols = (
        slice(max(0, side.start - margin), min(length, side.stop + margin))
        for side, margin, length in zip(box, margins, shape, strict=True)
    )
    return rows, cols
