"""The planted tumour: it takes the place of what is benign, and outside of it nothing changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Size
from histopress.studies.phantom_cells import Cells, spindles
from histopress.studies.phantom_fields import at, highest, lattice, noise, positions, threshold
from histopress.studies.phantom_plan import MASK_STEP, PhantomSlide, Tumour
from histopress.studies.phantom_scene import Scene
from histopress.studies.phantom_stamps import Look, draw_mitoses, draw_stamps
from histopress.studies.phantom_textures import Field


def grow(plan: PhantomSlide, tumour: Tumour, tissue: Field) -> Field:
    """Depth in the tumour (px), which grows from its foci through the tissue until it has its share of it."""
    from scipy import ndimage

    rng, um = np.random.default_rng([plan.seed, 10]), plan.um
    y, x = positions(plan.size)
    uneven = 60 * um * noise(rng, plan.size, 120 * um) + 20 * um * noise(rng, plan.size, 40 * um)
    near = [-np.hypot(y - f.centre.y, x - f.centre.x) / f.radius_x for f in tumour.foci]
    growth = np.maximum.reduce(near) + uneven
    share = _share(tumour, int((tissue > 0).sum()) * (MASK_STEP / um) ** 2)
    inside = (tissue > 0) & (growth > threshold(growth[tissue > 0], share))
    depth = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    return np.asarray(depth * MASK_STEP, dtype=np.float32)


MOST = 0.8
"""Largest share of the tissue that a tumour takes."""


def _share(tumour: Tumour, tissue: float) -> float:
    """Of a tissue area in um^2 that is tumour."""
    if not tumour.diameter:
        return tumour.share
    return min(MOST, len(tumour.foci) * np.pi * tumour.diameter**2 / 4 / tissue)


def plant(plan: PhantomSlide, tumour: Tumour, scene: Scene, lesion: Field) -> Scene:
    """The scene with the tumour in it: nests in strands of stroma instead of whatever was there."""
    rng, um = np.random.default_rng([plan.seed, 11]), plan.um
    nests, hollow = _nests(rng, tumour, lesion, plan.size, um)
    inside = np.clip(0.5 + lesion / (10 * um), 0, 1)
    haze = 8 + np.clip(0.5 + nests / (6 * um), 0, 1) * (38 + 8 * noise(rng, plan.size, 120 * um))
    return replace(
        scene,
        epithelium=np.maximum(np.minimum(scene.epithelium, -lesion), nests),
        lumen=np.maximum(np.minimum(scene.lumen, -lesion), hollow),
        fat=np.minimum(scene.fat, -lesion - 6 * um),
        density=scene.density * (1 + 0.15 * inside),
        haze=scene.haze + inside * (haze - scene.haze),
    )


def _nests(
    rng: np.random.Generator, tumour: Tumour, lesion: Field, size: Size, um: float
) -> tuple[Field, Field]:
    """Depth in the nests, between strands of stroma, and in the few hollows of the nests."""
    ridge = np.abs(noise(rng, size, 75 * um) + 0.35 * noise(rng, size, 25 * um))
    nests = highest(ridge, 1 - tumour.stroma, lesion > 0, 28 * um)
    hollow = highest(noise(rng, size, 34 * um), 0.03, lesion > 0, 12 * um)
    return np.minimum(nests, lesion), np.minimum.reduce([hollow, nests - 12 * um, lesion - 12 * um])


def tumour_cells(
    plan: PhantomSlide, tumour: Tumour, scene: Scene, lesion: Field, fibres: NDArray[np.float64]
) -> list[Cells]:
    """Crowded, large, uneven nuclei in the nests, of which a few divide; fibroblasts in the strands."""
    rng, um = np.random.default_rng([plan.seed, 12]), plan.um
    strands = spindles(rng, plan, scene, fibres)
    points = lattice(rng, plan.size, 1.15 * tumour.nucleus * um, 0.3)
    nested = np.minimum(scene.epithelium, lesion)
    inside = (at(nested, points) > 1.5 * um) & (at(scene.lumen, points) < -3 * um)
    points = points[inside & (rng.uniform(size=len(points)) < tumour.crowding)]
    look = Look(
        tumour.nucleus,
        0.74 * tumour.nucleus,
        spread=tumour.pleomorphism,
        irregular=tumour.irregularity,
        dark=tumour.darkness * 0.8,
        fade=0.12,
        clumps=0.24,
        rim=0.14,
        spots=2,
    )
    stamps, dividing = draw_stamps(rng, look, 12, um), draw_mitoses(rng, 2, um)
    angles = rng.uniform(0, np.pi, len(points))
    divides = rng.uniform(size=len(points)) < tumour.mitoses
    return [
        strands.where(at(lesion, strands.centre) > 0),
        Cells(stamps, points[~divides], stamps.choose(rng, angles[~divides])),
        Cells(dividing, points[divides], dividing.choose(rng, angles[divides])),
    ]
