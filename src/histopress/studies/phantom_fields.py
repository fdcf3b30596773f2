"""Random maps of a slide and points on it: noise, blobs, shares of an area, lattices."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Size
from histopress.studies.phantom_plan import MASK_STEP, Blob
from histopress.studies.phantom_textures import Field

V = TypeVar("V", bound=np.generic)

FAR = 1e3
"""px; stands for "nowhere near"."""


def mask_shape(size: Size) -> tuple[int, int]:
    """(rows, cols) of the maps and truth masks of a slide of this size."""
    return (size.height // MASK_STEP, size.width // MASK_STEP)


def noise(rng: np.random.Generator, size: Size, scale: float) -> Field:
    """A smooth random map with features of `scale` px; mean 0, standard deviation about 1."""
    from PIL import Image

    rows, cols = mask_shape(size)
    step = scale / MASK_STEP
    knots = rng.standard_normal((int(rows / step) + 4, int(cols / step) + 4)).astype(np.float32)
    left, top = rng.uniform(0.5, 1.5, 2)
    box = (left, top, left + cols / step, top + rows / step)
    smooth = Image.fromarray(knots).resize((cols, rows), Image.Resampling.BICUBIC, box=box)
    return np.asarray(smooth) * np.float32(1.4)


def positions(size: Size) -> tuple[Field, Field]:
    """Coordinates y and x of the middle of every map px, in level-0 px, ready to broadcast."""
    rows, cols = mask_shape(size)
    y = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) * MASK_STEP
    x = (np.arange(cols, dtype=np.float32)[None, :] + 0.5) * MASK_STEP
    return y, x


def reach(blob: Blob, size: Size) -> Field:
    """Distance from the centre of a blob in units of its radii."""
    y, x = positions(size)
    y, x = y - blob.centre.y, x - blob.centre.x
    cos, sin = np.cos(blob.angle), np.sin(blob.angle)
    along, across = (x * cos + y * sin) / blob.radius_x, (y * cos - x * sin) / blob.radius_y
    distance: Field = np.sqrt(along**2 + across**2).astype(np.float32)
    return distance


def unite(rng: np.random.Generator, blobs: tuple[Blob, ...], size: Size, um: float) -> Field:
    """Depth in the union of blobs with uneven outlines."""
    uneven = 0.25 * noise(rng, size, 60 * um) + 0.12 * noise(rng, size, 20 * um)
    depths = [(1 - reach(b, size) + uneven) * min(b.radius_x, b.radius_y) for b in blobs]
    return np.maximum.reduce(depths) if depths else np.full(mask_shape(size), -FAR, np.float32)


def highest(values: Field, share: float, where: NDArray[np.bool_], slope: float) -> Field:
    """Depth in the part of the highest values that makes up this share of `where`; `slope`: px a value."""
    return np.asarray((values - threshold(values[where], share)) * slope, dtype=np.float32)


def threshold(values: Field, share: float) -> float:
    """What `share` of the values exceed."""
    above = round(share * values.size)
    if above == 0 or values.size == 0:
        return FAR
    return float(np.partition(values, values.size - above)[values.size - above]) - 1e-6


def lattice(rng: np.random.Generator, size: Size, pitch: float, jitter: float) -> NDArray[np.float64]:
    """(points, 2) y, x in level-0 px: a staggered lattice, shifted by up to `jitter` of the pitch."""
    y, x = np.mgrid[: size.height : pitch * 0.87, : size.width : pitch]
    x[1::2] += pitch / 2
    points = np.stack([y.ravel(), x.ravel()], -1)
    points += rng.uniform(-jitter, jitter, points.shape) * pitch
    return points[((points >= 0) & (points < size.shape)).all(axis=1)]


def at(field: NDArray[V], points: NDArray[np.float64]) -> NDArray[V]:
    """Values of a map at (points, 2) y, x in level-0 px, all of them on the slide."""
    y, x = (points / MASK_STEP).astype(np.int64).T
    values: NDArray[V] = field[y, x]
    return values
