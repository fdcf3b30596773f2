"""Cells of a phantom slide: where they lie, and which way they point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.studies.phantom_fields import at, lattice, noise
from histopress.studies.phantom_plan import PhantomSlide, Tumour
from histopress.studies.phantom_rings import Rings
from histopress.studies.phantom_scene import Scene
from histopress.studies.phantom_stamps import Look, Stamps, draw_mitoses, draw_stamps

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """Many cells of one kind.

    Attributes:
        stamps: pictures to choose from.
        centre: (cells, 2) y, x in level-0 px.
        pick: (cells,) which stamp each cell is.
    """

    stamps: Stamps
    centre: Reals
    pick: NDArray[np.int64]


@dataclass(frozen=True)
class Population:
    """All cells of a slide.

    Attributes:
        nuclei: to be pasted in haematoxylin.
        red: red blood cells, to be pasted in eosin.
    """

    nuclei: tuple[Cells, ...]
    red: tuple[Cells, ...]


def populate(plan: PhantomSlide, scene: Scene, fibres: Reals) -> Population:
    """Fill a scene with cells.

    Args:
        plan: of the slide.
        scene: its maps.
        fibres: (rows, cols) of the maps: direction of the collagen, radians.
    """
    rng, um = np.random.default_rng([plan.seed, 3]), 1 / plan.spacing.mean
    nuclei = [
        _spindles(rng, plan, scene, fibres, um),
        _lymphocytes(rng, plan, scene, um),
        *_gland_cells(rng, plan, scene, um),
        _endothelium(rng, scene.vessels, um),
    ]
    red = _red_cells(rng, plan, scene, um)
    if plan.tumour is not None:
        nuclei += _tumour_cells(np.random.default_rng([plan.seed, 4]), plan.tumour, scene, um)
    return Population(tuple(nuclei), (red,))


def _stroma(scene: Scene, points: Reals, um: float) -> NDArray[np.bool_]:
    """Whether points lie in stroma, clear of glands, hollows, fat and the edge of the tissue."""
    clear = at(scene.tissue, points) > 5 * um
    for field, gap in ((scene.epithelium, 3.0), (scene.lumen, 4.0), (scene.fat, 1.0)):
        clear &= at(field, points) < -gap * um
    return clear


def _pitch(density: float, um: float) -> float:
    """px between the points of a staggered lattice with this many in a square of 100 um."""
    return float(100 * um / np.sqrt(density * 0.87))


def _spindles(rng: np.random.Generator, plan: PhantomSlide, scene: Scene, fibres: Reals, um: float) -> Cells:
    """Fibroblasts: slim nuclei that lie along the collagen, in loose groups."""
    points = lattice(rng, scene.tissue.shape, _pitch(1.8 * plan.anatomy.stroma_nuclei, um), 0.6)
    groups = noise(rng, plan.size, 45 * um)
    points = points[rng.uniform(size=len(points)) < 0.55 + 0.3 * at(groups, points)]
    points = points[_stroma(scene, points, um) & (at(scene.lymphoid, points) < 0)]
    stamps = draw_stamps(rng, Look(12.5, 3.1, spread=0.28, irregular=0.07, dark=0.62, fade=0.12), 10, um)
    angles = at(fibres, points) + rng.normal(0, 0.2, len(points))
    return Cells(stamps, points, stamps.choose(rng, angles))


def _lymphocytes(rng: np.random.Generator, plan: PhantomSlide, scene: Scene, um: float) -> Cells:
    """Small dark round nuclei: packed in the aggregates, strewn in clusters over the stroma."""
    packed = lattice(rng, scene.tissue.shape, 8.3 * um, 0.3)
    inside = at(scene.lymphoid, packed) / (12 * um) + 0.3 * rng.standard_normal(len(packed)) > 0
    packed = packed[inside & (at(scene.tissue, packed) > 4 * um) & (at(scene.fat, packed) < 0)]
    strewn = lattice(rng, scene.tissue.shape, 10 * um, 0.4)
    clusters = np.exp(1.3 * noise(rng, plan.size, 70 * um))
    keep = plan.anatomy.lymphocytes / 115 / 2.3 * at(clusters, strewn)
    strewn = strewn[(rng.uniform(size=len(strewn)) < keep) & _stroma(scene, strewn, um)]
    points = np.concatenate([packed[at(scene.epithelium, packed) < -2 * um], strewn])
    look = Look(6.8, 6.1, spread=0.1, irregular=0.04, dark=0.8, fade=0.08, clumps=0.14, rim=0.12)
    stamps = draw_stamps(rng, look, 8, um)
    return Cells(stamps, points, stamps.choose(rng, rng.uniform(0, np.pi, len(points))))


def _gland_cells(rng: np.random.Generator, plan: PhantomSlide, scene: Scene, um: float) -> list[Cells]:
    """Oval nuclei that stand along the outlines of glands, some in a second row; round ones fill solid nests."""
    length = plan.anatomy.gland_nucleus
    look = Look(length, 0.62 * length, spread=0.12, irregular=0.04, dark=0.58, fade=0.08, clumps=0.16, rim=0.14, spots=1)
    stamps = draw_stamps(rng, look, 12, um)
    first, angles = _around(rng, scene.glands, 0.8 * length * um, (0.5 * length + 1.5) * um, 0.8 * um)
    second, turned = _around(rng, scene.glands, 0.8 * length * um, (1.25 * length + 1.5) * um, 1.2 * um)
    kept = rng.uniform(size=len(second)) < plan.anatomy.stratified
    points = np.concatenate([first, second[kept]])
    lined = Cells(stamps, points, stamps.choose(rng, np.concatenate([angles, turned[kept]])))
    inner = lattice(rng, scene.tissue.shape, 1.35 * length * um, 0.25)
    inner = inner[at(scene.solid, inner) > 1.2 * length * um]
    filled = Cells(stamps, inner, stamps.choose(rng, rng.uniform(0, np.pi, len(inner))))
    return [lined, filled]


def _endothelium(rng: np.random.Generator, vessels: Rings, um: float) -> Cells:
    stamps = draw_stamps(rng, Look(10, 2.4, spread=0.2, irregular=0.06, dark=0.68, fade=0.08), 6, um)
    points, angles = _around(rng, vessels, 17 * um, 0.5 * um, 0.4 * um)
    return Cells(stamps, points, stamps.choose(rng, angles + np.pi / 2))


def _around(
    rng: np.random.Generator, rings: Rings, pitch: float, depth: float, jitter: float
) -> tuple[Reals, Reals]:
    """(points, 2) along the outlines of rings at this depth, and the directions across the outline (radians)."""
    counts = np.maximum(3, 2 * np.pi * (rings.radius - depth) / pitch).astype(np.int64)
    ring = np.repeat(np.arange(len(rings)), counts)
    step = np.arange(len(ring)) - np.repeat(np.cumsum(counts) - counts, counts)
    turn = 2 * np.pi * (step + rng.uniform(-0.22, 0.22, len(ring))) / counts[ring]
    radius = rings.outline(ring, turn)
    slope = (rings.outline(ring, turn + 0.01) - rings.outline(ring, turn - 0.01)) / 0.02
    out = turn - np.arctan2(slope, radius)
    inward = depth + rng.normal(0, jitter, len(ring))
    y = radius * np.sin(turn) - inward * np.sin(out)
    x = radius * np.cos(turn) - inward * np.cos(out)
    return rings.centre[ring] + np.stack([y, x], -1), out


def _red_cells(rng: np.random.Generator, plan: PhantomSlide, scene: Scene, um: float) -> Cells:
    """Red blood cells: crowded in part of the vessels, and strewn where the tissue has bled."""
    look = Look(6.6, 5.9, spread=0.08, irregular=0.04, dark=0.86, fade=0.06, clumps=0.03, rim=0.1)
    stamps = draw_stamps(rng, look, 2, um)
    inside = lattice(rng, scene.tissue.shape, 6.2 * um, 0.3)
    inside = inside[(at(scene.blood, inside) > 2 * um) & (rng.uniform(size=len(inside)) < 0.8)]
    strewn = lattice(rng, scene.tissue.shape, 8 * um, 0.4)
    pools = np.exp(2.2 * noise(rng, plan.size, 120 * um) - 2.4)
    kept = rng.uniform(size=len(strewn)) < plan.anatomy.bleeding / 180 * at(pools, strewn)
    points = np.concatenate([inside, strewn[kept & _stroma(scene, strewn, um)]])
    return Cells(stamps, points, stamps.choose(rng, rng.uniform(0, np.pi, len(points))))


def _tumour_cells(rng: np.random.Generator, tumour: Tumour, scene: Scene, um: float) -> list[Cells]:
    """Crowded, large, uneven nuclei in the nests; a few of them divide."""
    points = lattice(rng, scene.tissue.shape, 1.12 * tumour.nucleus * um, 0.32)
    nests = np.minimum(scene.epithelium, scene.lesion)
    inside = (at(nests, points) > 1.5 * um) & (at(scene.lumen, points) < -3 * um)
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
    stamps, dividing = draw_stamps(rng, look, 16, um), draw_mitoses(rng, 2, um)
    angles = rng.uniform(0, np.pi, len(points))
    divides = rng.uniform(size=len(points)) < tumour.mitoses
    return [
        Cells(stamps, points[~divides], stamps.choose(rng, angles[~divides])),
        Cells(dividing, points[divides], dividing.choose(rng, angles[divides])),
    ]
