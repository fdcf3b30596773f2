"""The user's own tiles, planted into the user's own slides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from histopress.core.errors import RecipeError
from histopress.core.geometry import Box, Size, Spacing
from histopress.data.cohort import read_cohort
from histopress.data.slide import open_slide
from histopress.data.write_slide import write_slide
from histopress.studies.planted_slides import plant_slides
from histopress.studies.planted_slides_recipe import PlantSlidesRecipe
from histopress.studies.planted_tiles import MASK_STEP, lay_tiles, rows_with

SIZE, SPACING = Size(1200, 960), Spacing.square(0.5)
RECIPE = PlantSlidesRecipe(o2i=0.05, tile_spacing=0.5, feather=0, match_stain=False, quality=100)
PINK = np.array((205.0, 120.0, 170.0))
GREEN, BLUE = (40, 200, 60), (60, 60, 220)
SIDE = 64


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four slides: a rectangle of pink, speckled tissue on glass."""
    folder = tmp_path_factory.mktemp("slides")
    for number in range(4):
        random = np.random.default_rng(number)
        picture = np.full((SIZE.height, SIZE.width, 3), 245, np.uint8)
        tissue = picture[160:800, 160:1056]
        tissue[:] = np.clip(PINK + random.normal(0, 22, (*tissue.shape[:2], 1)), 0, 255)
        write_slide(folder / f"s{number}.tiff", SIZE, SPACING, picture, quality=100)
    return folder


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiles of one colour, no two of quite the same."""
    folders = {}
    for name, colour in {"signal": GREEN, "decoys": BLUE}.items():
        folders[name] = tmp_path_factory.mktemp(name)
        for number in range(8):
            shade = np.full((SIDE, SIDE, 3), colour, np.uint8) + np.uint8(number)
            Image.fromarray(shade).save(folders[name] / f"{number}.png")
    return folders


@pytest.fixture(scope="module")
def planted(slides: Path, tiles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("planted")
    summary = plant_slides([slides], tiles["signal"], tiles["decoys"], output, RECIPE)
    assert not summary.failures.items and (summary.slides, summary.positive) == (4, 2)
    return output


def pixels(path: Path) -> np.ndarray:
    with open_slide(path) as slide:
        return np.asarray(slide.read(Box.whole(SIZE), SPACING))


def near(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a picture is of about this colour."""
    return np.asarray(np.abs(picture.astype(int) - colour).max(axis=2) < 25)


def test_what_is_planted_is_where_the_mask_says_and_as_large_as_asked(planted: Path) -> None:
    table = pd.read_csv(planted / "cohort.csv", dtype=str, keep_default_na=False)
    assert sorted(table["label"]) == ["negative", "negative", "positive", "positive"]
    for row in table.to_dict("records"):
        picture = pixels(planted / row["path"])
        mask = np.asarray(Image.open(planted / "truth" / f"{row['slide']}.lesion.png"))
        shown = near(picture, GREEN if row["label"] == "positive" else BLUE)
        assert not near(picture, BLUE if row["label"] == "positive" else GREEN).any()
        assert shown.sum() == pytest.approx(mask.sum() * MASK_STEP**2, rel=0.04)
        tissue = 640 * 896
        assert shown.sum() / tissue == pytest.approx(0.05, abs=SIDE**2 / tissue)
        assert bool(row["annotation"]) == (row["label"] == "positive")


def test_outside_of_it_the_slide_is_as_it_was(slides: Path, planted: Path) -> None:
    before, after = (pixels(folder / "s1.tiff").astype(int) for folder in (slides, planted / "slides"))
    outside = ~(near(after, GREEN) | near(after, BLUE))
    assert np.abs(before - after)[outside].mean() < 1.5  # coded once more


def test_the_table_is_a_cohort(planted: Path) -> None:
    cohort = read_cohort(planted / "cohort.csv", "label", check_files=True)
    assert len(cohort.table) == 4


def test_asked_twice_nothing_is_done_again_and_another_recipe_is_refused(
    slides: Path, tiles: dict[str, Path], planted: Path
) -> None:
    before = {p: p.stat().st_mtime_ns for p in (planted / "slides").iterdir()}
    again = plant_slides([slides], tiles["signal"], tiles["decoys"], planted, RECIPE)
    assert again.tiles > 0 and before == {p: p.stat().st_mtime_ns for p in (planted / "slides").iterdir()}
    with pytest.raises(Exception, match="o2i"):
        plant_slides([slides], tiles["signal"], tiles["decoys"], planted, replace(RECIPE, o2i=0.1))


def test_a_slide_that_cannot_be_read_stops_no_other(
    slides: Path, tiles: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "bad.tiff").write_bytes(b"no slide")
    summary = plant_slides(
        [slides / "s0.tiff", tmp_path / "bad.tiff"], tiles["signal"], None, tmp_path / "out", RECIPE
    )
    assert summary.slides == 1 and [f.item for f in summary.failures] == ["bad"]
    assert "bad" in (tmp_path / "out" / "failures.csv").read_text()


@pytest.mark.parametrize(
    ("recipe", "message"),
    [(replace(RECIPE, tile_spacing=0.0), "tile_spacing is 0.0"), (RECIPE, "holds no pictures of tiles")],
)
def test_missing_spacing_and_missing_tiles_are_errors(
    slides: Path, tmp_path: Path, recipe: PlantSlidesRecipe, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        plant_slides([slides], tmp_path, None, tmp_path / "out", recipe)


def test_tiles_fade_into_the_slide(slides: Path, tiles: dict[str, Path], tmp_path: Path) -> None:

    recipe = replace(RECIPE, feather=8, o2i=1e-4)
    with open_slide(slides / "s0.tiff") as slide:
        laid = lay_tiles(slide, sorted(tiles["signal"].iterdir()), recipe, np.random.default_rng(0))
        whole = rows_with(slide, laid, recipe, 0, SIZE.height)
        parts = np.concatenate([rows_with(slide, laid, recipe, y, y + 96) for y in range(0, SIZE.height, 96)])
    assert np.array_equal(whole, parts)
    (tile,) = laid
    row = whole[tile.y + SIDE // 2, tile.x : tile.x + SIDE // 2].astype(int)
    greener = (row[:, 1] - row[:, 0]) > 100
    assert not greener[:2].any() and greener[12:].all()


def test_tiles_take_the_hue_of_the_tissue_and_keep_their_darkness(
    slides: Path, tiles: dict[str, Path]
) -> None:

    recipe = replace(RECIPE, match_stain=True, o2i=1e-4)
    with open_slide(slides / "s0.tiff") as slide:
        (tile,) = lay_tiles(slide, sorted(tiles["signal"].iterdir()), recipe, np.random.default_rng(0))
    red, green, blue = tile.pixels.reshape(-1, 3).mean(axis=0)
    assert red > blue > green  # pink, as the tissue; the tile was green
    density = -np.log((tile.pixels + 1.0) / 256).mean()
    assert density == pytest.approx(-np.log((np.array(GREEN) + 4.5) / 256).mean(), rel=0.1)


def test_all_slides_of_a_patient_have_one_label_and_tiles_of_their_own(
    slides: Path, tiles: dict[str, Path], tmp_path: Path
) -> None:
    given = pd.DataFrame(
        {
            "patient": ["a", "a", "b", "c"],
            "slide": [f"s{n}" for n in range(4)],
            "path": [str(slides / f"s{n}.tiff") for n in range(4)],
        }
    )
    given.to_csv(tmp_path / "given.csv", index=False)
    recipe = replace(RECIPE, prevalence=0.67, seed=2)
    plant_slides([tmp_path / "given.csv"], tiles["signal"], None, tmp_path / "out", recipe)
    table = pd.read_csv(tmp_path / "out" / "cohort.csv")
    assert table["patient"].tolist() == ["a", "a", "b", "c"]
    assert (table.groupby("patient")["label"].nunique() == 1).all()
    assert table.drop_duplicates("patient")["label"].tolist().count("positive") == 2
