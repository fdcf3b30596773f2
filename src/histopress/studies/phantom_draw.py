"""Recipe -> plans: chance enters here, and only here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import RecipeError
from histopress.core.geometry import Point, Size, Spacing
from histopress.studies.phantom_plan import MASK_STEP, SITES, Anatomy, Blob, PhantomSlide, Stain, Tumour
from histopress.studies.phantom_recipe import PhantomRecipe

REACH = {"anywhere": (0.0, 0.75), "core": (0.0, 0.3), "edge": (0.65, 0.85)}
"""From and to which share of the way from the middle of a piece to its edge foci lie."""

OUTSIDE = {"core": "edge", "edge": "core"}
"""Where a tumour that does not count lies."""

BENIGN = {"pleomorphism": 0.12, "irregularity": 0.0, "darkness": 0.72, "mitoses": 0.0}
"""What would make the nuclei of a tumour like those of benign glands."""


@dataclass(frozen=True)
class _Place:
    """What the roster says of a slide before it is drawn."""

    patient: int
    positive: bool
    site: int
    mislabelled: bool


def draw(recipe: PhantomRecipe, index: int) -> PhantomSlide:
    """Plan one slide of a cohort; the same recipe and index give the same plan, whatever else is drawn.

    The label and everything benign come from separate streams of chance, so that a slide's size, stain,
    amount of tissue or number of lymphocytes tell nothing of its label.

    Args:
        recipe: of the cohort.
        index: of the slide, from 0.

    Raises:
        RecipeError: the cohort has no such slide.
    """
    if not 0 <= index < recipe.slides:
        raise RecipeError(f"slide {index} of a cohort of {recipe.slides}; expected 0 to {recipe.slides - 1}")
    place = _roster(recipe)[index]
    look, lesion = (np.random.default_rng([recipe.seed, index, stream]) for stream in (1, 2))
    size = Size(_side(look, recipe.width), _side(look, recipe.height))
    stain = _stain(look, recipe.stain_variation, recipe.site_shift, place.site)
    anatomy = _anatomy(look, size, recipe.spacing)
    return PhantomSlide(
        slide=f"phantom-{recipe.seed}-{index:03d}",
        patient=f"patient-{recipe.seed}-{place.patient:03d}",
        site=SITES[place.site],
        size=size,
        spacing=Spacing.square(recipe.spacing),
        stain=stain,
        anatomy=anatomy,
        tumour=_tumour(lesion, recipe, anatomy, place.positive),
        seed=int(look.integers(2**32)),
        texture_seed=recipe.seed,
        mislabelled=place.mislabelled,
    )


def _roster(recipe: PhantomRecipe) -> list[_Place]:
    """Patient, label and site of every slide: labels halved, also among the patients with two slides."""
    pairs = recipe.slides // 10 * 2
    slides_of = [2] * pairs + [1] * (recipe.slides - 2 * pairs)
    shuffled = np.random.default_rng([recipe.seed, 0]).permutation(recipe.slides)
    count = len(slides_of)
    wrong = np.random.default_rng([recipe.seed, 1]).permutation(count) < round(recipe.label_noise * count)
    patients = [
        _Place(number, number % 2 == 1, _site(number, recipe.confounding), bool(wrong[number]))
        for number in range(count)
    ]
    places = [place for place, count in zip(patients, slides_of, strict=True) for _ in range(count)]
    return [places[i] for i in shuffled]


def _site(number: int, confounding: float) -> int:
    """Where a patient was stained: pairs of one patient of each label, of which a share follows the label."""
    pair = number // 2
    follows = int((pair + 1) * confounding) > int(pair * confounding)
    return number % 2 if follows else pair % len(SITES)


def _side(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    return int(rng.integers(bounds[0] // MASK_STEP, bounds[1] // MASK_STEP + 1)) * MASK_STEP


def _stain(rng: np.random.Generator, variation: float, shift: float, site: int) -> Stain:
    """Stain vectors after Macenko et al. (ISBI 2009), turned and stretched; each site leans its own way."""
    lean = np.array([0.05, -0.05]) * (-1 if site else 1) * variation * shift
    hue = rng.normal(0, 0.035 * variation, (2, 3))
    strength = np.exp(rng.normal(0, 0.13 * variation, 2) + lean)
    haematoxylin = (np.array([0.57, 0.71, 0.41]) + hue[0]) * 2.3 * strength[0]
    eosin = (np.array([0.16, 0.80, 0.50]) + hue[1] * (0.8, 1, 1.6)) * 1.25 * strength[1]
    glass = rng.uniform(237, 249) + rng.normal(0, 1.2 * variation, 3)
    return Stain(
        haematoxylin=_three(haematoxylin),
        eosin=_three(np.maximum(eosin, 0.02)),
        glass=_three(np.minimum(glass, 250)),
        shade=float(rng.uniform(1, 6)),
        shade_angle=float(rng.uniform(0, 2 * np.pi)),
        noise=float(rng.uniform(0.8, 1.8)),
        blur=int(rng.integers(1, 3)),
    )


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = (float(v) for v in values)
    return (red, green, blue)


def _anatomy(rng: np.random.Generator, size: Size, spacing: float) -> Anatomy:
    pieces = _pieces(rng, size)
    count, radius = int(rng.integers(1, 10)), rng.uniform(60, 190) / spacing
    return Anatomy(
        pieces=pieces,
        aggregates=tuple(_inside(rng, pieces, radius * np.exp(rng.normal(0, 0.3))) for _ in range(count)),
        fat=float(rng.uniform(0.0, 0.25)),
        glandular=float(rng.uniform(0.35, 0.85)),
        gland_pitch=float(rng.uniform(100, 170)),
        gland_lumen=float(rng.uniform(0.5, 0.95)),
        gland_nucleus=float(rng.uniform(7.5, 10)),
        stratified=float(rng.uniform(0, 0.5)),
        stroma_density=float(rng.uniform(0.32, 0.58)),
        stroma_nuclei=float(rng.uniform(4, 9)),
        lymphocytes=float(np.exp(rng.uniform(np.log(1), np.log(8)))),
        bleeding=float(np.exp(rng.uniform(np.log(0.02), np.log(0.5)))),
        vessel_pitch=float(rng.uniform(260, 420)),
    )


def _pieces(rng: np.random.Generator, size: Size) -> tuple[Blob, ...]:
    """One to three pieces side by side along the longer side of the slide."""
    count = int(rng.choice([1, 2, 3], p=[0.45, 0.4, 0.15]))
    wide = size.width >= size.height
    long, short = (size.width, size.height) if wide else (size.height, size.width)
    edges = np.linspace(0.05, 0.95, count + 1) * long
    blobs = []
    for start, end in pairwise(edges):
        along, across = (start + end) / 2, short * rng.uniform(0.46, 0.54)
        reach, rise = (end - start) / 2 * rng.uniform(0.72, 0.88), short / 2 * rng.uniform(0.62, 0.8)
        centre = Point(along, across) if wide else Point(across, along)
        radii = (reach, rise) if wide else (rise, reach)
        blobs.append(Blob(centre, float(radii[0]), float(radii[1]), float(rng.normal(0, 0.15))))
    return tuple(blobs)


def _inside(
    rng: np.random.Generator, pieces: tuple[Blob, ...], radius: float, where: str = "anywhere"
) -> Blob:
    """A blob of about this radius, somewhere inside a piece; larger pieces are hit more often."""
    areas = np.array([p.radius_x * p.radius_y for p in pieces])
    piece = pieces[int(rng.choice(len(pieces), p=areas / areas.sum()))]
    near, far = REACH[where]
    out, turn = np.sqrt(near**2 + (far**2 - near**2) * rng.uniform()), rng.uniform(0, 2 * np.pi)
    x, y = out * np.cos(turn) * piece.radius_x, out * np.sin(turn) * piece.radius_y
    cos, sin = np.cos(piece.angle), np.sin(piece.angle)
    centre = Point(float(piece.centre.x + x * cos - y * sin), float(piece.centre.y + x * sin + y * cos))
    stretch = float(np.exp(rng.normal(0, 0.2)))
    return Blob(centre, radius * stretch, radius / stretch, float(rng.uniform(0, np.pi)))


def _tumour(
    rng: np.random.Generator, recipe: PhantomRecipe, anatomy: Anatomy, positive: bool
) -> Tumour | None:
    """The lesion of a slide; none in a normal one, unless a tumour only counts in some place."""
    if not positive and recipe.inside not in OUTSIDE:
        return None
    where = recipe.inside if positive else OUTSIDE[recipe.inside]
    count = int(rng.integers(recipe.foci[0], recipe.foci[1] + 1))
    tumour = Tumour(
        share=recipe.lesion_share,
        foci=tuple(_inside(rng, anatomy.pieces, rng.uniform(0.6, 1.4), where) for _ in range(count)),
        nucleus=float(rng.uniform(10, 13.5)),
        pleomorphism=float(rng.uniform(0.15, 0.3)),
        irregularity=float(rng.uniform(0.05, 0.12)),
        darkness=float(rng.uniform(0.7, 0.95)),
        crowding=float(rng.uniform(0.85, 0.98)),
        stroma=float(rng.uniform(0.05, 0.2)),
        mitoses=float(rng.uniform(0.005, 0.03)),
        diameter=recipe.focus_um,
        decisive=positive,
    )
    return _blended(tumour, anatomy, recipe.contrast)


def _blended(tumour: Tumour, anatomy: Anatomy, contrast: float) -> Tumour:
    """The tumour with nuclei between its own (1) and those of the benign glands beside it (0)."""
    benign = {"nucleus": anatomy.gland_nucleus, **BENIGN}
    mixed = {k: v + contrast * (getattr(tumour, k) - v) for k, v in benign.items()}
    return replace(tumour, **mixed)
