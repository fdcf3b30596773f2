"""The verb `mask`: every slide is tried, and what it leaves behind."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histopress.core.errors import CohortError
from histopress.core.geometry import Size, Spacing
from histopress.core.recipe import load, save
from histopress.data.mask_files import read_mask
from histopress.data.masks import OUTLINE, OVERVIEW_PX, MaskRecipe, write_masks
from histopress.data.tissue import TissueRecipe
from histopress.data.write_slide import write_slide

SIZE, STORED = Size(2600, 1400), Spacing(0.5, 0.5)


def picture() -> np.ndarray:
    """Textured tissue in the left half of the slide, on glass."""
    pixels = np.full((*SIZE.shape, 3), 242, np.uint8)
    texture = (
        np.random.default_rng(0).uniform(0.6, 1.4, (SIZE.height // 10, 100, 1)).repeat(10, 0).repeat(10, 1)
    )
    pixels[200:1200, 200:1200] = (242 * 10 ** -(texture[200:1200] * [0.1, 0.35, 0.15])).astype(np.uint8)
    return pixels


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slides") / "case 1.ome.tif"
    write_slide(path, SIZE, STORED, picture())
    return path


def failures(folder: Path) -> list[dict[str, str]]:
    with (folder / "failures.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_slide_gives_three_files_that_agree(slide: Path, tmp_path: Path) -> None:
    assert len(write_masks([slide.parent], tmp_path, MaskRecipe())) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "case 1.mask.geojson",
        "case 1.mask.png",
        "case 1.overlay.jpg",
        "failures.csv",
    ]
    png, geojson = (read_mask(tmp_path / f"case 1.mask.{kind}", SIZE, STORED) for kind in ("png", "geojson"))
    assert np.array_equal(png.mask, geojson.mask)
    assert png.area == pytest.approx(500 * 500, rel=0.08)
    assert failures(tmp_path) == []


def test_the_overlay_shows_the_outline_around_the_tissue(slide: Path, tmp_path: Path) -> None:
    write_masks([slide], tmp_path, MaskRecipe())
    shown = np.asarray(Image.open(tmp_path / "case 1.overlay.jpg")).astype(int)
    assert shown.shape == (round(SIZE.height * OVERVIEW_PX / SIZE.width), OVERVIEW_PX, 3)
    rows, cols = np.nonzero((abs(shown - OUTLINE) < 60).all(axis=-1))
    px = OVERVIEW_PX / SIZE.width
    bounds = np.array([rows.min(), rows.max(), cols.min(), cols.max()]) / px
    np.testing.assert_allclose(bounds, [200, 1200, 200, 1200], atol=60)
    assert not (abs(shown[500:700, 400:700] - OUTLINE) < 60).all(axis=-1).any()


def test_bad_slides_are_listed_and_do_not_stop_the_others(slide: Path, tmp_path: Path) -> None:
    broken, missing, plain = tmp_path / "broken.svs", tmp_path / "missing.svs", tmp_path / "plain.png"
    broken.write_bytes(b"no slide")
    Image.fromarray(picture()[:400, :600]).save(plain)
    output = tmp_path / "out"
    failed = write_masks([broken, plain, missing, slide], output, MaskRecipe())
    assert [f.item for f in failed] == [str(broken), str(plain), str(missing)]
    reasons = [row["reason"] for row in failures(output)]
    assert "of no known format" in reasons[0] and "states no spacing" in reasons[1]
    assert "there is no such file" in reasons[2]
    assert (output / "case 1.mask.png").exists() and not (output / "plain.mask.png").exists()


def test_a_spacing_can_be_given(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "plain.png")
    assert len(write_masks([tmp_path / "plain.png"], tmp_path / "out", MaskRecipe(spacing=0.7))) == 0
    mask = read_mask(tmp_path / "out" / "plain.mask.png", SIZE, Spacing.square(0.7))
    assert mask.area == pytest.approx(700 * 700, rel=0.08)


def test_the_recipe_is_obeyed_and_can_be_stored(slide: Path, tmp_path: Path) -> None:
    recipe = MaskRecipe(TissueRecipe(spacing=12.5, smallest=1e6))
    save(recipe, tmp_path / "recipe.toml")
    write_masks([slide], tmp_path / "out", load(MaskRecipe, tmp_path / "recipe.toml"))
    mask = read_mask(tmp_path / "out" / "case 1.mask.png", SIZE, STORED)
    assert mask.spacing == Spacing.square(12.5)
    assert not mask.mask.any()


def test_running_twice_changes_nothing_and_own_files_are_no_slides(slide: Path, tmp_path: Path) -> None:
    target = tmp_path / slide.name
    target.write_bytes(slide.read_bytes())
    write_masks([tmp_path], tmp_path, MaskRecipe())
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert len(write_masks([tmp_path], tmp_path, MaskRecipe())) == 0
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_two_slides_of_one_name_are_refused_before_any_work(slide: Path, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="case 1"):
        write_masks([slide, tmp_path / "case 1.svs"], tmp_path / "out", MaskRecipe())
    assert not (tmp_path / "out").exists()


def test_the_recipe_imports_nothing_heavy() -> None:
    code = "import sys, histopress.data.masks; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "histopress.data.masks" in modules
    assert not {"torch", "pandas", "scipy", "PIL", "openslide", "matplotlib"} & set(modules)
