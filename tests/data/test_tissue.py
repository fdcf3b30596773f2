"""Tissue masks: on drawn slides with known truth, one for each hazard, on real tissue, and on real slides."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from histopress.core.geometry import Lattice, Point, Size, Spacing
from histopress.data import bands
from histopress.data.slide import open_slide
from histopress.data.tissue import TissueMask, TissueRecipe, find_tissue, mask_slide

HAEMATOXYLIN, EOSIN, DAB = (
    np.array([0.65, 0.70, 0.29]),
    np.array([0.07, 0.99, 0.11]),
    np.array([0.27, 0.57, 0.78]),
)
FINE = 4.0
"""um/px in which slides are drawn."""
INKS = {
    "green": (30, 110, 70),
    "teal": (45, 115, 110),
    "blue": (40, 70, 170),
    "navy": (50, 55, 125),
    "black": (35, 33, 38),
    "red": (200, 35, 45),
    "crimson": (175, 50, 85),
}


def waves(
    rng: np.random.Generator, shape: tuple[int, int], size: float | tuple[float, float]
) -> NDArray[np.float64]:
    """Smooth noise of mean 0 and variance 1."""
    values = ndimage.gaussian_filter(rng.standard_normal(shape), size, mode="wrap")
    return values / values.std()


class Drawn:
    """A slide in the making: stains lie on glass as optical density, and the truth is kept beside it."""

    shape = (440, 560)

    def __init__(
        self, seed: int = 0, glass: tuple[int, int, int] = (243, 242, 243), drift: float = 0.0
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.density = np.zeros((*self.shape, 3))
        self.truth = np.zeros(self.shape, bool)
        y, x = np.mgrid[-1 : 1 : self.shape[0] * 1j, -1 : 1 : self.shape[1] * 1j]
        shade = 1 - drift * (0.5 * x + 0.3 * y + x * x)[..., None] * np.array([0.7, 0.8, 1.0])
        self.glass = np.array(glass) * shade

    def blob(self, y: float, x: float, high: float, wide: float, rough: float = 0.12) -> NDArray[np.bool_]:
        rows, cols = np.mgrid[: self.shape[0], : self.shape[1]]
        return ((rows - y) / high) ** 2 + ((cols - x) / wide) ** 2 + rough * waves(
            self.rng, self.shape, 14
        ) < 1

    def tissue(
        self,
        where: NDArray[np.bool_],
        nuclei: float = 0.25,
        fibres: float = 0.25,
        brown: float = 0.0,
        haze: float = 0.0,
    ) -> Drawn:
        rng, shape = self.rng, self.shape
        zones = np.clip(1 + 0.35 * waves(rng, shape, 12), 0.2, None)
        strands = np.clip(1 + 0.4 * waves(rng, shape, (0.7, 2.5)), 0.1, None)
        spots = 1.2 * np.clip(waves(rng, shape, 0.9) - 0.6, 0, None)
        blue = (nuclei * spots + haze * strands) * zones
        pink = fibres * strands * np.clip(2 - zones, 0.3, None)
        stained = brown * np.clip(waves(rng, shape, 5), 0, None) * strands
        density = blue[..., None] * HAEMATOXYLIN + pink[..., None] * EOSIN + stained[..., None] * DAB
        self.density[where] = density[where]
        self.truth |= where
        return self

    def fat(
        self, where: NDArray[np.bool_], cell: float = 80.0, wall: float = 0.16, broken: float = 0.15
    ) -> Drawn:
        """Cells of this many um with walls of one fine px, some of them missing."""
        count = int(where.size * FINE**2 / cell**2)
        seeds = (self.rng.uniform(0, 1, (count, 2)) * self.shape).astype(int)
        empty = np.ones(self.shape, bool)
        empty[tuple(seeds.T)] = False
        number = np.zeros(self.shape, int)
        number[tuple(seeds.T)] = np.arange(count)
        nearest = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
        number = number[tuple(nearest)]
        walls = (number != np.roll(number, 1, 0)) | (number != np.roll(number, 1, 1))
        there = waves(self.rng, self.shape, 4)
        self.density[where] = 0
        self.density[where & walls & (there > np.quantile(there, broken))] = wall * np.array([0.4, 1.0, 0.5])
        self.truth |= where
        return self

    def pen(
        self, points: list[tuple[int, int]], ink: tuple[int, int, int], width: float, strength: float = 1.0
    ) -> Drawn:
        """A stroke along (x, y) points; what it covers is not tissue."""
        picture, px = Image.new("L", self.shape[::-1]), width / FINE
        draw = ImageDraw.Draw(picture)
        draw.line(points, fill=255, width=round(px), joint="curve")
        for x, y in points:
            draw.ellipse([x - px / 2, y - px / 2, x + px / 2, y + px / 2], fill=255)
        cover = np.asarray(picture.filter(ImageFilter.GaussianBlur(24 / FINE))) / 255
        streaks = np.clip(1 + 0.08 * waves(self.rng, self.shape, (1, 30)), 0.6, 1.4)
        self.density += (cover * streaks * strength)[..., None] * -np.log10(np.array(ink) / 245)
        self.truth &= cover < 0.3
        return self

    def cover(self, where: NDArray[np.bool_], rgb: tuple[int, int, int]) -> Drawn:
        """Paint over whatever is there; it is not tissue."""
        self.density[where] = -np.log10(np.array(rgb) / 245)
        self.truth &= ~where
        return self

    def picture(self) -> NDArray[np.uint8]:
        light = self.glass * 10 ** -ndimage.gaussian_filter(self.density, (0.4, 0.4, 0))
        return np.clip(np.round(light + self.rng.normal(0, 2, light.shape)), 0, 255).astype(np.uint8)


def thumbnail(fine: NDArray[np.uint8], spacing: float, fine_spacing: float = FINE) -> NDArray[np.uint8]:
    size = tuple(round(n * fine_spacing / spacing) for n in fine.shape[1::-1])
    return np.asarray(Image.fromarray(fine).resize(size, Image.Resampling.BOX))


def at_8_um(truth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return thumbnail(truth.astype(np.uint8) * 255, 8.0) > 127


def found(
    picture: NDArray[np.uint8], spacing: float = 8.0, recipe: TissueRecipe | None = None
) -> NDArray[np.bool_]:
    return find_tissue(picture, Spacing.square(spacing), recipe or TissueRecipe()).mask


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union; two empty masks are equal."""
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


def saturation_otsu(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The naive method, as a control: Otsu's threshold on saturation."""
    saturation = np.asarray(Image.fromarray(picture).convert("HSV"))[..., 1]
    counts = np.bincount(saturation.ravel(), minlength=256).astype(float)
    below, sums = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    between = (sums[-1] * below / below[-1] - sums) ** 2 / np.maximum(below * (below[-1] - below), 1e-9)
    return np.asarray(saturation > between.argmax())


def two_pieces(seed: int = 0, glass: tuple[int, int, int] = (243, 242, 243), drift: float = 0.0) -> Drawn:
    slide = Drawn(seed, glass, drift)
    return slide.tissue(slide.blob(190, 190, 115, 120)).tissue(slide.blob(300, 430, 75, 70))


def one_piece(seed: int, **stains: float) -> Drawn:
    slide = Drawn(seed)
    return slide.tissue(slide.blob(210, 270, 160, 200), **stains)


def full(seed: int, **stains: float) -> Drawn:
    slide = Drawn(seed)
    return slide.tissue(np.ones(slide.shape, bool), **stains)


def pen_marks(ink: str, strength: float = 1.0) -> Drawn:
    slide = two_pieces(seed=5)
    slide.pen([(50, 35), (350, 55), (375, 210), (325, 380)], INKS[ink], 250, strength)
    return slide.pen([(60, 395), (250, 410)], INKS[ink], 160, strength)


def pale_beside_dark() -> Drawn:
    slide = Drawn(2)
    slide.tissue(slide.blob(190, 180, 110, 120))
    return slide.tissue(slide.blob(300, 410, 80, 110), nuclei=0.04, fibres=0.045)


def fatty(cell: float, wall: float) -> Drawn:
    slide = Drawn(3)
    slide.fat(slide.blob(210, 280, 165, 220, 0.04), cell, wall)
    return slide.tissue(slide.blob(160, 160, 40, 60))


def dusty() -> Drawn:
    slide = two_pieces(seed=6)
    rows, cols = np.mgrid[: slide.shape[0], : slide.shape[1]]
    free = ndimage.distance_transform_edt(~slide.truth) > 30
    for _ in range(60):
        y, x, radius = slide.rng.integers(0, 440), slide.rng.integers(0, 560), slide.rng.integers(2, 8)
        grey = int(slide.rng.integers(40, 200))
        slide.cover(((rows - y) ** 2 + (cols - x) ** 2 < radius**2) & free, (grey, int(0.9 * grey), grey))
    return slide


def framed() -> Drawn:
    """Black slide edges, the grey line of a coverslip, and tinted glass beyond it."""
    slide = two_pieces(seed=7)
    rows, cols = np.mgrid[: slide.shape[0], : slide.shape[1]]
    slide.density[cols > 530] += np.array([0.02, 0.03, 0.055])
    slide.cover((abs(cols - 522) < 3) | (abs(rows - 412) < 2) & ~slide.truth, (120, 118, 112))
    return slide.cover((cols < 18) | (rows < 12), (20, 20, 22))


def striped() -> Drawn:
    slide = two_pieces(seed=8)
    slide.glass *= (1 + 0.02 * np.sign(np.sin(np.arange(560) / 40)))[None, :, None]
    return slide


def bubbles() -> Drawn:
    slide = two_pieces(seed=18)
    rows, cols = np.mgrid[: slide.shape[0], : slide.shape[1]]
    for y, x, radius in ((90, 470, 60), (380, 80, 40), (360, 260, 45)):
        slide.cover((abs(np.hypot(rows - y, cols - x) - radius) < 4) & ~slide.truth, (115, 112, 106))
    return slide


def inside(seed: int, density: tuple[float, float, float], rough: float) -> Drawn:
    """A patch of even colour inside of tissue, which belongs to it."""
    slide = one_piece(seed)
    patch = slide.blob(200, 230, 45, 60)
    grain = np.clip(1 + rough * waves(slide.rng, slide.shape, 1.5), 0, None)
    slide.density[patch] = grain[patch][:, None] * np.array(density)
    return slide


def padded(glass: tuple[int, int, int]) -> Drawn:
    """Parts that the scanner left out are pure white."""
    slide = two_pieces(seed=0, glass=glass)
    for part in (np.s_[:110], np.s_[:, 500:]):
        slide.glass[part], slide.density[part], slide.truth[part] = 300, 0, False
    return slide


CASES: dict[str, tuple[Callable[[], Drawn], float]] = {
    "plain": (two_pieces, 0.97),
    "saturated glass": (lambda: two_pieces(glass=(255, 255, 255)), 0.97),
    "yellowish glass": (lambda: two_pieces(glass=(243, 240, 205)), 0.97),
    "grey glass": (lambda: two_pieces(glass=(198, 199, 200)), 0.97),
    "pinkish glass": (lambda: two_pieces(glass=(245, 236, 243)), 0.97),
    "uneven light": (lambda: two_pieces(drift=0.08), 0.97),
    "not all scanned": (lambda: padded((242, 237, 240)), 0.97),
    "not all scanned, yellowish glass": (lambda: padded((243, 240, 210)), 0.97),
    "scanner stripes": (striped, 0.97),
    "pale": (lambda: one_piece(1, nuclei=0.06, fibres=0.05), 0.97),
    "pale beside dark": (pale_beside_dark, 0.95),
    "fat": (lambda: fatty(80, 0.16), 0.9),
    "fat of large cells": (lambda: fatty(110, 0.3), 0.75),
    "brown": (lambda: one_piece(4, nuclei=0.12, fibres=0, brown=0.35, haze=0.06), 0.97),
    "strong brown": (lambda: one_piece(4, nuclei=0.05, fibres=0, brown=1.0, haze=0.06), 0.97),
    "counterstain only": (lambda: one_piece(4, nuclei=0.09, fibres=0, haze=0.06), 0.93),
    **{f"{ink} pen": ((lambda ink=ink: pen_marks(ink)), 0.9) for ink in INKS},
    **{f"faint {ink} pen": ((lambda ink=ink: pen_marks(ink, 0.35)), 0.9) for ink in ("green", "blue", "red")},
    "red pen over tissue": (lambda: one_piece(17).pen([(200, 190), (450, 260)], INKS["red"], 250), 0.92),
    "black dot on tissue": (lambda: one_piece(16).pen([(200, 190)], INKS["black"], 500), 0.92),
    "dust": (dusty, 0.96),
    "slide edges": (framed, 0.96),
    "air bubbles": (bubbles, 0.96),
    "blood": (lambda: inside(14, (0.11, 0.55, 0.44), 0.1), 0.96),
    "pigment": (lambda: inside(15, (0.55, 0.66, 0.72), 0.15), 0.96),
    "flat colloid": (lambda: inside(21, (0.03, 0.17, 0.05), 0.0), 0.96),
    "nothing but tissue": (lambda: full(10), 0.99),
    "nothing but pale tissue": (lambda: full(11, nuclei=0.06, fibres=0.05), 0.99),
    "nothing but brown tissue": (lambda: full(12, nuclei=0.1, fibres=0, brown=0.3, haze=0.06), 0.98),
    "nothing but fat": (lambda: (slide := Drawn(13)).fat(np.ones(slide.shape, bool)), 0.95),
}


@cache
def drawn(name: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The picture of a case at `FINE` um/px, and its truth at 8 um/px."""
    slide = CASES[name][0]()
    return slide.picture(), at_8_um(slide.truth)


@pytest.mark.parametrize("name", CASES)
def test_drawn_tissue_is_found(name: str) -> None:
    fine, truth = drawn(name)
    picture, least = thumbnail(fine, 8.0), CASES[name][1]
    assert overlap(found(picture), truth) > least
    assert overlap(saturation_otsu(picture), truth) < least, "a hazard that the naive method survives is none"


@pytest.mark.parametrize(
    "name", ["plain", "pale beside dark", "fat", "counterstain only", "navy pen", "red pen"]
)
def test_result_does_not_depend_on_the_spacing_of_the_thumbnail(name: str) -> None:
    fine, _ = drawn(name)
    at_6, at_10 = (
        np.asarray(Image.fromarray(found(thumbnail(fine, um), um)).resize((560, 440))) for um in (6.0, 10.0)
    )
    assert overlap(at_6, at_10) > 0.9


def test_tissue_as_flat_as_glass_is_not_taken_for_it() -> None:
    slide = Drawn(22, glass=(255, 255, 255))
    where = slide.blob(210, 270, 160, 200)
    slide.density[where] = (0.01, 0.09, 0.03)
    picture = slide.picture()
    picture[~where] = 255  # so bright that it tells nothing of itself
    assert overlap(found(thumbnail(picture, 8.0)), at_8_um(where)) > 0.97


@pytest.mark.parametrize("glass", [(255, 255, 255), (243, 242, 243), (243, 238, 205), (190, 192, 195)])
@pytest.mark.parametrize("drift", [0.0, 0.08])
def test_empty_slide_gives_an_empty_mask(glass: tuple[int, int, int], drift: float) -> None:
    assert not found(thumbnail(Drawn(9, glass, drift).picture(), 8.0)).any()


def test_slide_of_one_grey_level_gives_an_empty_mask() -> None:
    for level in (0, 90, 255):
        assert not found(np.full((30, 50, 3), level, np.uint8)).any()


def test_tissue_that_touches_a_stroke_is_kept() -> None:
    marked, clean = pen_marks("green"), two_pieces(seed=5)
    away = ndimage.distance_transform_edt(marked.truth | ~clean.truth) * FINE > 60
    kept = at_8_um(clean.truth & away)
    assert found(thumbnail(marked.picture(), 8.0))[kept].mean() > 0.98


def test_strokes_are_no_holes_to_be_filled() -> None:
    fine, truth = drawn("black dot on tissue")
    assert overlap(found(thumbnail(fine, 8.0), recipe=TissueRecipe(holes=1e6)), truth) > 0.92


def test_pens_can_be_left_alone() -> None:
    picture = thumbnail(pen_marks("green").picture(), 8.0)
    assert found(picture, recipe=TissueRecipe(pens=False)).sum() > 1.3 * found(picture).sum()


def test_holes_are_filled_up_to_their_limit() -> None:
    slide = full(20)
    rows, cols = np.mgrid[: slide.shape[0], : slide.shape[1]]
    small, large = np.hypot(rows - 100, cols - 120) < 25, np.hypot(rows - 280, cols - 380) < 50
    slide.density[small | large] = 0
    picture = thumbnail(slide.picture(), 8.0)
    small, large = (
        at_8_um(ndimage.binary_erosion(small, iterations=6)),
        at_8_um(ndimage.binary_erosion(large, iterations=6)),
    )
    area = np.pi * (25 * FINE) ** 2, np.pi * (50 * FINE) ** 2
    assert area[0] < TissueRecipe().holes < area[1]
    default, none, all_ = (
        found(picture, recipe=TissueRecipe(holes=h)) for h in (TissueRecipe().holes, 0.0, 2e5)
    )
    assert (default[small].all(), default[large].any()) == (True, False)
    assert not none[small].any()
    assert all_.all()


def test_crumbs_below_the_smallest_size_are_dropped() -> None:
    slide = Drawn(21)
    rows, cols = np.mgrid[: slide.shape[0], : slide.shape[1]]
    slide.tissue((abs(rows - 80) < 12) & (abs(cols - 100) < 14)).tissue(
        (abs(rows - 300) < 40) & (abs(cols - 400) < 30)
    )
    mask = found(thumbnail(slide.picture(), 8.0))
    assert not mask[:100].any() and mask[100:].any()
    assert found(thumbnail(slide.picture(), 8.0), recipe=TissueRecipe(smallest=5e3))[:100].any()


@pytest.mark.parametrize("turn", [np.flipud, np.fliplr, lambda a: np.swapaxes(a, 0, 1)])
def test_mask_turns_with_the_picture(turn: Callable[[NDArray[np.generic]], NDArray[np.generic]]) -> None:
    picture = thumbnail(pen_marks("red").picture(), 8.0)
    turned = found(np.ascontiguousarray(turn(picture)))
    assert overlap(turned, np.asarray(turn(found(picture)))) > 0.995


def test_stretched_pixels_give_the_same_tissue() -> None:
    fine = two_pieces().picture()
    wide = np.asarray(Image.fromarray(fine).resize((560 * 4 // 10, 440 * 4 // 6), Image.Resampling.BOX))
    height, width = wide.shape[:2]
    mask = find_tissue(wide, Spacing(560 * FINE / width, 440 * FINE / height), TissueRecipe()).mask
    same = np.asarray(Image.fromarray(mask).resize((280, 220)))
    assert overlap(same, found(thumbnail(fine, 8.0))) > 0.95


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = thumbnail(pen_marks("blue").picture(), 8.0)
    whole = found(picture)
    monkeypatch.setattr(bands, "BAND_PX", 3000)
    assert overlap(found(picture), whole) > 0.999


def mosaic(
    folder: Path, choose: Callable[[dict[str, str]], bool], um: float, rows: int, cols: int
) -> NDArray[np.uint8]:
    """Real pictures side by side, as a thumbnail of 8 um/px."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "images.zip") as archive, (folder / "index.csv").open() as index:
        names = [row["file"] for row in csv.DictReader(index) if choose(row)]
        pictures = [np.asarray(Image.open(io.BytesIO(archive.read(n))).convert("RGB")) for n in names]
    height, width = np.min([p.shape[:2] for p in pictures], axis=0)
    chosen = [pictures[i][:height, :width] for i in rng.integers(len(pictures), size=rows * cols)]
    turned = [p[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])] for p in chosen]
    bands_ = [np.concatenate(turned[r * cols : (r + 1) * cols], axis=1) for r in range(rows)]
    return thumbnail(np.concatenate(bands_), 8.0, um)


def on_glass(tissue: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A rounded piece of tissue on glass, and where it is."""
    rng = np.random.default_rng(1)
    height, width = tissue.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    piece = np.pad(y**4 + x**4 + 0.15 * waves(rng, (height, width), 5) < 1, 30)
    picture = rng.normal(243, 0.8, (*piece.shape, 3)).round().astype(np.uint8)
    picture[piece] = np.pad(tissue, ((30, 30), (30, 30), (0, 0)))[piece]
    return picture, piece


@pytest.mark.parametrize("kind", ["ADI", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"])
def test_real_tissue_is_found_on_glass_and_without_any(kind: str, shared_data: Path) -> None:
    tissue = mosaic(shared_data / "crc_tissue7", lambda row: row["label"] == kind, 0.5, 8, 11)
    picture, truth = on_glass(tissue)
    assert overlap(found(picture), truth) > 0.97
    assert found(tissue).mean() > 0.97


@pytest.mark.parametrize(
    "factors", [(1, 1, 1.6), (0.5, 1, 1.8), (1.5, 1.6, 2.6), (2.2, 0.8, 0.8), (2, 0.6, 2.2)]
)
@pytest.mark.parametrize("kind", ["MUS", "TUM"])
def test_tissue_of_any_stain_is_kept(
    kind: str, factors: tuple[float, float, float], shared_data: Path
) -> None:
    tissue = mosaic(shared_data / "crc_tissue7", lambda row: row["label"] == kind, 0.5, 8, 11)
    picture, truth = on_glass(tissue)
    restained = (
        np.round(243 * (np.maximum(picture, 1) / 243) ** np.array(factors)).clip(0, 255).astype(np.uint8)
    )
    assert overlap(found(restained), truth) > 0.95


def test_blurred_and_reddish_tissue_is_kept(shared_data: Path) -> None:
    with open_slide(shared_data / "wsi" / "tcga-cr-7395-01a-01-ts1.svs", spacing=0.5) as slide:
        picture = slide.thumbnail(Spacing.square(8.0))
    red = 243 * (np.maximum(picture, 1) / 243) ** np.array([0.8, 1.0, 1.6])
    blurred = ndimage.gaussian_filter(np.clip(red, 0, 255), (1.5, 1.5, 0)).round().astype(np.uint8)
    assert overlap(found(blurred), found(picture)) > 0.9


@pytest.mark.parametrize(
    ("folder", "key", "value"),
    [
        *[
            ("lung_colon5", "label", kind)
            for kind in ("colon_aca", "colon_n", "lung_aca", "lung_n", "lung_scc")
        ],
        *[("breakhis400", "label", kind) for kind in ("benign", "malignant")],
        ("oral_oscc", "magnification", "400x"),
    ],
)
def test_tissue_of_other_organs_and_cameras_is_found(
    folder: str, key: str, value: str, shared_data: Path
) -> None:
    tissue = mosaic(shared_data / folder, lambda row: row[key] == value, 0.25, 6, 7)
    picture, truth = on_glass(tissue)
    assert overlap(found(picture), truth) > 0.96


def test_skin_slide(shared_data: Path) -> None:
    with open_slide(shared_data / "wsi" / "cmu-1-small-region.svs") as slide:
        result = mask_slide(slide, TissueRecipe())
        picture = slide.thumbnail(Spacing.square(8.0))
    assert result.spacing == Spacing.square(8.0)
    assert result.mask.shape == picture.shape[:2]
    assert 0.36 < result.mask.mean() < 0.45
    assert result.mask[140:, 45:105].all(), "dermis at the lower edge"
    assert not result.mask[:, :3].any() and not result.mask[30:50, 120:].any(), "glass, and a speck of dust"
    assert result.mask[picture[..., 1] < 170].mean() > 0.98


def test_frozen_section_that_is_not_all_scanned(shared_data: Path) -> None:
    with open_slide(shared_data / "wsi" / "tcga-cr-7395-01a-01-ts1.svs", spacing=0.5) as slide:
        result = mask_slide(slide, TissueRecipe())
        picture = slide.thumbnail(Spacing.square(8.0))
    assert 0.60 < result.mask.mean() < 0.69
    assert not result.mask[:30, :170].any() and not result.mask[200:, :70].any(), (
        "unscanned, and the glass at it"
    )
    assert result.mask[picture[..., 1] < 170].mean() > 0.99


def lattice(rows: int, cols: int, x: float = 0.0, y: float = 0.0) -> Lattice:
    return Lattice(step_x=37.3, step_y=29.1, rows=rows, cols=cols, spacing=0.5, tile=64, origin=Point(x, y))


STORED, COARSE = Spacing(0.26, 0.24), Spacing(7.7, 8.3)


def test_a_full_mask_fills_every_cell_inside_of_it() -> None:
    size = Size(1000, 600)
    shape = (int(np.ceil(600 * STORED.y / COARSE.y)), int(np.ceil(1000 * STORED.x / COARSE.x)))
    share = TissueMask(np.ones(shape, bool), COARSE).share(lattice(21, 27), STORED)
    assert share.shape == (21, 27) and share.dtype == np.float32
    rows, cols = int(size.height / 29.1), int(size.width / 37.3)
    np.testing.assert_allclose(share[:rows, :cols], 1, rtol=1e-6)


def test_shares_add_up_to_the_area_of_the_tissue() -> None:
    mask = TissueMask(np.random.default_rng(0).random((17, 31)) < 0.4, COARSE)
    grid = lattice(25, 30)
    cell = grid.step_x * STORED.x * grid.step_y * STORED.y
    covered = (17 * COARSE.y / STORED.y / grid.step_y, 31 * COARSE.x / STORED.x / grid.step_x)
    assert covered[0] < 25 and covered[1] < 30
    assert mask.share(grid, STORED).sum(dtype=float) * cell == pytest.approx(mask.area, rel=1e-6)


def test_what_is_beyond_the_slide_is_not_tissue() -> None:
    mask = TissueMask(np.ones((4, 3), bool), Spacing(10, 10))
    grid = Lattice(step_x=20, step_y=16, rows=3, cols=2, spacing=1.0, tile=20)
    expected = np.array([[1, 0.5], [1, 0.5], [0.5, 0.25]])
    np.testing.assert_allclose(mask.share(grid, Spacing(1, 1)), expected, rtol=1e-6)


def test_shares_agree_with_counting_fine_points() -> None:
    rng = np.random.default_rng(3)
    mask = TissueMask(rng.random((9, 14)) < 0.5, COARSE)
    grid = lattice(7, 8, 11.5, -40.2)
    share = mask.share(grid, STORED)
    steps = (np.arange(200) + 0.5) / 200
    for row, col in ((0, 0), (2, 3), (6, 7), (4, 1)):
        box = grid.box(row, col)
        y = np.floor((box.y + steps * box.height) * STORED.y / COARSE.y).astype(int)
        x = np.floor((box.x + steps * box.width) * STORED.x / COARSE.x).astype(int)
        within = ((y >= 0) & (y < 9))[:, None] & ((x >= 0) & (x < 14))
        points = mask.mask[np.ix_(y.clip(0, 8), x.clip(0, 13))] & within
        assert share[row, col] == pytest.approx(points.mean(), abs=0.01)


@pytest.mark.parametrize("axis", [0, 1])
def test_shares_flip_with_the_mask(axis: int) -> None:
    values = np.random.default_rng(4).random((12, 20)) < 0.5
    height, width = 12 * COARSE.y / STORED.y, 20 * COARSE.x / STORED.x
    grid = Lattice(step_x=width / 7, step_y=height / 5, rows=5, cols=7, spacing=0.5, tile=64)
    flipped = TissueMask(np.flip(values, axis), COARSE).share(grid, STORED)
    np.testing.assert_allclose(
        flipped, np.flip(TissueMask(values, COARSE).share(grid, STORED), axis), atol=1e-6
    )
