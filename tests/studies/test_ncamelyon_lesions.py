"""Annotations as lesions on a lattice: names, cuts, values, places; the three formats agree."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histopress.core.errors import PatchError
from histopress.data.slide import open_slide
from histopress.data.tiles import lay_lattice
from histopress.studies.ncamelyon_lesions import Lesion, Lesions, connected, read_lesions
from histopress.studies.ncamelyon_looks import Window
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe

HEIGHT, WIDTH = 240, 320


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 150, np.uint8)).save(tmp_path / "a.png")
    return tmp_path


def read(path: Path, recipe: NcamelyonRecipe | None = None, um: float = 2.0) -> Lesions:
    with open_slide(path.parent / "a.png", 0.5) as slide:
        return read_lesions(path, slide, lay_lattice(slide, um, 1, 0.0), recipe or NcamelyonRecipe())


def square(left: float, top: float, side: float) -> list[list[float]]:
    return [[left, top], [left + side, top], [left + side, top + side], [left, top + side], [left, top]]


def geojson(path: Path, **regions: list[list[float]]) -> Path:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"classification": {"name": name}},
        }
        for name, ring in regions.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_names_and_cuts(folder: Path) -> None:
    drawn = geojson(
        folder / "a.geojson",
        Tumor=square(40, 80, 80),
        Exclusion=square(60, 100, 20),
        Stroma=square(200, 40, 40),
    )
    everything = read(drawn)
    assert everything.found() == [
        Lesion(area=100, top=10, left=50, height=10, width=10),
        Lesion(area=400 - 25, top=20, left=10, height=20, width=20),
    ]
    named = read(drawn, NcamelyonRecipe(lesions=("Tumor",)))
    assert [lesion.area for lesion in named.found()] == [375] and (named.top, named.left) == (20, 10)
    assert read(drawn, NcamelyonRecipe(lesions=("Tumor",), cut=())).mask.all()


def test_a_picture_of_labels_at_any_resolution_agrees_with_outlines(folder: Path) -> None:
    outlines = read(geojson(folder / "a.geojson", Tumor=square(40, 80, 80)))
    for step in (1, 2, 4, 8):
        labels = np.zeros((HEIGHT // step, WIDTH // step), np.uint8)
        labels[80 // step : 160 // step, 40 // step : 120 // step] = 2
        labels[: 40 // step, : 40 // step] = 1
        Image.fromarray(labels).save(folder / "labels.png")
        painted = read(folder / "labels.png", NcamelyonRecipe(values=(2,)))
        assert painted.found() == outlines.found() and (painted.top, painted.left) == (20, 10)
        assert [lesion.area for lesion in read(folder / "labels.png").found()] == [100, 400]


def test_windows_show_lesions_wherever_they_lie(folder: Path) -> None:
    lesions = read(geojson(folder / "a.geojson", Tumor=square(40, 80, 80)))
    whole = lesions.window(Window(0, 0, 60, 80))
    assert whole.sum() == 400 and whole[20:40, 10:30].all()
    for top, left, rows, cols in (
        (0, 0, 20, 80),
        (25, 5, 10, 12),
        (39, 29, 5, 6),
        (50, 70, 30, 30),
        (0, 0, 9, 9),
    ):
        seen = np.pad(whole, 40)[40 + top : 40 + top + rows, 40 + left : 40 + left + cols]
        assert (lesions.window(Window(top, left, rows, cols)) == seen).all()


def test_lesions_that_touch_by_a_corner_are_one() -> None:
    mask = np.zeros((6, 9), bool)
    mask[1, 1] = mask[2, 2] = mask[4, 7] = True
    assert [lesion.area for lesion in connected(mask)] == [2, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("absent", "there is no such file"),
        ("{", "not GeoJSON"),
        ('{"type": "FeatureCollection", "features": []}', r"no px of 2 um is lesion; found no regions"),
    ],
)
def test_what_is_wrong_with_a_file(folder: Path, content: str, message: str) -> None:
    if content != "absent":
        (folder / "b.geojson").write_text(content)
    with pytest.raises(PatchError, match=message):
        read(folder / "b.geojson")


def test_regions_of_another_slide_or_name_and_empty_masks(folder: Path) -> None:
    with pytest.raises(PatchError, match=r"100% of the points .* another slide"):
        read(geojson(folder / "b.geojson", Tumor=square(4000, 8000, 80)))
    with pytest.raises(PatchError, match="found regions Stroma; mend `lesions`"):
        read(geojson(folder / "b.geojson", Stroma=square(0, 0, 9)), NcamelyonRecipe(lesions=("Tumor",)))
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(folder / "b.png")
    with pytest.raises(PatchError, match="found values 0; mend"):
        read(folder / "b.png")
