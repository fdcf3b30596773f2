"""Glands, nests and vessels: closed curves with a wall, and where they find room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Size
from histopress.studies.phantom_fields import FAR, at, lattice, mask_shape
from histopress.studies.phantom_plan import MASK_STEP, PhantomSlide
from histopress.studies.phantom_textures import Field


@dataclass(frozen=True)
class Rings:
    """Glands, nests or vessels, one row each; lengths in px.

    Attributes:
        centre: (rings, 2) y, x.
        radius: (rings,) mean of the outline.
        waves: (rings, 4) amplitudes of harmonics 2 and 3 of the outline, cosine and sine, as shares of it.
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


def place_glands(rng: np.random.Generator, plan: PhantomSlide, free: Field, glandular: Field) -> Rings:
    """Glands side by side in the glandular parts, and nests without a lumen among them."""
    centre = lattice(rng, plan.size, plan.anatomy.gland_pitch * plan.um, 0.17)
    radius = plan.anatomy.gland_pitch * plan.um * rng.uniform(0.26, 0.46, len(centre))
    waves = rng.normal(0, 1, (len(centre), 4)) * (0.16, 0.16, 0.07, 0.07)
    wall = rng.uniform(14, 21, len(centre)) * plan.um
    solid = rng.uniform(size=len(centre)) > plan.anatomy.gland_lumen
    rings = Rings(centre, np.where(solid, 0.75, 1.0) * radius, waves, np.where(solid, FAR, wall))
    return rings.where((at(free, centre) > 0.9 * radius) & (at(glandular, centre) > 0))


def place_vessels(rng: np.random.Generator, plan: PhantomSlide, free: Field) -> Rings:
    """Small vessels strewn over the stroma."""
    centre = lattice(rng, plan.size, plan.anatomy.vessel_pitch * plan.um, 0.45)
    radius = plan.um * np.exp(rng.normal(np.log(16), 0.45, len(centre)))
    waves = rng.normal(0, 1, (len(centre), 4)) * (0.25, 0.25, 0.08, 0.08)
    return Rings(centre, radius, waves, np.full(len(centre), 2.5 * plan.um)).where(at(free, centre) > radius)


def depths(rings: Rings, size: Size) -> tuple[Field, Field]:
    """Depth (px, positive inside) in the rings, and in their lumens."""
    outer, lumen = (np.full(mask_shape(size), -FAR, np.float32) for _ in range(2))
    for ring in range(len(rings)):
        reach = int(2 * rings.radius[ring] / MASK_STEP) + 2
        row, col = (int(v) // MASK_STEP for v in rings.centre[ring])
        window = (slice(max(0, row - reach), row + reach + 1), slice(max(0, col - reach), col + reach + 1))
        rows, cols = outer[window].shape
        y = (np.arange(rows) + window[0].start + 0.5) * MASK_STEP - rings.centre[ring, 0]
        x = (np.arange(cols) + window[1].start + 0.5) * MASK_STEP - rings.centre[ring, 1]
        outline = rings.outline(np.array([ring]), np.arctan2(y[:, None], x))
        depth = (outline - np.hypot(y[:, None], x)).astype(np.float32)
        np.maximum(outer[window], depth, out=outer[window])
        np.maximum(lumen[window], depth - np.float32(rings.wall[ring]), out=lumen[window])
    return outer, lumen
