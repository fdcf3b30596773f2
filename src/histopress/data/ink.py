"""Pen marks: told from stained tissue by hues that no stain has, or by lying outside of tissue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy import ndimage

from histopress.core.geometry import Spacing
from histopress.data.glass import Bools, Floats, spread
from histopress.data.regions import area_px, grown, shrunk

SMALLEST_STROKE = 50_000.0
"""um^2; a spot of ink-like colour that is smaller is no pen mark."""
MOTTLED = 0.14
"""Spread of density as a share of it: about 0.07 within strokes, 0.17 and more in the calmest tissue."""
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
        even: as a stroke of ink is; tissue is mottled.
        close: the faint rim of a stroke may look like this, and so does some tissue.
    """

    sure: Bools
    likely: Bools
    even: Bools
    close: Bools


def find_ink(hues: Hues, stained: Bools, spacing: Spacing) -> Bools:
    """Pixels covered by pen marks, with their faint rims.

    A connected patch of ink-like hue is a pen mark when it is even within, since tissue of an unusual stain
    may have such a hue but is mottled; and when most of it has a hue that no usual stain has, or most of its
    surroundings are not tissue, since red ink has the hue of blood, but blood lies in tissue. If the latter
    would take half of all that is stained, it is the hue of the stain, and stays.

    Args:
        hues: of the pixels.
        stained: pixels that look like tissue if they are not ink, (rows, cols).
        spacing: um/px.
    """
    sure, doubtful = np.zeros_like(stained), np.zeros_like(stained)
    for here, patch in _patches(hues.likely, spacing):
        inner = _inner(patch, spacing)
        if hues.even[here][inner].mean() < 0.5:
            continue
        if hues.sure[here][inner].mean() > 0.5:
            sure[here] |= patch
        elif _lies_on_glass(patch, stained[here], spacing):
            doubtful[here] |= patch
    few = doubtful.sum() < 0.5 * (stained & ~sure).sum()
    ink = sure | doubtful if few else sure
    return grown(ink, EDGE, spacing) | hues.close & grown(ink, RIM, spacing)


def ink_hues(density: Floats, spacing: Spacing) -> Hues:
    """Which inks pixels look like.

    Haematoxylin takes most from green and red, eosin from green, diaminobenzidine from blue. So no stain
    spares green most, as green ink does; nor takes most from red, as blue ink does. Nor is anything in tissue
    as black as black ink, save for heaps of pigment, nor as dense and red as red ink.

    Args:
        density: optical density, (3, rows, cols).
        spacing: um/px.
    """
    red, green, blue = density
    dark, depth = density.min(axis=0), density.mean(axis=0)
    grey = density.max(axis=0) - dark < 0.35 * depth
    greenish = (red > 0.06) & (green < 0.85 * red) & (green < 0.92 * blue)
    bluish = (red > 0.1) & (blue < 0.85 * red) & (green < np.clip(0.5 + 0.9 * red, 0.65, 1.2) * red)
    reddish = (green > 0.12) & (red < 0.45 * green) & (blue > 0.65 * green) & (blue < 1.25 * green)
    return Hues(
        sure=greenish & (red > 0.1)
        | bluish & (green < 1.05 * red)
        | reddish & (green > 0.7) & (blue > 0.55)
        | (dark > 0.7),
        likely=greenish | bluish | reddish | grey & (dark > 0.35) | (dark > 0.7),
        even=spread(depth, spacing) < MOTTLED * (depth + 0.02),
        close=grey | (green < 1.1 * red) | (red < 0.5 * green) & (blue > 0.65 * green),
    )


def _patches(likely: Bools, spacing: Spacing) -> Iterator[tuple[tuple[slice, ...], Bools]]:
    """The connected patches that are large enough: a part of the picture around each, and the patch in it."""
    labels, count = ndimage.label(likely, np.ones((3, 3)))
    large = np.bincount(labels.ravel(), minlength=count + 1) >= area_px(SMALLEST_STROKE, spacing)
    boxes = ndimage.find_objects(labels)
    for label in np.flatnonzero(large[1:]) + 1:
        here = _widened(boxes[label - 1], spacing, likely.shape)
        yield here, labels[here] == label


def _inner(patch: Bools, spacing: Spacing) -> Bools:
    """The patch without its rim, which is as broad as leaves a third of it."""
    inner = (shrunk(patch, rim, spacing) for rim in (2 * EDGE, EDGE, EDGE / 2))
    return next((part for part in inner if 3 * part.sum() > patch.sum()), patch)


def _lies_on_glass(patch: Bools, stained: Bools, spacing: Spacing) -> bool:
    ring = grown(patch, 2 * EDGE, spacing) & ~grown(patch, EDGE, spacing)
    return not ring.any() or float(stained[ring].mean()) < 0.5


def _widened(box: tuple[slice, ...], spacing: Spacing, shape: tuple[int, ...]) -> tuple[slice, ...]:
    margins = (ceil(2 * EDGE / spacing.y) + 1, ceil(2 * EDGE / spacing.x) + 1)
    return tuple(
        slice(max(0, side.start - margin), min(length, side.stop + margin))
        for side, margin, length in zip(box, margins, shape, strict=True)
    )
