"""Crops of annotated slides: lesions as drawn, parts without leaks, nothing else that tells the classes."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from histopress.core.errors import CohortError, PatchError, RecipeError, RunError
from histopress.core.geometry import Size, Spacing
from histopress.data.outlines import Ring, trace
from histopress.data.slide import open_slide
from histopress.data.write_slide import write_slide
from histopress.metrics.scores import auroc
from histopress.studies.ncamelyon import CamelyonCrops, ncamelyon
from histopress.studies.ncamelyon_lesions import connected
from histopress.studies.ncamelyon_plan import NcamelyonSummary, plan_crops
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe
from histopress.studies.ncamelyon_tiles import CamelyonTiles, write_tiles
from histopress.studies.phantom import PhantomRecipe, make_cohort
from histopress.studies.pictures import Pictures, Sample, balanced

Bools = NDArray[np.bool_]

ROWS, COLS = 300, 420
"""Px of 2 um of every slide."""

STEP_X, STEP_Y = 2, 4
"""Level-0 px of 1 x 0.5 um."""

Y, X = np.mgrid[:ROWS, :COLS]
TISSUE = ((Y - ROWS / 2) / (0.46 * ROWS)) ** 2 + ((X - COLS / 2) / (0.47 * COLS)) ** 2 < 1

SIZE = 40
SITES = (0, 1, 3, 3, 4, 4)


@dataclass(frozen=True)
class Made:
    """A cohort, and the truth about it by slide: px that are lesion, and px that were never scanned."""

    folder: Path
    lesion: dict[str, Bools]
    unscanned: dict[str, Bools]

    def recipe(self, **settings: Any) -> NcamelyonRecipe:
        given = {"low": 0.05, "high": 0.3, "per_lesion": 12, "per_slide": 60, "size": SIZE, **settings}
        return NcamelyonRecipe(cohort=self.folder / "cohort.csv", plans=self.folder / "plans", **given)


def spots(random: np.random.Generator, inside: Bools) -> Bools:
    """Round lesions of 4 to 14 px of radius, deep in the tissue."""
    mask = np.zeros((ROWS, COLS), bool)
    for radius in (4, 7, 9, 11, 14):
        away = random.uniform(0, 0.55), random.uniform(0, 2 * np.pi)
        centre = (
            ROWS * (0.5 + 0.4 * away[0] * np.sin(away[1])),
            COLS * (0.5 + 0.4 * away[0] * np.cos(away[1])),
        )
        mask |= np.hypot(Y - centre[0], X - centre[1]) < radius
    return mask & inside


def paint(path: Path, random: np.random.Generator, tissue: Bools, void: Bools, colour: int) -> None:
    """Rough tissue, all of one law, on calm glass; lesions are drawn on the map and not in the picture."""
    fine = (ROWS * STEP_Y, COLS * STEP_X, 1)
    noise = random.standard_normal(fine, np.float32)
    rough, glass = noise * np.float32([12, 18, 10]), noise + np.float32([241, 240, 242])
    rough += np.float32([190, 130, 180])
    shown = [mask.repeat(STEP_Y, 0).repeat(STEP_X, 1)[..., None] for mask in (tissue, void)]
    pixels = np.where(shown[1], colour, np.where(shown[0], rough, glass)).clip(0, 255).astype(np.uint8)
    write_slide(path, Size(COLS * STEP_X, ROWS * STEP_Y), Spacing(1.0, 0.5), pixels, subsampling="444")


def corners(ring: Ring) -> list[list[float]]:
    points = (ring * (STEP_X, STEP_Y)).tolist()
    return [*points, points[0]]


def write_geojson(path: Path, mask: Bools) -> None:
    shapes = [{"type": "Polygon", "coordinates": [corners(p.outer)]} for p in trace(mask)]
    kind = {"classification": {"name": "Tumor"}}
    features = [{"type": "Feature", "geometry": shape, "properties": kind} for shape in shapes]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def write_asap(path: Path, mask: Bools) -> None:
    drawn = "".join(
        '<Annotation Name="a" Type="Polygon" PartOfGroup="metastases"><Coordinates>'
        + "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate(corners(p.outer)))
        + "</Coordinates></Annotation>"
        for p in trace(mask)
    )
    path.write_text(f"<ASAP_Annotations><Annotations>{drawn}</Annotations></ASAP_Annotations>")


def write_mask(path: Path, mask: Bools) -> None:
    mask = mask.repeat(STEP_Y // STEP_X, 0)  # of px as the slide has them
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(path)


WRITERS = {".png": write_mask, ".xml": write_asap, ".geojson": write_geojson}


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    pd.DataFrame(rows).to_csv(path, index=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Six slides of four sites; every other one has lesions, in all formats; not all are scanned whole."""
    folder = tmp_path_factory.mktemp("ncamelyon")
    lesion, unscanned, rows = {}, {}, []
    for number, site in enumerate(SITES):
        random = np.random.default_rng(number)
        name = f"slide-{number}"
        unscanned[name] = (X >= 256) & (X < 384) & (number in (1, 2, 4, 5))  # one stored tile
        paint(folder / f"{name}.tiff", random, TISSUE, unscanned[name], 0 if number in (1, 4) else 255)
        row = {"patient": f"p{number}", "slide": name, "path": f"{name}.tiff", "site": site, "annotation": ""}
        if number % 2 == 0:
            lesion[name] = spots(random, TISSUE)
            suffix = list(WRITERS)[number // 2]
            WRITERS[suffix](folder / f"{name}{suffix}", lesion[name])
            row["annotation"] = f"{name}{suffix}"
        rows.append(row)
    write_table(folder / "cohort.csv", rows)
    return Made(folder, lesion, unscanned)


def rows_elsewhere(made: Made) -> list[dict[str, Any]]:
    """Rows of the table that hold in any folder."""
    table = pd.read_csv(made.folder / "cohort.csv").fillna("")
    for column in ("path", "annotation"):
        table[column] = [str(made.folder / cell) if cell else "" for cell in table[column]]
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


@pytest.fixture(scope="module")
def planned(made: Made) -> NcamelyonSummary:
    return plan_crops(made.recipe())


def plan_of(summary: NcamelyonSummary) -> pd.DataFrame:
    return pd.read_parquet(Path(str(summary.output)) / "plan.parquet")


def drawn_of(summary: NcamelyonSummary) -> pd.DataFrame:
    files = sorted(Path(str(summary.output)).glob("slides/*.crops.parquet"))
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def window(mask: NDArray[Any], crop: Any) -> NDArray[Any]:
    return mask[crop.row : crop.row + SIZE, crop.col : crop.col + SIZE]


def test_crops_hold_a_whole_lesion_and_as_much_as_the_band_says(
    made: Made, planned: NcamelyonSummary
) -> None:
    crops = drawn_of(planned)
    assert set(crops["slide"]) == {f"slide-{n}" for n in range(6)}
    for crop in crops[crops["label"] == 1].itertuples():
        truth = window(made.lesion[crop.slide], crop)
        assert crop.share == pytest.approx(truth.mean()) and 0.05 <= crop.share <= 0.3
        whole = connected(made.lesion[crop.slide])[crop.lesion]
        assert crop.row <= whole.top and whole.top + whole.height <= crop.row + SIZE
        assert crop.col <= whole.left and whole.left + whole.width <= crop.col + SIZE
    negative = crops[crops["label"] == 0]
    assert (negative["share"] == 0).all() and not set(negative["slide"]) & set(made.lesion)


def test_limits_of_each_lesion_and_slide_and_different_places(planned: NcamelyonSummary) -> None:
    crops = drawn_of(planned)
    lesions = crops[crops["label"] == 1].groupby(["slide", "lesion"]).size()
    assert lesions.max() == 12 and crops[crops["label"] == 0].groupby("slide").size().tolist() == [60] * 3
    assert not crops.duplicated(["slide", "lesion", "row", "col"]).any()
    told = pd.read_csv(Path(str(planned.output)) / "lesions.csv").fillna("")
    counted = lesions.reindex(pd.MultiIndex.from_frame(told[["slide", "lesion"]]), fill_value=0)
    assert told["crops"].tolist() == counted.tolist()
    assert ((told["why"] == "") == (told["crops"] > 0)).all()
    assert "too large for the band" in set(told["why"])


def test_both_classes_are_held_to_the_same_rules(made: Made, planned: NcamelyonSummary) -> None:
    for crop in drawn_of(planned).itertuples():
        assert not window(made.unscanned[crop.slide], crop).any()
        assert 0 <= crop.row <= ROWS - SIZE and 0 <= crop.col <= COLS - SIZE
        assert crop.green <= 200 and crop.tissue >= 0.05


@pytest.mark.parametrize("part", ["train", "tuning", "test"])
def test_parts_are_balanced_at_every_share_of_glass(planned: NcamelyonSummary, part: str) -> None:
    plan = plan_of(planned)
    own = plan[plan["part"] == part]
    counts = own.groupby(["stratum", "label"]).size().unstack()
    assert (counts[0] == counts[1]).all()
    assert len(own) == planned.parts[part]["crops"] >= 20


def test_no_slide_patient_or_site_on_two_sides(planned: NcamelyonSummary) -> None:
    plan = plan_of(planned)
    for column in ("slide", "patient", "site"):
        assert (plan.groupby(column)["part"].nunique() == 1).all()
    assert set(zip(plan["site"], plan["part"], strict=True)) == {
        ("0", "train"),
        ("1", "train"),
        ("3", "tuning"),
        ("4", "test"),
    }


def test_nothing_but_the_lesion_tells_the_classes(made: Made, planned: NcamelyonSummary) -> None:
    """These lesions cannot be seen: whatever tells the classes is a mistake in how crops are drawn."""

    def by_glass(crops: pd.DataFrame) -> float:
        """AUROC by the true share of tissue."""
        share = [window(TISSUE, crop).mean() for crop in crops.itertuples()]
        return float(auroc(crops["label"] == 1, share)[0])

    plan = plan_of(planned)
    for part, told in planned.parts.items():
        own = plan[plan["part"] == part]
        assert abs(by_glass(own) - 0.5) < 0.02 and abs(told["cues"]["dark"] - 0.5) < 0.02
        around = own.groupby("label")["around"].mean()
        assert abs(around[1] - around[0]) < 0.1  # of 256 levels; slides differ by as much
    assert by_glass(drawn_of(planned)) > 0.6  # lesions lie deep in tissue
    assert by_glass(plan_of(plan_crops(made.recipe(strata=1)))) > 0.6


def test_pictures_are_those_of_the_slides(made: Made, planned: NcamelyonSummary) -> None:
    pictures = ncamelyon(made.recipe())
    assert isinstance(pictures, Pictures) and pictures.shape == (SIZE, SIZE, 3)
    assert len(pictures) == planned.parts["train"]["crops"] == 2 * pictures.labels.sum()
    assert pictures.o2i == pytest.approx((0.05 * 0.3) ** 0.5)
    for index in (0, len(pictures) - 1):
        crop, sample = pictures.table.iloc[index], pictures.draw(index)
        with open_slide(made.folder / f"{crop['slide']}.tiff") as slide:
            whole = slide.thumbnail(Spacing.square(2.0))
        assert sample.picture.dtype == np.uint8
        assert (sample.picture == window(whole, crop)).all()
    for index in range(len(pictures)):
        crop, mask = pictures.table.iloc[index], pictures.mask(index)
        truth = made.lesion.get(crop["slide"], np.zeros((ROWS, COLS), bool))
        assert (mask == window(truth, crop)).all()
    assert len(balanced(pictures, 10, seed=0)) == 10


def test_boxes_are_those_of_the_lesions(made: Made) -> None:
    pictures = ncamelyon(made.recipe())
    for index in np.flatnonzero(pictures.labels)[::5]:
        mask, boxes = pictures.mask(index), pictures.draw(index).boxes
        covered = np.zeros_like(mask)
        for top, left, height, width in boxes:
            covered[top : top + height, left : left + width] = True
            assert mask[top : top + height, left : left + width].any()
        assert not (mask & ~covered).any() and boxes.dtype == np.int64
    assert pictures.draw(int(np.flatnonzero(pictures.labels == 0)[0])).boxes.shape == (0, 4)


def test_the_same_plan_in_other_processes_and_any_order(
    made: Made, planned: NcamelyonSummary, tmp_path: Path
) -> None:
    write_table(tmp_path / "other.csv", rows_elsewhere(made)[::-1])
    recipe = replace(made.recipe(), cohort=tmp_path / "other.csv", plans=tmp_path)
    again = plan_crops(recipe, processes=2)
    for name in ("plan.csv", "lesions.csv", "summary.json"):
        assert (Path(str(again.output)) / name).read_text() == (Path(str(planned.output)) / name).read_text()
    here, there = ncamelyon(made.recipe()), pickle.loads(pickle.dumps(ncamelyon(recipe)))
    assert here.identity == there.identity
    assert (here.draw(3).picture == there.draw(3).picture).all()
    assert ncamelyon(made.recipe(part="test")).identity != here.identity


def test_the_seed_draws_anew(made: Made, planned: NcamelyonSummary) -> None:
    other = plan_of(plan_crops(made.recipe(seed=5)))
    places = [set(zip(p["slide"], p["row"], p["col"], strict=True)) for p in (plan_of(planned), other)]
    assert len(places[0] & places[1]) < 0.1 * len(places[0])


def test_slides_that_fail_are_listed_stop_no_other_and_are_tried_again(
    made: Made, planned: NcamelyonSummary, tmp_path: Path
) -> None:
    (tmp_path / "copy.tiff").write_bytes((made.folder / "slide-1.tiff").read_bytes())
    (tmp_path / "broken.xml").write_text("<ASAP_Annotations>")
    broken = {"patient": "x", "slide": "copy", "path": "copy.tiff", "site": 1, "annotation": "broken.xml"}
    absent = {"patient": "y", "slide": "absent", "path": "absent.tiff", "site": 3, "annotation": ""}
    write_table(tmp_path / "cohort.csv", [broken, absent, *rows_elsewhere(made)])
    recipe = replace(made.recipe(), cohort=tmp_path / "cohort.csv", plans=tmp_path)
    summary = plan_crops(recipe)
    assert [Path(f.item).name for f in summary.failures] == ["absent.tiff", "copy.tiff"]
    assert "broken.xml: not ASAP annotations" in summary.failures.items[1].reason
    pd.testing.assert_frame_equal(drawn_of(summary), drawn_of(planned))
    assert len(plan_crops(recipe).failures) == 2  # not taken for done


def test_a_plan_that_is_done_is_not_drawn_again(
    made: Made, planned: NcamelyonSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("histopress.studies.ncamelyon_plan.draw_crops", None)
    again = plan_crops(made.recipe(part="test"))
    assert again.facts == planned.facts and again.headline == planned.headline


def test_lesion_free_crops_of_slides_with_lesions(made: Made) -> None:
    crops = drawn_of(plan_crops(made.recipe(lesion_free="all", per_slide=20)))
    free = crops[crops["label"] == 0]
    assert set(free["slide"]) == {f"slide-{n}" for n in range(6)}
    for crop in free[free["slide"].isin(list(made.lesion))].itertuples():
        assert not window(made.lesion[crop.slide], crop).any()


def test_without_a_lesion_in_the_band_it_says_which_there_are(made: Made) -> None:
    with pytest.raises(
        PatchError, match=r"part train: .* 5 lesions of \d+ to \d+ px, .* of a crop: 5 too large"
    ):
        plan_crops(made.recipe(size=16, low=0.0001, high=0.001))


def test_a_slide_under_two_names_is_not_on_two_sides(made: Made, tmp_path: Path) -> None:
    (tmp_path / "copy.tiff").write_bytes((made.folder / "slide-1.tiff").read_bytes())
    copy = {"patient": "other", "slide": "copy", "path": "copy.tiff", "site": 4, "annotation": ""}
    write_table(tmp_path / "cohort.csv", [rows_elsewhere(made)[1], copy])
    recipe = replace(made.recipe(), cohort=tmp_path / "cohort.csv", plans=tmp_path)
    with pytest.raises(CohortError, match=r"'copy' \(test\) and 'slide-1' \(train\) are the same file"):
        plan_crops(recipe)


def test_a_part_without_sites_cannot_be_drawn_from(made: Made) -> None:
    with pytest.raises(RecipeError, match="part 'tuning' has no site"):
        ncamelyon(made.recipe(tuning=(), part="tuning"))


def test_tiles_hold_the_same_pixels_and_are_resumed(made: Made, tmp_path: Path) -> None:
    pictures = ncamelyon(made.recipe(part="tuning"))
    summary = write_tiles(pictures, tmp_path)
    tiles = CamelyonTiles(tmp_path / "tuning")
    assert isinstance(tiles, Pictures) and summary.tiles == len(tiles) == len(pictures)
    assert (tiles.identity, tiles.shape, tiles.o2i) == (pictures.identity, pictures.shape, pictures.o2i)
    assert (tiles.labels == pictures.labels).all()
    for index in range(0, len(tiles), 7):
        one, other = tiles.draw(index), pictures.draw(index)
        assert (one.picture == other.picture).all() and (one.boxes == other.boxes).all()
    assert {p.parent.name for p in (tmp_path / "tuning").rglob("*.png")} == {"normal", "lesion"}
    assert len(list((tmp_path / "masks").rglob("*.png"))) == pictures.labels.sum()


def test_tiles_are_whole_or_resumed_and_of_one_plan(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = ncamelyon(made.recipe(part="tuning"))
    drawn: list[int] = []
    original = CamelyonCrops.draw

    def failing_once(self: CamelyonCrops, index: int) -> Sample:
        drawn.append(index)
        if index == 4 and drawn.count(4) == 1:
            raise PatchError("cannot be read; try again")
        return original(self, index)

    monkeypatch.setattr(CamelyonCrops, "draw", failing_once)
    assert len(write_tiles(pictures, tmp_path).failures) == 1
    with pytest.raises(RunError, match="not complete"):
        len(CamelyonTiles(tmp_path / "tuning"))
    assert not len(write_tiles(pictures, tmp_path).failures)
    assert drawn == [*range(len(pictures)), 4]  # the others were kept
    assert len(CamelyonTiles(tmp_path / "tuning")) == len(pictures)
    with pytest.raises(RunError, match="holds another run"):
        write_tiles(ncamelyon(made.recipe(part="tuning", seed=5)), tmp_path)


def test_phantoms_give_crops_with_tumour(tmp_path: Path) -> None:
    small = PhantomRecipe(
        slides=4, width=(640, 720), height=(512, 560), spacing=2.0, lesion_share=0.05, foci=(3, 5), seed=3
    )
    path = make_cohort(small, tmp_path / "phantoms", workers=1)
    table = pd.read_csv(path)
    table["annotation"] = [
        f"truth/{s}.lesion.png" if label == "tumour" else ""
        for s, label in zip(table["slide"], table["label"], strict=True)
    ]
    table.to_csv(path, index=False)
    recipe = NcamelyonRecipe(
        path, tmp_path, size=64, low=0.02, high=0.5, train=("east",), tuning=(), test=("west",)
    )
    pictures = ncamelyon(recipe)
    assert len(pictures) >= 20 and pictures.table["site"].unique().tolist() == ["east"]
    for index in np.flatnonzero(pictures.labels):
        crop = pictures.table.iloc[index]
        with Image.open(path.parent / "truth" / f"{crop['slide']}.lesion.png") as truth:
            tumour = np.asarray(truth)  # of px that are 8 px wide
        rows, cols = (np.arange(64) + crop[name] for name in ("row", "col"))
        assert (pictures.mask(int(index)) == tumour[np.ix_(rows // 8, cols // 8)]).all()
    greens = [pictures.draw(index).picture[..., 1].mean() for index in range(len(pictures))]
    assert np.allclose(greens, pictures.table["green"])
