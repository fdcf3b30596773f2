"""Cleaning of (rows, cols) masks with sizes in um: gaps closed, holes filled, crumbs and hairs dropped."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from histopress.core.geometry import Spacing
from histopress.data.bands import bands

Bools = NDArray[np.bool_]


def area_px(um2: float, spacing: Spacing) -> float:
    """An area in um^2 as a number of pixels."""
    return um2 / (spacing.x * spacing.y)


def grown(mask: Bools, radius: float, spacing: Spacing) -> Bools:
    """The mask and all that is within a radius in um of it."""
    result = mask.copy()
    for band in bands(mask.shape, ceil(radius / spacing.y)):
        seen = mask[band.seen]
        if seen.any():
            distance = ndimage.distance_transform_edt(~seen, sampling=(spacing.y, spacing.x))
            result[band.wanted] = distance[band.inner] <= radius
    return result


def shrunk(mask: Bools, radius: float, spacing: Spacing) -> Bools:
    """What is further than a radius in um from the outside of the mask; beyond the picture is inside."""
    return ~grown(~mask, radius, spacing)


def closed(mask: Bools, radius: float, spacing: Spacing) -> Bools:
    """The mask with gaps narrower than twice a radius in um closed."""
    return shrunk(grown(mask, radius, spacing), radius, spacing)


def filled(mask: Bools, largest: float, spacing: Spacing) -> Bools:
    """The mask with its holes of up to `largest` um^2 filled.

    Gaps at the border of the picture count as holes that it cuts, if the mask surrounds them by two thirds.
    """
    labels, count = ndimage.label(~mask)
    small = np.bincount(labels.ravel(), minlength=count + 1) <= area_px(largest, spacing)
    at_border = np.concatenate([labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1]])
    cut = np.bincount(at_border, minlength=count + 1)
    walled = np.bincount(labels[ndimage.binary_dilation(mask)], minlength=count + 1)
    holes = small & (2 * cut <= walled)
    holes[0] = True
    return np.asarray(holes[labels])


def solid(mask: Bools, smallest: float, thinnest: float, spacing: Spacing) -> Bools:
    """The connected parts that are large enough and not everywhere thin.

    Args:
        mask: (rows, cols).
        smallest: um^2 of the smallest part that is kept.
        thinnest: um; a part all of which is thinner is a hair or the line of an edge.
        spacing: um/px.
    """
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    thick = np.bincount(labels[shrunk(mask, thinnest / 2, spacing)], minlength=count + 1)
    keep = (sizes >= area_px(smallest, spacing)) & (thick > 0)
    keep[0] = False
    return np.asarray(keep[labels])
