"""Phantoms are reproducible, hold the tumour they were asked for, and betray it by nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from histopress.core.errors import RecipeError, RunError
from histopress.core.geometry import Box, Spacing
from histopress.core.recipe import build, load, plain
from histopress.data.cohort import read_cohort
from histopress.data.slide import open_slide
from histopress.studies.phantom import (
    MASK_STEP,
    Painted,
    PhantomRecipe,
    PhantomSlide,
    draw,
    make_cohort,
    paint,
)
from histopress.studies.phantom_painter import Painting
from histopress.studies.phantom_plan import Blob
from histopress.studies.phantom_textures import BLOCK, textures

SMALL = PhantomRecipe(slides=4, lesion_share=0.1, width=(720, 900), height=(560, 680), seed=5)
MANY = PhantomRecipe(slides=400, seed=1)


@pytest.fixture(scope="module")
def plans() -> list[PhantomSlide]:
    return [draw(SMALL, index) for index in range(SMALL.slides)]


@pytest.fixture(scope="module")
def sick(plans: list[PhantomSlide]) -> PhantomSlide:
    return next(plan for plan in plans if plan.tumour is not None)


@pytest.fixture(scope="module")
def painted(sick: PhantomSlide) -> Painted:
    return paint(sick)


@pytest.fixture(scope="module")
def many() -> list[PhantomSlide]:
    return [draw(MANY, index) for index in range(MANY.slides)]


# ---------------------------------------------------------------- plans


def test_a_plan_depends_on_recipe_and_index_alone(many: list[PhantomSlide]) -> None:
    backwards = [draw(MANY, index) for index in reversed(range(0, 400, 37))]
    assert backwards[::-1] == many[::37]
    assert draw(replace(MANY, seed=2), 0) != many[0]
    assert len({plan.seed for plan in many}) == len(many)


def test_a_plan_survives_json(sick: PhantomSlide) -> None:
    assert build(PhantomSlide, plain(sick)) == sick


@pytest.mark.parametrize("slides", [4, 7, 40, 41, 90])
def test_labels_are_halved_among_patients_and_sites(slides: int) -> None:
    drawn = [draw(replace(SMALL, slides=slides), i) for i in range(slides)]
    labels = {plan.patient: plan.label for plan in drawn}
    slides_of = Counter(plan.patient for plan in drawn)
    assert all(labels[plan.patient] == plan.label for plan in drawn)
    assert abs(2 * sum(plan.label == "tumour" for plan in drawn) - slides) <= 1
    assert len(labels) == slides - slides // 10 * 2
    for label in ("normal", "tumour"):
        sites = Counter(
            next(p.site for p in drawn if p.patient == who) for who in labels if labels[who] == label
        )
        assert max(sites.values()) - min(sites.get(s, 0) for s in ("east", "west")) <= 1
        assert sum(slides_of[who] == 2 for who in labels if labels[who] == label) == slides // 10


def test_slides_are_neither_square_nor_alike(many: list[PhantomSlide]) -> None:
    sizes = {(plan.size.width, plan.size.height) for plan in many}
    assert len(sizes) > 300
    for plan in many:
        assert 4400 <= plan.size.width <= 6400 and 3800 <= plan.size.height <= 5200
        assert plan.size.width % MASK_STEP == 0 == plan.size.height % MASK_STEP


def _auroc(values: np.ndarray, positive: np.ndarray) -> float:
    order = values[positive][:, None] - values[~positive][None, :]
    return float((order > 0).mean() + 0.5 * (order == 0).mean())


def test_nothing_benign_tells_the_label(many: list[PhantomSlide]) -> None:
    positive = np.array([plan.tumour is not None for plan in many])
    traits = {
        "width": [p.size.width for p in many],
        "height": [p.size.height for p in many],
        "pieces": [len(p.anatomy.pieces) for p in many],
        "tissue": [sum(b.radius_x * b.radius_y for b in p.anatomy.pieces) for p in many],
        "aggregates": [len(p.anatomy.aggregates) for p in many],
        "lymphoid": [sum(b.radius_x * b.radius_y for b in p.anatomy.aggregates) for p in many],
        "haematoxylin": [sum(p.stain.haematoxylin) for p in many],
        "eosin": [sum(p.stain.eosin) for p in many],
        "glass": [sum(p.stain.glass) for p in many],
        "noise": [p.stain.noise for p in many],
        "blur": [p.stain.blur for p in many],
        **{
            name: [getattr(p.anatomy, name) for p in many]
            for name in ("fat", "glandular", "gland_pitch", "lymphocytes", "stroma_density", "bleeding")
        },
    }
    for name, values in traits.items():
        assert abs(_auroc(np.array(values, dtype=float), positive) - 0.5) < 0.1, name  # 3.5 standard errors


def test_the_lesion_asked_for_leaves_everything_benign_as_it_is(many: list[PhantomSlide]) -> None:
    other = replace(MANY, lesion_share=0.3, foci=(4, 6))
    for index in range(0, 400, 23):
        plan = draw(other, index)
        assert replace(plan, tumour=None) == replace(many[index], tumour=None)
        assert (plan.tumour is None) or (plan.tumour.share == 0.3 and 4 <= len(plan.tumour.foci) <= 6)


def test_stains_vary_as_much_as_asked(many: list[PhantomSlide]) -> None:
    reds = np.array([[*p.stain.haematoxylin, *p.stain.eosin] for p in many])
    assert (reds.std(axis=0) / reds.mean(axis=0) > 0.08).all()
    alike = [draw(replace(MANY, stain_variation=0.0), i).stain for i in range(20)]
    assert len({(s.haematoxylin, s.eosin) for s in alike}) == 1


def test_every_tumour_starts_inside_the_tissue(many: list[PhantomSlide]) -> None:
    for plan in many:
        for focus in plan.tumour.foci if plan.tumour else ():
            assert 0 < focus.centre.x < plan.size.width and 0 < focus.centre.y < plan.size.height


def test_a_tumour_counts_in_its_place_alone_and_lies_elsewhere_in_normal_slides() -> None:
    drawn = [draw(replace(MANY, inside="core", foci=(1, 1)), i) for i in range(0, 400, 7)]
    reach: dict[bool, list[float]] = {True: [], False: []}
    for plan in drawn:
        assert plan.tumour is not None
        assert (plan.label == "tumour") == plan.tumour.decisive
        focus = plan.tumour.foci[0].centre
        outs = [_reach(focus.x - p.centre.x, focus.y - p.centre.y, p) for p in plan.anatomy.pieces]
        reach[plan.tumour.decisive].append(min(outs))
    assert max(reach[True]) <= 0.31 and min(reach[False]) >= 0.5  # another piece may be nearer
    assert min(len(r) for r in reach.values()) > 20


def _reach(x: float, y: float, piece: Blob) -> float:
    cos, sin = np.cos(piece.angle), np.sin(piece.angle)
    return float(np.hypot((x * cos + y * sin) / piece.radius_x, (y * cos - x * sin) / piece.radius_y))


def test_without_contrast_the_nuclei_are_those_of_benign_glands(many: list[PhantomSlide]) -> None:
    for index in range(0, 400, 29):
        full, none, half = (draw(replace(MANY, contrast=c), index).tumour for c in (1.0, 0.0, 0.5))
        if full is None or none is None or half is None:
            continue
        assert full == many[index].tumour
        assert none.nucleus == pytest.approx(many[index].anatomy.gland_nucleus) and none.mitoses == 0
        assert half.nucleus == pytest.approx((none.nucleus + full.nucleus) / 2)
        assert none.foci == full.foci


def test_labels_are_wrong_as_often_as_asked_and_alike_within_a_patient() -> None:
    noisy = [draw(replace(MANY, label_noise=0.2), i) for i in range(400)]
    wrong = {plan.patient: plan.mislabelled for plan in noisy}
    assert all(wrong[plan.patient] == plan.mislabelled == (plan.told != plan.label) for plan in noisy)
    assert np.mean(list(wrong.values())) == pytest.approx(0.2, abs=0.002)


@pytest.mark.parametrize(("confounding", "expected"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_sites_go_with_labels_as_much_as_asked(confounding: float, expected: float) -> None:
    drawn = [draw(replace(MANY, confounding=confounding), i) for i in range(400)]
    by_patient = {p.patient: (p.label == "tumour") == (p.site == "west") for p in drawn}
    assert np.mean(list(by_patient.values())) == pytest.approx(expected, abs=0.01)


def test_sites_are_stained_as_far_apart_as_asked() -> None:
    def gap(shift: float) -> float:
        drawn = [draw(replace(MANY, site_shift=shift), i) for i in range(400)]
        reds = {s: np.mean([p.stain.eosin[1] for p in drawn if p.site == s]) for s in ("east", "west")}
        return float(abs(reds["east"] - reds["west"]))

    assert gap(6.0) > 4 * gap(1.0)


def test_a_focus_is_as_large_as_asked_whatever_the_tissue(sick: PhantomSlide) -> None:
    assert sick.tumour is not None
    one = replace(sick, tumour=replace(sick.tumour, diameter=60.0, foci=sick.tumour.foci[:1]))
    painted = paint(one)
    area = painted.lesion.sum() * painted.spacing.mean**2
    assert area == pytest.approx(np.pi * 30**2, rel=0.05)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"contrast": 1.5}, "contrast is 1.5"),
        ({"label_noise": 0.7}, "label_noise is 0.7"),
        ({"confounding": -1.0}, "confounding is -1.0"),
        ({"focus_um": -5.0}, "focus_um is -5.0"),
        ({"slides": 3}, "slides is 3"),
        ({"lesion_share": 0.0}, "lesion_share is 0.0"),
        ({"lesion_share": 0.9}, "lesion_share is 0.9"),
        ({"spacing": 4.0}, "spacing is 4.0"),
        ({"width": (100, 900)}, "width is 100 to 900"),
        ({"height": (900, 700)}, "height is 900 to 700"),
        ({"foci": (0, 3)}, "foci is 0 to 3"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_impossible_recipes_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        replace(SMALL, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("index", [-1, 4])
def test_a_cohort_has_no_more_slides_than_asked_for(index: int) -> None:
    with pytest.raises(RecipeError, match=f"slide {index} of a cohort of 4"):
        draw(SMALL, index)


# ---------------------------------------------------------------- pictures


def test_painting_twice_gives_the_same_pixels(sick: PhantomSlide, painted: Painted) -> None:
    again = paint(sick)
    assert np.array_equal(again.picture, painted.picture)
    assert np.array_equal(again.lesion, painted.lesion)
    assert np.array_equal(again.tissue, painted.tissue)
    assert not np.array_equal(paint(replace(sick, seed=sick.seed + 1)).tissue, painted.tissue)


@pytest.mark.parametrize("step", [37, BLOCK - 1, BLOCK, 300])
def test_bands_are_the_whole(sick: PhantomSlide, painted: Painted, step: int) -> None:
    painting = Painting(sick)
    height = sick.size.height
    bands = [painting.rows(start, min(start + step, height)) for start in range(0, height, step)]
    assert np.array_equal(np.concatenate(bands), painted.picture)


def test_shapes_and_scale(sick: PhantomSlide, painted: Painted) -> None:
    assert painted.picture.shape == (*sick.size.shape, 3)
    assert painted.picture.dtype == np.uint8
    assert painted.lesion.shape == painted.tissue.shape
    assert painted.lesion.shape == (sick.size.height // MASK_STEP, sick.size.width // MASK_STEP)
    assert painted.spacing == Spacing(4.0, 4.0)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.3, 0.8])
def test_the_tumour_has_its_share_of_the_tissue(share: float) -> None:
    recipe = replace(SMALL, lesion_share=share)
    for index in range(recipe.slides):
        painting = Painting(draw(recipe, index))
        asked = share if painting.plan.tumour else 0.0
        assert painting.lesion.sum() == pytest.approx(asked * painting.tissue.sum(), abs=1.5)
        assert not (painting.lesion & ~painting.tissue).any()


def _enlarged(mask: np.ndarray) -> np.ndarray:
    return mask.repeat(MASK_STEP, axis=0).repeat(MASK_STEP, axis=1)


def test_glass_is_white_and_tissue_is_not(plans: list[PhantomSlide]) -> None:
    for plan in plans:
        result = paint(plan)
        around = _enlarged(ndimage.binary_dilation(result.tissue, iterations=4))
        within = _enlarged(ndimage.binary_erosion(result.tissue, iterations=2))
        glass = result.picture[~around].astype(float)
        assert np.abs(glass - plan.stain.glass).max() <= 13
        assert np.abs(glass.mean(axis=0) - plan.stain.glass).max() <= plan.stain.shade
        lost = np.array(plan.stain.glass) - result.picture[within].astype(float)
        assert (lost.max(axis=1) > 30).mean() > 0.5
        assert (~around).mean() > 0.05


def test_outside_of_the_tumour_not_a_pixel_changes(sick: PhantomSlide, painted: Painted) -> None:
    healthy = paint(replace(sick, tumour=None))
    assert np.array_equal(healthy.tissue, painted.tissue)
    assert not healthy.lesion.any()
    changed = (healthy.picture != painted.picture).any(axis=2)
    near = _enlarged(ndimage.binary_dilation(painted.lesion, iterations=5))
    assert not changed[~near].any()
    assert changed[_enlarged(painted.lesion)].mean() > 0.9


def test_the_tumour_is_darker_than_what_it_displaces() -> None:
    drawn = (draw(replace(SMALL, lesion_share=0.4), index) for index in range(SMALL.slides))
    plan = next(plan for plan in drawn if plan.tumour)
    plan = replace(plan, anatomy=replace(plan.anatomy, aggregates=()))
    with_it, without = paint(plan), paint(replace(plan, tumour=None))
    inside = _enlarged(ndimage.binary_erosion(with_it.lesion, iterations=2))
    dark = [(p.picture[inside][:, 0] < 0.55 * plan.stain.glass[0]).mean() for p in (with_it, without)]
    assert dark[0] > 2 * dark[1] > 0


def test_coarser_pixels_show_the_same_cells_smaller() -> None:
    fine, coarse = (draw(replace(SMALL, spacing=s), 1) for s in (0.5, 1.0))
    assert fine.anatomy.gland_pitch == coarse.anatomy.gland_pitch
    assert coarse.um == 1.0 == fine.um / 2
    assert paint(coarse).spacing == Spacing(8.0, 8.0)


def test_textures_repeat_without_a_seam() -> None:
    collagen = textures(SMALL.seed, SMALL.spacing).collagen
    assert np.array_equal(
        collagen.window(-3, 5, 40), collagen.window(collagen.period - 3, 5 - collagen.period, 40)
    )
    steps = np.abs(np.diff(collagen.grey[: collagen.period + 1].astype(int), axis=0)).mean(axis=1)
    assert steps[-1] < steps.mean() + 4 * steps.std()


# ---------------------------------------------------------------- cohorts


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cohort(SMALL, tmp_path_factory.mktemp("phantoms"), workers=2)


def test_a_cohort_can_be_read_as_any_other(cohort: Path, plans: list[PhantomSlide]) -> None:
    table = read_cohort(cohort, "label", check_files=True).table
    assert table["slide"].tolist() == [plan.slide for plan in plans]
    assert table["label"].tolist() == [plan.label for plan in plans]
    assert table["site"].tolist() == [plan.site for plan in plans]
    assert set(table.columns) == {"patient", "slide", "path", "site", "label"}


def test_slides_show_what_was_painted(cohort: Path, sick: PhantomSlide, painted: Painted) -> None:
    with open_slide(cohort.parent / "slides" / f"{sick.slide}.tiff") as slide:
        assert slide.size == sick.size
        assert astuple(slide.spacing) == pytest.approx(astuple(sick.spacing))
        picture = slide.read(Box.whole(slide.size), sick.spacing)
    assert np.abs(picture.astype(int) - painted.picture).mean() < 6
    for name in ("lesion", "tissue"):
        with Image.open(cohort.parent / "truth" / f"{sick.slide}.{name}.png") as mask:
            assert np.array_equal(np.asarray(mask).astype(bool), getattr(painted, name))
    assert load(PhantomSlide, cohort.parent / "truth" / f"{sick.slide}.plan.json") == sick


def test_running_again_paints_only_what_is_missing(cohort: Path) -> None:
    slides = sorted((cohort.parent / "slides").iterdir())
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in slides}
    slides[0].unlink()
    assert make_cohort(SMALL, cohort.parent, workers=1) == cohort
    assert sorted((cohort.parent / "slides").iterdir()) == slides
    assert all(path.read_bytes() == content for path, (_, content) in before.items())
    assert [path for path in slides if path.stat().st_mtime_ns != before[path][0]] == slides[:1]


def test_a_folder_belongs_to_one_recipe(cohort: Path) -> None:
    with pytest.raises(RunError, match="lesion_share"):
        make_cohort(replace(SMALL, lesion_share=0.2), cohort.parent)
