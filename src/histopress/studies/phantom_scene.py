"""Where everything lies on a phantom slide: soft maps, eight px to a map px, from the plan of the slide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Size
from histopress.studies.phantom_plan import MASK_STEP, Anatomy, Blob, PhantomSlide, Tumour
from histopress.studies.phantom_textures import Field

FAR = 1e3
"""px; stands for "nowhere near"."""


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
    fat = _share(noise(rng, plan.size, 150 * um), anatomy.fat, tissue > 0, 40 * um)
    fat = np.minimum(fat, -lesion - 6 * um)
    lymphoid = np.minimum(_blobs(rng, anatomy.aggregates, plan.size, um), -lesion)
    free = np.minimum.reduce([tissue, -fat, -lesion, -lymphoid])
    glandular = _share(noise(rng, plan.size, 300 * um), anatomy.glandular, tissue > 0, 40 * um)
    glands = _place_glands(rng, anatomy, np.minimum(free, glandular), um)
    vessels = _place_vessels(rng, anatomy, np.minimum(free, -_depth(glands, plan.size)), um)
    nests, hollow = _nests(np.random.default_rng([plan.seed, 2]), plan.tumour, lesion, plan.size, um)
    epithelium = np.maximum(_depth(glands, plan.size), nests)
    lumen = np.maximum.reduce([_depth(glands, plan.size, lumen=True), _depth(vessels, plan.size, lumen=True), hollow])
    uneven = noise(rng, plan.size, 90 * um) + 0.6 * noise(rng, plan.size, 22 * um)
    return Scene(
        tissue=tissue,
        lesion=lesion,
        epithelium=epithelium,
        solid=_depth(glands.where(glands.wall >= FAR), plan.size),
        lumen=lumen,
        blood=_depth(vessels.where(rng.uniform(size=len(vessels)) < 0.5), plan.size, lumen=True),
        fat=fat,
        lymphoid=lymphoid,
        other_way=30 * um * noise(rng, plan.size, 110 * um),
        density=_density(anatomy, uneven, lymphoid, lesion, um),
        haze=_haze(rng, plan, epithelium, lymphoid, lesion, um),
        glands=glands,
        vessels=vessels,
    )


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


def _positions(size: Size) -> tuple[Field, Field]:
    """y and x of the middle of every map px, in level-0 px, ready to broadcast."""
    rows, cols = mask_shape(size)
    y = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) * MASK_STEP
    x = (np.arange(cols, dtype=np.float32)[None, :] + 0.5) * MASK_STEP
    return y, x


def _reach(blob: Blob, size: Size) -> Field:
    """Distance from the centre of a blob in units of its radii."""
    y, x = _positions(size)
    y, x = y - blob.centre.y, x - blob.centre.x
    cos, sin = np.cos(blob.angle), np.sin(blob.angle)
    along, across = (x * cos + y * sin) / blob.radius_x, (y * cos - x * sin) / blob.radius_y
    return np.sqrt(along**2 + across**2).astype(np.float32)


def _blobs(rng: np.random.Generator, blobs: tuple[Blob, ...], size: Size, um: float) -> Field:
    """Depth in the union of blobs with uneven outlines."""
    uneven = 0.25 * noise(rng, size, 60 * um) + 0.12 * noise(rng, size, 20 * um)
    depths = [(1 - _reach(b, size) + uneven) * min(b.radius_x, b.radius_y) for b in blobs]
    return np.maximum.reduce(depths) if depths else np.full(mask_shape(size), -FAR, np.float32)


def _tissue(rng: np.random.Generator, pieces: tuple[Blob, ...], size: Size, um: float) -> Field:
    """Depth in the pieces: ragged outlines, a few tears, always some glass along the edges of the slide."""
    coarse = 0.16 * noise(rng, size, 400 * um) + 0.07 * noise(rng, size, 130 * um)
    outline = coarse + 0.025 * noise(rng, size, 40 * um) + 0.012 * noise(rng, size, 14 * um)
    depths = [(1 - _reach(p, size) + outline) * min(p.radius_x, p.radius_y) for p in pieces]
    tear = (np.abs(noise(rng, size, 260 * um)) - 0.02) * 120 * um
    tear = np.maximum(tear, (0.9 - noise(rng, size, 330 * um)) * 90 * um)
    y, x = _positions(size)
    edge = np.minimum(np.minimum(y, size.height - y), np.minimum(x, size.width - x)) - 0.02 * min(size.shape)
    return np.minimum.reduce([np.maximum.reduce(depths), tear, np.broadcast_to(edge, tear.shape)])


def _share(values: Field, share: float, where: NDArray[np.bool_], slope: float) -> Field:
    """Depth in the part with the highest values that makes up this share of `where`."""
    return np.asarray((values - _threshold(values[where], share)) * slope, dtype=np.float32)


def _threshold(values: Field, share: float) -> float:
    """What `share` of the values exceed."""
    above = round(share * values.size)
    if above == 0 or values.size == 0:
        return FAR
    return float(np.partition(values, values.size - above)[values.size - above]) - 1e-6


def _lesion(rng: np.random.Generator, tumour: Tumour | None, tissue: Field, size: Size, um: float) -> Field:
    """Depth in the tumour, which grows from its foci through the tissue until it has its share of it."""
    from scipy import ndimage

    if tumour is None:
        return np.full(tissue.shape, -FAR, np.float32)
    y, x = _positions(size)
    uneven = 60 * um * noise(rng, size, 120 * um) + 20 * um * noise(rng, size, 40 * um)
    closeness = [-np.hypot(y - f.centre.y, x - f.centre.x) / f.radius_x for f in tumour.foci]
    growth = np.where(tissue > 0, np.maximum.reduce(closeness) + uneven, -np.inf)
    inside = growth > _threshold(growth[tissue > 0].astype(np.float32), tumour.share)
    depth = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    return np.asarray(depth * MASK_STEP, dtype=np.float32)


def _nests(
    rng: np.random.Generator, tumour: Tumour | None, lesion: Field, size: Size, um: float
) -> tuple[Field, Field]:
    """Depth in the nests of the tumour, between strands of stroma, and in the few hollows of the nests."""
    if tumour is None:
        return lesion, lesion
    ridge = np.abs(noise(rng, size, 75 * um) + 0.35 * noise(rng, size, 25 * um))
    nests = _share(ridge, 1 - tumour.stroma, lesion > 0, 28 * um)
    hollow = _share(noise(rng, size, 34 * um), 0.03, lesion > 0, 12 * um)
    return np.minimum(nests, lesion), np.minimum.reduce([hollow, nests - 12 * um, lesion - 12 * um])


def lattice(rng: np.random.Generator, shape: tuple[int, int], pitch: float, jitter: float) -> NDArray[np.float64]:
    """(points, 2) y, x in level-0 px: a staggered lattice whose points are shifted by up to `jitter` of the pitch."""
    y, x = np.mgrid[: shape[0] * MASK_STEP : pitch * 0.87, : shape[1] * MASK_STEP : pitch]
    x[1::2] += pitch / 2
    points = np.stack([y.ravel(), x.ravel()], -1)
    points += rng.uniform(-jitter, jitter, points.shape) * pitch
    return points[((points >= 0) & (points < np.array(shape) * MASK_STEP)).all(axis=1)]


def at(field: NDArray[np.generic], points: NDArray[np.float64]) -> NDArray[np.generic]:
    """Values of a map at (points, 2) y, x in level-0 px, all of them on the slide."""
    y, x = (points / MASK_STEP).astype(np.int64).T
    return field[y, x]


def _place_glands(rng: np.random.Generator, anatomy: Anatomy, room: Field, um: float) -> Rings:
    centre = lattice(rng, room.shape, anatomy.gland_pitch * um, 0.17)
    centre = centre[at(room, centre) > 0]
    radius = anatomy.gland_pitch * um * rng.uniform(0.26, 0.46, len(centre))
    fits = at(room, centre) > 0.6 * radius
    centre, radius = centre[fits], radius[fits]
    waves = rng.normal(0, 1, (len(centre), 4)) * (0.16, 0.16, 0.07, 0.07)
    wall = rng.uniform(14, 21, len(centre)) * um
    solid = rng.uniform(size=len(centre)) > anatomy.gland_lumen
    return Rings(centre, np.where(solid, 0.75, 1.0) * radius, waves, np.where(solid, FAR, wall))


def _place_vessels(rng: np.random.Generator, anatomy: Anatomy, room: Field, um: float) -> Rings:
    centre = lattice(rng, room.shape, anatomy.vessel_pitch * um, 0.45)
    radius = um * np.exp(rng.normal(np.log(16), 0.45, len(centre)))
    fits = at(room, centre) > radius
    centre, radius = centre[fits], radius[fits]
    waves = rng.normal(0, 1, (len(centre), 4)) * (0.25, 0.25, 0.08, 0.08)
    return Rings(centre, radius, waves, np.full(len(centre), 2.5 * um))


def _depth(rings: Rings, size: Size, lumen: bool = False) -> Field:
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
