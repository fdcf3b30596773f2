"""Masks as PNG and GeoJSON: read, written, and back."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy import ndimage

from histopress.core.errors import MaskError
from histopress.core.geometry import Lattice, Size, Spacing
from histopress.data.mask_files import SPACING_KEY, read_mask, write_geojson, write_png
from histopress.data.tissue import TissueMask, TissueRecipe

STORED = Spacing(0.25, 0.26)
SIZE = Size(3000, 2050)  # 750 x 533 um: 93.75 x 66.6 px of 8 um
SHAPE = (67, 94)


def patches(seed: int = 0, shape: tuple[int, int] = SHAPE) -> NDArray[np.bool_]:
    values = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 3)
    return values > 0.02


def mask_of(values: NDArray[np.bool_]) -> TissueMask:
    return TissueMask(values, Spacing.square(8.0))


def save(path: Path, pixels: NDArray[Any]) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def save_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("name", ["m.png", "m.geojson", "m.json", "m.geojson.gz"])
@pytest.mark.parametrize(
    "values", [patches(), np.zeros(SHAPE, bool), np.ones(SHAPE, bool)], ids=["some", "none", "all"]
)
def test_what_is_written_is_read(name: str, values: NDArray[np.bool_], tmp_path: Path) -> None:
    path, mask = tmp_path / name, mask_of(values)
    if name == "m.png":
        write_png(mask, path)
    else:
        write_geojson(mask, path, STORED)
    back = read_mask(path, SIZE, STORED)
    assert back.spacing == mask.spacing
    assert np.array_equal(back.mask, mask.mask)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_geojson_of_another_spacing_comes_back_nearly_equal(tmp_path: Path) -> None:
    values = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal((170, 250)), 12) > 0
    mask = TissueMask(values, Spacing(3.0, 3.1))
    write_geojson(mask, tmp_path / "m.geojson", STORED)
    back = read_mask(tmp_path / "m.geojson", SIZE, STORED)
    lattice = Lattice.over(SIZE, STORED, 0.5, 37)
    difference = back.share(lattice, STORED) - mask.share(lattice, STORED)
    assert back.area == pytest.approx(mask.area, rel=0.01)
    assert abs(difference).mean() < 0.02


def test_geojson_is_what_qupath_opens(tmp_path: Path) -> None:
    values = np.zeros(SHAPE, bool)
    values[10:30, 20:60] = values[50:, 80:] = True
    values[15:20, 30:40] = False
    write_geojson(mask_of(values), tmp_path / "m.geojson", STORED, within=SIZE)
    content = json.loads((tmp_path / "m.geojson").read_text())
    assert content["type"] == "FeatureCollection"
    first, second = content["features"]
    for feature in (first, second):
        assert feature["type"] == "Feature" and feature["geometry"]["type"] == "Polygon"
        properties = feature["properties"]
        assert properties["objectType"] == "annotation"
        assert properties["name"] == properties["classification"]["name"] == "Tissue"
        for ring in feature["geometry"]["coordinates"]:
            assert ring[0] == ring[-1] and len(ring) >= 4
    outer, hole = (np.array(r) for r in first["geometry"]["coordinates"])
    um = 8.0
    assert outer.min(axis=0).tolist() == pytest.approx([20 * um / 0.25, 10 * um / 0.26], abs=0.01)
    assert hole.max(axis=0).tolist() == pytest.approx([40 * um / 0.25, 20 * um / 0.26], abs=0.01)
    assert np.array(second["geometry"]["coordinates"][0]).max(axis=0).tolist() == [SIZE.width, SIZE.height]


def rectangle(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


HOLED = {"type": "Polygon", "coordinates": [rectangle(320, 320, 1280, 960), rectangle(640, 480, 960, 800)]}
ALONE = {"type": "Polygon", "coordinates": [rectangle(1600, 320, 1920, 960)]}
BOTH = {"type": "MultiPolygon", "coordinates": [HOLED["coordinates"], ALONE["coordinates"]]}


def feature(geometry: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "id": "PathAnnotationObject", "geometry": geometry, "properties": {}}


@pytest.mark.parametrize(
    "content",
    [
        {"type": "FeatureCollection", "features": [feature(HOLED), feature(ALONE)]},
        [feature(HOLED), feature(ALONE)],
        feature(BOTH),
        BOTH,
        {"type": "GeometryCollection", "geometries": [HOLED, ALONE]},
        [feature(BOTH), feature({"type": "Point", "coordinates": [1, 2]})],
    ],
    ids=["collection", "list", "feature", "geometry", "geometries", "with a point"],
)
def test_every_form_of_geojson_is_read(content: Any, tmp_path: Path) -> None:
    expected = np.zeros((64, 94), bool)  # 0.25 um/px: 32 px to a px of the mask
    expected[10:30, 10:40] = expected[10:30, 50:60] = True
    expected[15:25, 20:30] = False
    path = save_json(tmp_path / "m.geojson", content)
    mask = read_mask(path, Size(3000, 2048), Spacing(0.25, 0.25))
    assert mask.spacing == Spacing.square(TissueRecipe().spacing)
    assert np.array_equal(mask.mask, expected)
    (tmp_path / "m.json.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert np.array_equal(
        read_mask(tmp_path / "m.json.gz", Size(3000, 2048), Spacing(0.25, 0.25)).mask, expected
    )


@pytest.mark.parametrize("shape", [(67, 94), (205, 300), (41, 60), (533, 750)])
def test_png_of_any_resolution_covers_the_slide(shape: tuple[int, int], tmp_path: Path) -> None:
    values = patches(2, shape)
    mask = read_mask(save(tmp_path / "m.png", values.astype(np.uint8)), SIZE, STORED)
    assert np.array_equal(mask.mask, values)
    assert mask.area / (3000 * 0.25 * 2050 * 0.26) == pytest.approx(values.mean())


@pytest.mark.parametrize("kind", ["bool", "uint16", "grey and alpha", "rgb", "rgba", "palette"])
def test_whatever_is_neither_black_nor_transparent_is_tissue(kind: str, tmp_path: Path) -> None:
    values = patches(3)
    level = np.where(values, 1, 0).astype(np.uint8)
    rgb = np.stack([0 * level, 7 * level, 0 * level], axis=-1)
    alpha = np.full((*SHAPE, 1), 255, np.uint8)
    pixels = {
        "bool": values,
        "uint16": level.astype(np.uint16) * 256,
        "grey and alpha": np.concatenate([level[..., None], alpha], axis=-1),
        "rgb": rgb,
        "rgba": np.concatenate([np.full_like(rgb, 9), 255 * level[..., None]], axis=-1),
        "palette": level,
    }[kind]
    picture = Image.fromarray(pixels)
    if kind == "palette":
        picture.putpalette([0, 0, 0, 200, 30, 60])
    picture.save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png", SIZE, STORED).mask, values)


def test_a_picture_made_smaller_is_read_though_it_tells_its_old_spacing(tmp_path: Path) -> None:
    told = PngInfo()
    told.add_text(SPACING_KEY, "8.0 8.0")
    small = Image.fromarray(patches().astype(np.uint8)).resize((47, 33))
    small.save(tmp_path / "m.png", pnginfo=told)
    mask = read_mask(tmp_path / "m.png", SIZE, STORED)
    assert np.array_equal(mask.mask, np.asarray(small) > 0)
    assert mask.spacing.x == pytest.approx(750 / 47)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("m.png", b"no picture", "not a readable PNG"),
        ("m.png", None, "no such mask"),
        ("m.tif", b"II*", "expected .png"),
        ("m.geojson", b"{", "not GeoJSON"),
        ("m.geojson", b'{"type": "FeatureCollection"}', "not GeoJSON"),
        ("m.geojson", b'{"type": "Polygon", "coordinates": [[["a", 1], ["b", 2], ["c", 3]]]}', "not GeoJSON"),
        ("m.geojson", b'{"type": "LineString", "coordinates": [[1, 2], [3, 4]]}', "holds LineString"),
        ("m.geojson.gz", b"not zipped", "not GeoJSON"),
    ],
)
def test_what_is_wrong_is_told(name: str, content: bytes | None, reason: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MaskError, match=reason) as error:
        read_mask(tmp_path / name, SIZE, STORED)
    assert name in str(error.value)


@pytest.mark.parametrize("shape", [(94, 67), (67, 80), (67, 110)])
def test_png_of_another_slide_is_refused(shape: tuple[int, int], tmp_path: Path) -> None:
    save(tmp_path / "m.png", patches(4, shape).astype(np.uint8))
    with pytest.raises(MaskError, match="aspect ratio"):
        read_mask(tmp_path / "m.png", SIZE, STORED)


def test_geojson_of_a_larger_slide_is_refused(tmp_path: Path) -> None:
    path = save_json(
        tmp_path / "m.geojson", {"type": "Polygon", "coordinates": [rectangle(9e3, 9e3, 2e4, 2e4)]}
    )
    with pytest.raises(MaskError, match="outside of the slide"):
        read_mask(path, SIZE, STORED)


def test_masks_of_real_tissue_survive(shared_data: Path, tmp_path: Path) -> None:
    from histopress.data.slide import open_slide
    from histopress.data.tissue import mask_slide

    with open_slide(shared_data / "wsi" / "cmu-1-small-region.svs") as slide:
        mask = mask_slide(slide, TissueRecipe(holes=2000.0))
        write_geojson(mask, tmp_path / "m.geojson", slide.spacing, slide.size)
        back = read_mask(tmp_path / "m.geojson", slide.size, slide.spacing)
    union, both = (back.mask | mask.mask).sum(), (back.mask & mask.mask).sum()
    assert both / union > 0.99
