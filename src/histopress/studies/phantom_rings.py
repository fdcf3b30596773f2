"""Glands, nests and vessels: closed curves with a wall, and where they find room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Size
from histopress.studies.phantom_fields import FAR, at, lattice, mask_shape
from histopress.studies.phantom_plan import MASK_STEP, Anatomy
from histopress.studies.phantom_textures import Field


@dataclass(frozen=True)
class Rings:
    """Glands, nests or vessels, one row each; lengths in px.

    Attributes:
        centre: (rings, 2) y, x.
        radius: (rings,) mean of the outline.
        waves: (rings, 4) amplitudes of the harmonics 2 and 3 of the outline, cosine and sine, as shares of it.
        wall: (rings,) from the outline to the lumen; larger than the radius where there is no lumen.
    """

    centre: NDArray[np.float64]
    radius: NDArray[np.float64]
    waves: NDArray[np.float64]
    wall: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.radius)

    def where(self, chosen: NDArray[np.bool_]) -> Rings:
        """Some of the rings."""
        return Rings(self.centre[chosen], self.radius[chosen], self.waves[chosen], self.wall[chosen])

    def outline(self, ring: NDArray[np.int64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of the outline from the centre of each ring in these directions."""
        a, b, c, d = self.waves[ring].T
        bulge = a * np.cos(2 * angle) + b * np.sin(2 * angle) + c * np.cos(3 * angle) + d * np.sin(3 * angle)
        return np.asarray(self.radius[ring] * np.exp(bulge))


def place_glands(rng: np.random.Generator, anatomy: Anatomy, room: Field, um: float) -> Rings:
    centre = lattice(rng, room.shape, anatomy.gland_pitch * um, 0.17)
    centre = centre[at(room, centre) > 0]
    radius = anatomy.gland_pitch * um * rng.uniform(0.26, 0.46, len(centre))
    fits = at(room, centre) > 0.6 * radius
    centre, radius = centre[fits], radius[fits]
    waves = rng.normal(0, 1, (len(centre), 4)) * (0.16, 0.16, 0.07, 0.07)
    wall = rng.uniform(14, 21, len(centre)) * um
    solid = rng.uniform(size=len(centre)) > anatomy.gland_lumen
    return Rings(centre, np.where(solid, 0.75, 1.0) * radius, waves, np.where(solid, FAR, wall))


def place_vessels(rng: np.random.Generator, anatomy: Anatomy, room: Field, um: float) -> Rings:
    centre = lattice(rng, room.shape, anatomy.vessel_pitch * um, 0.45)
    radius = um * np.exp(rng.normal(np.log(16), 0.45, len(centre)))
    fits = at(room, centre) > radius
    centre, radius = centre[fits], radius[fits]
    waves = rng.normal(0, 1, (len(centre), 4)) * (0.25, 0.25, 0.08, 0.08)
    return Rings(centre, radius, waves, np.full(len(centre), 2.5 * um))


def depth(rings: Rings, size: Size, lumen: bool = False) -> Field:
    """Depth in the rings, or in their lumens."""
    shape = mask_shape(size)
    depth = np.full(shape, -FAR, np.float32)
    reach = np.ceil(rings.radius * 2 / MASK_STEP).astype(np.int64) + 2
    for ring in range(len(rings)):
        row, col = (rings.centre[ring] // MASK_STEP).astype(np.int64)
        rows = np.arange(max(0, row - reach[ring]), min(shape[0], row + reach[ring] + 1))
        cols = np.arange(max(0, col - reach[ring]), min(shape[1], col + reach[ring] + 1))
        y = ((rows + 0.5) * MASK_STEP - rings.centre[ring, 0])[:, None]
        x = ((cols + 0.5) * MASK_STEP - rings.centre[ring, 1])[None, :]
        inside = rings.outline(np.full(1, ring), np.arctan2(y, x).ravel()).reshape(len(rows), len(cols))
        inside -= np.hypot(y, x) + (rings.wall[ring] if lumen else 0)
        window = depth[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        np.maximum(window, inside, out=window, casting="same_kind")
    return depth
