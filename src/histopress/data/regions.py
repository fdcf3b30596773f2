"""Cleaning of (rows, cols) bool masks with sizes in um: gaps closed, holes filled, crumbs and hairs dropped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from histopress.core.geometry import Spacing

Bools = NDArray[np.bool_]


def area_px(um2: float, spacing: Spacing) -> float:
    """An area in um^2 as a number of pixels."""
    return um2 / (spacing.x * spacing.y)


def disk(radius: float, spacing: Spacing) -> Bools:
    """All pixels whose centre is within a radius in um of the middle one."""
    down, right = int(radius / spacing.y), int(radius / spacing.x)
    y, x = np.mgrid[-down : down + 1, -right : right + 1]
    return np.asarray((y * spacing.y) ** 2 + (x * spacing.x) ** 2 <= radius**2 * 1.0001)


def grown(mask: Bools, radius: float, spacing: Spacing) -> Bools:
    """The mask and all that is within a radius in um of it."""
    return np.asarray(ndimage.binary_dilation(mask, disk(radius, spacing)))


def shrunk(mask: Bools, radius: float, spacing: Spacing) -> Bools:
    """What is further than a radius in um from the outside of the mask; beyond the picture counts as inside."""
    return np.asarray(ndimage.binary_erosion(mask, disk(radius, spacing), border_value=1))


def closed(mask: Bools, radius: float, spacing: Spacing) -> Bools:
    """The mask with gaps narrower than twice a radius in um closed."""
    return shrunk(grown(mask, radius, spacing), radius, spacing)


def filled(mask: Bools, largest: float, spacing: Spacing) -> Bools:
    """The mask with every enclosed hole of up to `largest` um^2 filled; holes open to the border stay."""
    labels, count = ndimage.label(~mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    small = sizes <= area_px(largest, spacing)
    small[np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))] = False
    small[0] = True
    return np.asarray(small[labels])


def solid(mask: Bools, smallest: float, thinnest: float, spacing: Spacing) -> Bools:
    """The connected parts that are large enough and not everywhere thinner than `thinnest` um.

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
