"""Where everything lies on a phantom slide: soft maps, eight px to a map px, from the plan of the slide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Size
from histopress.studies.phantom_fields import FAR, blobs, noise, positions, reach, share, threshold
from histopress.studies.phantom_plan import MASK_STEP, Anatomy, Blob, PhantomSlide, Tumour
from histopress.studies.phantom_rings import Rings, depth, place_glands, place_vessels
from histopress.studies.phantom_textures import Field

@dataclass(frozen=True)
class Scene:
    """Maps of one slide, (rows, cols) float32; depths are px from an edge, positive inside.

    Attributes:
        tissue: depth in the tissue.
        lesion: depth in the tumour; everywhere `-FAR` without one.
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
    lesion: Field
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
    """Place tissue, tumour, fat, glands, vessels and lymphoid aggregates; the tumour displaces what is benign."""
    rng = np.random.default_rng([plan.seed, 0])
    anatomy, um = plan.anatomy, 1 / plan.spacing.mean
    tissue = _tissue(rng, anatomy.pieces, plan.size, um)
    lesion = _lesion(np.random.default_rng([plan.seed, 1]), plan.tumour, tissue, plan.size, um)
    fat = share(noise(rng, plan.size, 150 * um), anatomy.fat, tissue > 0, 40 * um)
    fat = np.minimum(fat, -lesion - 6 * um)
    lymphoid = np.minimum(blobs(rng, anatomy.aggregates, plan.size, um), -lesion)
    free = np.minimum.reduce([tissue, -fat, -lesion, -lymphoid])
    glandular = share(noise(rng, plan.size, 300 * um), anatomy.glandular, tissue > 0, 40 * um)
    glands = place_glands(rng, anatomy, np.minimum(free, glandular), um)
    vessels = place_vessels(rng, anatomy, np.minimum(free, -depth(glands, plan.size)), um)
    nests, hollow = _nests(np.random.default_rng([plan.seed, 2]), plan.tumour, lesion, plan.size, um)
    epithelium = np.maximum(depth(glands, plan.size), nests)
    lumen = np.maximum.reduce([depth(glands, plan.size, lumen=True), depth(vessels, plan.size, lumen=True), hollow])
    uneven = noise(rng, plan.size, 90 * um) + 0.6 * noise(rng, plan.size, 22 * um)
    return Scene(
        tissue=tissue,
        lesion=lesion,
        epithelium=epithelium,
        solid=depth(glands.where(glands.wall >= FAR), plan.size),
        lumen=lumen,
        blood=depth(vessels.where(rng.uniform(size=len(vessels)) < 0.5), plan.size, lumen=True),
        fat=fat,
        lymphoid=lymphoid,
        other_way=30 * um * noise(rng, plan.size, 110 * um),
        density=_density(anatomy, uneven, lymphoid, lesion, um),
        haze=_haze(rng, plan, epithelium, lymphoid, lesion, um),
        glands=glands,
        vessels=vessels,
    )


def _tissue(rng: np.random.Generator, pieces: tuple[Blob, ...], size: Size, um: float) -> Field:
    """Depth in the pieces: ragged outlines, a few tears, always some glass along the edges of the slide."""
    coarse = 0.16 * noise(rng, size, 400 * um) + 0.07 * noise(rng, size, 130 * um)
    outline = coarse + 0.025 * noise(rng, size, 40 * um) + 0.012 * noise(rng, size, 14 * um)
    depths = [(1 - reach(p, size) + outline) * min(p.radius_x, p.radius_y) for p in pieces]
    tear = (np.abs(noise(rng, size, 260 * um)) - 0.02) * 120 * um
    tear = np.maximum(tear, (0.9 - noise(rng, size, 330 * um)) * 90 * um)
    y, x = positions(size)
    edge = np.minimum(np.minimum(y, size.height - y), np.minimum(x, size.width - x)) - 0.02 * min(size.shape)
    return np.minimum.reduce([np.maximum.reduce(depths), tear, np.broadcast_to(edge, tear.shape)])


def _lesion(rng: np.random.Generator, tumour: Tumour | None, tissue: Field, size: Size, um: float) -> Field:
    """Depth in the tumour, which grows from its foci through the tissue until it has its share of it."""
    from scipy import ndimage

    if tumour is None:
        return np.full(tissue.shape, -FAR, np.float32)
    y, x = positions(size)
    uneven = 60 * um * noise(rng, size, 120 * um) + 20 * um * noise(rng, size, 40 * um)
    closeness = [-np.hypot(y - f.centre.y, x - f.centre.x) / f.radius_x for f in tumour.foci]
    growth = np.where(tissue > 0, np.maximum.reduce(closeness) + uneven, -np.inf)
    inside = growth > threshold(growth[tissue > 0].astype(np.float32), tumour.share)
    depth = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    return np.asarray(depth * MASK_STEP, dtype=np.float32)


def _nests(
    rng: np.random.Generator, tumour: Tumour | None, lesion: Field, size: Size, um: float
) -> tuple[Field, Field]:
    """Depth in the nests of the tumour, between strands of stroma, and in the few hollows of the nests."""
    if tumour is None:
        return lesion, lesion
    ridge = np.abs(noise(rng, size, 75 * um) + 0.35 * noise(rng, size, 25 * um))
    nests = share(ridge, 1 - tumour.stroma, lesion > 0, 28 * um)
    hollow = share(noise(rng, size, 34 * um), 0.03, lesion > 0, 12 * um)
    return np.minimum(nests, lesion), np.minimum.reduce([hollow, nests - 12 * um, lesion - 12 * um])


def _density(anatomy: Anatomy, uneven: Field, lymphoid: Field, lesion: Field, um: float) -> Field:
    density = 255 * anatomy.stroma_density + 28 * uneven
    pale = np.clip(0.5 + lymphoid / (20 * um), 0, 1) * 0.5
    firm = np.clip(0.5 + lesion / (30 * um), 0, 1) * 0.15
    return np.asarray(np.clip(density * (1 - pale) * (1 + firm), 25, 235), dtype=np.float32)


def _haze(
    rng: np.random.Generator, plan: PhantomSlide, epithelium: Field, lymphoid: Field, lesion: Field, um: float
) -> Field:
    """Blue cytoplasm and ground substance: little in stroma, more in epithelium and among lymphocytes."""
    haze = 8 + 5 * noise(rng, plan.size, 60 * um)
    haze += np.clip(0.5 + epithelium / (6 * um), 0, 1) * (34 + 8 * noise(rng, plan.size, 120 * um))
    haze += np.clip(0.5 + lymphoid / (20 * um), 0, 1) * 30
    haze += np.clip(0.5 + np.minimum(lesion, epithelium) / (10 * um), 0, 1) * 10
    return np.asarray(np.clip(haze, 0, 120), dtype=np.float32)
