"""Where everything benign lies on a phantom slide: soft maps, eight px to a map px, from its plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from histopress.core.geometry import Size
from histopress.studies.phantom_fields import FAR, highest, noise, positions, reach, unite
from histopress.studies.phantom_plan import Anatomy, Blob, PhantomSlide
from histopress.studies.phantom_rings import Rings, depths, place_glands, place_vessels
from histopress.studies.phantom_textures import Field


@dataclass(frozen=True)
class Scene:
    """Maps of one slide, (rows, cols) float32; depths are px from an edge, positive inside.

    Attributes:
        tissue: depth in the tissue.
        epithelium: depth in gland walls, nests and nests of tumour.
        solid: depth in benign nests that have no lumen.
        lumen: depth in the hollow of glands and vessels.
        blood: depth in the vessels that are full of blood.
        fat: depth in fat.
        lymphoid: depth in lymphoid aggregates.
        other_way: depth in the parts where the collagen runs another way.
        density: of collagen, 0 to 255.
        haze: of haematoxylin between the nuclei, 0 to 255.
        glands: with cells around them.
        vessels: with an endothelium around them.
    """

    tissue: Field
    epithelium: Field
    solid: Field
    lumen: Field
    blood: Field
    fat: Field
    lymphoid: Field
    other_way: Field
    density: Field
    haze: Field
    glands: Rings
    vessels: Rings


def lay_out(plan: PhantomSlide) -> Scene:
    """Place everything benign: tissue, fat, glands, vessels, lymphocytes. It knows nothing of the tumour."""
    rng, size, anatomy, um = np.random.default_rng([plan.seed, 0]), plan.size, plan.anatomy, plan.um
    tissue = _tissue(rng, anatomy.pieces, size, um)
    fat = highest(_lobules(rng, size, um), anatomy.fat, tissue > 0, 40 * um)
    lymphoid = unite(rng, anatomy.aggregates, size, um)
    free = np.minimum.reduce([tissue, -fat, -lymphoid])
    glandular = highest(noise(rng, size, 300 * um), anatomy.glandular, tissue > 0, 40 * um)
    glands = place_glands(rng, plan, free, glandular)
    epithelium, hollow = depths(glands, size)
    vessels = place_vessels(rng, plan, np.minimum(free, -epithelium))
    uneven = noise(rng, size, 90 * um) + 0.6 * noise(rng, size, 22 * um)
    return Scene(
        tissue=tissue,
        epithelium=epithelium,
        solid=depths(glands.where(glands.wall >= FAR), size)[0],
        lumen=np.maximum(hollow, depths(vessels, size)[1]),
        blood=depths(vessels.where(rng.uniform(size=len(vessels)) < 0.5), size)[1],
        fat=fat,
        lymphoid=lymphoid,
        other_way=30 * um * noise(rng, size, 110 * um),
        density=_density(anatomy, uneven, lymphoid, um),
        haze=_haze(rng, size, epithelium, lymphoid, um),
        glands=glands,
        vessels=vessels,
    )


def _lobules(rng: np.random.Generator, size: Size, um: float) -> Field:
    return noise(rng, size, 170 * um) + 0.3 * noise(rng, size, 60 * um)


def _tissue(rng: np.random.Generator, pieces: tuple[Blob, ...], size: Size, um: float) -> Field:
    """Depth in the pieces: ragged outlines, a few tears, always some glass along the edges of the slide."""
    coarse = 0.16 * noise(rng, size, 400 * um) + 0.07 * noise(rng, size, 130 * um)
    outline = coarse + 0.025 * noise(rng, size, 40 * um) + 0.012 * noise(rng, size, 14 * um)
    depths = [(1 - reach(p, size) + outline) * min(p.radius_x, p.radius_y) for p in pieces]
    tear = (np.abs(noise(rng, size, 260 * um)) - 0.02) * 120 * um
    tear = np.maximum(tear, (0.9 - noise(rng, size, 330 * um)) * 90 * um)
    y, x = positions(size)
    edge = np.minimum(np.minimum(y, size.height - y), np.minimum(x, size.width - x)) - 0.02 * min(size.shape)
    depth: Field = np.minimum.reduce([np.maximum.reduce(depths), tear, np.broadcast_to(edge, tear.shape)])
    return depth


def _density(anatomy: Anatomy, uneven: Field, lymphoid: Field, um: float) -> Field:
    pale = np.clip(0.5 + lymphoid / (20 * um), 0, 1) * 0.5
    return np.asarray(
        np.clip((255 * anatomy.stroma_density + 28 * uneven) * (1 - pale), 25, 160), dtype=np.float32
    )


def _haze(rng: np.random.Generator, size: Size, epithelium: Field, lymphoid: Field, um: float) -> Field:
    """Blue cytoplasm and ground substance: little in stroma, more in epithelium and among lymphocytes."""
    haze = 8 + 5 * noise(rng, size, 60 * um)
    haze += np.clip(0.5 + epithelium / (6 * um), 0, 1) * (34 + 8 * noise(rng, size, 120 * um))
    haze += np.clip(0.5 + lymphoid / (20 * um), 0, 1) * 30
    return np.asarray(np.clip(haze, 0, 120), dtype=np.float32)
