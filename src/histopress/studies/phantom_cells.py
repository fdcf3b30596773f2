"""Benign cells of a phantom slide: where they lie, and which way they point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.studies.phantom_fields import at, lattice, noise
from histopress.studies.phantom_plan import PhantomSlide
from histopress.studies.phantom_rings import Rings
from histopress.studies.phantom_scene import Scene
from histopress.studies.phantom_stamps import Look, Stamps, draw_stamps
from histopress.studies.phantom_textures import Field

Reals = NDArray[np.float64]

FIBROBLAST = Look(12.5, 3.1, spread=0.28, irregular=0.07, dark=0.62, fade=0.12)
ENDOTHELIUM = Look(10, 2.4, spread=0.2, irregular=0.06, dark=0.68, fade=0.08)
LYMPHOCYTE = Look(6.8, 6.1, spread=0.1, irregular=0.04, dark=0.8, fade=0.08, clumps=0.14, rim=0.12)
RED_CELL = Look(6.6, 5.9, spread=0.08, irregular=0.04, dark=0.9, fade=0.03, clumps=0.03, rim=0.1)


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

    def where(self, chosen: NDArray[np.bool_]) -> Cells:
        """Some of the cells."""
        return Cells(self.stamps, self.centre[chosen], self.pick[chosen])


def benign_nuclei(plan: PhantomSlide, scene: Scene, fibres: Reals) -> list[Cells]:
    """All nuclei of a scene without tumour, to be pasted in haematoxylin.

    Args:
        plan: of the slide.
        scene: its maps.
        fibres: (rows, cols) of the maps: direction of the collagen, radians.
    """
    rng = np.random.default_rng([plan.seed, 1])
    return [
        spindles(rng, plan, scene, fibres),
        _strewn_lymphocytes(rng, plan, scene),
        _packed_lymphocytes(rng, plan, scene),
        *_gland_cells(rng, plan, scene),
        _endothelium(rng, plan, scene),
    ]


def spindles(rng: np.random.Generator, plan: PhantomSlide, scene: Scene, fibres: Reals) -> Cells:
    """Fibroblasts: slim nuclei that lie along the collagen, in loose groups."""
    points = _strewn(rng, plan, plan.anatomy.stroma_nuclei, 0.55 + 0.3 * noise(rng, plan.size, 45 * plan.um))
    points = points[_in_stroma(plan, scene, points) & (at(scene.lymphoid, points) < 0)]
    stamps = draw_stamps(rng, FIBROBLAST, 8, plan.um)
    return Cells(stamps, points, stamps.choose(rng, at(fibres, points) + rng.normal(0, 0.2, len(points))))


def red_cells(plan: PhantomSlide, scene: Scene) -> Cells:
    """Red blood cells, to be pasted in eosin: crowded in some vessels, strewn where the tissue has bled."""
    rng = np.random.default_rng([plan.seed, 2])
    inside = lattice(rng, plan.size, 6.2 * plan.um, 0.3)
    inside = inside[(at(scene.blood, inside) > 2 * plan.um) & (rng.uniform(size=len(inside)) < 0.8)]
    strewn = _strewn(rng, plan, plan.anatomy.bleeding, _clusters(rng, plan, 120, 2.2))
    points = np.concatenate([inside, strewn[_in_stroma(plan, scene, strewn)]])
    stamps = draw_stamps(rng, RED_CELL, 2, plan.um)
    return Cells(stamps, points, stamps.choose_any(rng, len(points)))


def _in_stroma(plan: PhantomSlide, scene: Scene, points: Reals) -> NDArray[np.bool_]:
    """Whether points lie in stroma, clear of glands, hollows, fat and the edge of the tissue."""
    clear = at(scene.tissue, points) > 5 * plan.um
    for field, gap in ((scene.epithelium, 3.0), (scene.lumen, 4.0), (scene.fat, 1.0)):
        clear &= at(field, points) < -gap * plan.um
    return clear


def _clusters(rng: np.random.Generator, plan: PhantomSlide, scale: float, contrast: float) -> Field:
    """A map of densities with mean 1, whose heaps are `scale` um wide."""
    density: Field = np.exp(contrast * noise(rng, plan.size, scale * plan.um) - np.float32(contrast**2 / 2))
    return density


def _strewn(rng: np.random.Generator, plan: PhantomSlide, density: float, clusters: Field) -> Reals:
    """Points at random, `density` of them in a square of 100 um where `clusters` is 1, hardly overlapping."""
    places = lattice(rng, plan.size, 9 * plan.um, 0.4)
    places_in_square = 100**2 / (9**2 * 0.87)
    return places[rng.uniform(size=len(places)) < density / places_in_square * at(clusters, places)]


def _strewn_lymphocytes(rng: np.random.Generator, plan: PhantomSlide, scene: Scene) -> Cells:
    """Small dark round nuclei, in clusters over the stroma."""
    points = _strewn(rng, plan, plan.anatomy.lymphocytes, _clusters(rng, plan, 70, 1.3))
    stamps = draw_stamps(rng, LYMPHOCYTE, 8, plan.um)
    points = points[_in_stroma(plan, scene, points)]
    return Cells(stamps, points, stamps.choose_any(rng, len(points)))


def _packed_lymphocytes(rng: np.random.Generator, plan: PhantomSlide, scene: Scene) -> Cells:
    """Lymphocytes that fill the aggregates."""
    points = lattice(rng, plan.size, 8.3 * plan.um, 0.3)
    inside = at(scene.lymphoid, points) > 4 * plan.um * rng.standard_normal(len(points))
    inside &= (at(scene.tissue, points) > 4 * plan.um) & (at(scene.fat, points) < 0)
    points = points[inside & (at(scene.epithelium, points) < -2 * plan.um)]
    stamps = draw_stamps(rng, LYMPHOCYTE, 8, plan.um)
    return Cells(stamps, points, stamps.choose_any(rng, len(points)))


def _gland_cells(rng: np.random.Generator, plan: PhantomSlide, scene: Scene) -> list[Cells]:
    """Oval nuclei that stand along the outlines of glands, some in a second row; others fill solid nests."""
    length = plan.anatomy.gland_nucleus
    look = Look(length, 0.62 * length, spread=0.12, dark=0.58, fade=0.08, clumps=0.16, rim=0.14, spots=1)
    stamps = draw_stamps(rng, look, 8, plan.um)
    cells = []
    for row, share in ((0.5, 1.0), (1.25, plan.anatomy.stratified)):
        points, out = _around(rng, scene.glands, 0.8 * length * plan.um, (row * length + 1.5) * plan.um)
        row_cells = Cells(stamps, points, stamps.choose(rng, out))
        cells.append(row_cells.where(rng.uniform(size=len(points)) < share))
    inner = lattice(rng, plan.size, 1.35 * length * plan.um, 0.25)
    inner = inner[at(scene.solid, inner) > 1.2 * length * plan.um]
    cells.append(Cells(stamps, inner, stamps.choose_any(rng, len(inner))))
    return [c.where(at(scene.lumen, c.centre) < -2 * plan.um) for c in cells]


def _endothelium(rng: np.random.Generator, plan: PhantomSlide, scene: Scene) -> Cells:
    """Flat nuclei along the walls of vessels."""
    points, out = _around(rng, scene.vessels, 17 * plan.um, 0.5 * plan.um)
    stamps = draw_stamps(rng, ENDOTHELIUM, 6, plan.um)
    return Cells(stamps, points, stamps.choose(rng, out + np.pi / 2))


def _around(rng: np.random.Generator, rings: Rings, pitch: float, depth: float) -> tuple[Reals, Reals]:
    """(points, 2) along the outlines of rings at about this depth, and directions across them (radians)."""
    counts = np.maximum(3, 2 * np.pi * (rings.radius - depth) / pitch).astype(np.int64)
    ring = np.repeat(np.arange(len(rings)), counts)
    step = np.arange(len(ring)) - np.repeat(np.cumsum(counts) - counts, counts)
    turn = 2 * np.pi * (step + rng.uniform(-0.22, 0.22, len(ring))) / counts[ring]
    radius = rings.outline(ring, turn)
    slope = (rings.outline(ring, turn + 0.01) - rings.outline(ring, turn - 0.01)) / 0.02
    out = turn - np.arctan2(slope, radius)
    inward = depth + 0.1 * pitch * rng.standard_normal(len(ring))
    y = radius * np.sin(turn) - inward * np.sin(out)
    x = radius * np.cos(turn) - inward * np.cos(out)
    return rings.centre[ring] + np.stack([y, x], -1), out
