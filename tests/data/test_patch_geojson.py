"""Places inside drawn regions: QuPath's GeoJSON and ASAP's XML on real and made slides."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from histopress.core.errors import PatchError
from histopress.core.geometry import Size
from histopress.data.patch_annotations import read_asap, read_geojson
from histopress.data.patch_geojson import GeoJsonSource
from histopress.data.patch_source import Place
from histopress.data.patch_task import PatchTask

SLIDE = "cmu-1-small-region.svs"
Ring = list[list[float]]


def box(left: float, top: float, right: float, bottom: float) -> Ring:
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def feature(name: str | None, *rings: Ring) -> dict[str, Any]:
    properties: dict[str, Any] = {"objectType": "annotation", "isLocked": False}
    if name is not None:
        properties["classification"] = {"name": name, "color": [200, 0, 0]}
    geometry = {"type": "Polygon", "coordinates": list(rings)}
    return {"type": "Feature", "id": "b0", "geometry": geometry, "properties": properties}


def qupath(*features: dict[str, Any]) -> str:
    return json.dumps({"type": "FeatureCollection", "features": list(features)})


def asap(*regions: tuple[str, Ring]) -> str:
    drawn = "".join(
        f'<Annotation Name="A {n}" Type="Polygon" PartOfGroup="{group}" Color="#F4FA58"><Coordinates>'
        + "".join(
            f'<Coordinate Order="{i}" X="{x}" Y="{y}" />' for i, (x, y) in reversed([*enumerate(ring[:-1])])
        )
        + "</Coordinates></Annotation>"
        for n, (group, ring) in enumerate(regions)
    )
    return f'<?xml version="1.0"?><ASAP_Annotations><Annotations>{drawn}</Annotations></ASAP_Annotations>'


def task(**source: Any) -> PatchTask:
    settings = {"pictures": ["*.png"], "annotations": "{stem}.geojson", **source}
    return PatchTask("t", "binary", "geojson", ("Stroma", "Tumor"), spacing=0.5, source=settings)


def places(settings: PatchTask, folder: Path, field: float = 20.0) -> list[Place]:
    with GeoJsonSource(settings, folder) as source:
        return list(source.places(field))


def corners(found: list[Place], label: int) -> set[tuple[int, int]]:
    return {(round(p.x - p.width / 2), round(p.y - p.width / 2)) for p in found if p.label == label}


def cells(left: int, top: int, right: int, bottom: int) -> set[tuple[int, int]]:
    return {(x, y) for x in range(left, right, 40) for y in range(top, bottom, 40)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(90, 190, (480, 640, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path


def test_polygons_holes_and_several_of_a_class(folder: Path) -> None:
    text = qupath(
        feature("Tumor", box(0, 0, 240, 240), box(80, 80, 160, 160)),
        feature("Tumor", box(400, 0, 440, 40)),
        feature("Stroma", box(320, 240, 560, 440)),
        feature("Other", box(600, 440, 640, 480)),
        feature(None, box(560, 0, 640, 80)),
    )
    (folder / "a.geojson").write_text(text)
    found = places(task(), folder)
    assert corners(found, 1) == cells(0, 0, 240, 240) - cells(80, 80, 160, 160) | {(400, 0)}
    assert corners(found, 0) == cells(320, 240, 560, 440)
    assert {p.name for p in found} == {f"a.png@{round(p.x - 20)},{round(p.y - 20)}" for p in found}


def test_multipolygons_and_compressed_files_are_read(folder: Path) -> None:
    parts = [[box(0, 0, 80, 80)], [box(200, 200, 280, 280), box(240, 240, 280, 280)]]
    geometry = {"type": "MultiPolygon", "coordinates": parts}
    points = {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}
    items = [{**feature("Tumor"), "geometry": shape} for shape in (geometry, points)]
    (folder / "a.geojson.gz").write_bytes(gzip.compress(json.dumps(items).encode()))
    found = places(task(annotations="{stem}.geojson.gz"), folder)
    assert corners(found, 1) == cells(0, 0, 80, 80) | cells(200, 200, 280, 280) - {(240, 240)}


@pytest.mark.parametrize(("share", "count"), [(0.5, 2), (0.75, 2), (0.8, 1)])
def test_a_share_of_the_tile_must_be_covered(share: float, count: int, folder: Path) -> None:
    (folder / "a.geojson").write_text(qupath(feature("Tumor", box(0, 0, 70, 40))))
    assert len(places(task(share=share), folder)) == count


def test_a_tile_of_two_classes_is_of_none(folder: Path) -> None:
    text = qupath(feature("Tumor", box(0, 0, 120, 40)), feature("Stroma", box(80, 0, 200, 40)))
    (folder / "a.geojson").write_text(text)
    found = places(task(), folder)
    assert corners(found, 1) == {(0, 0), (40, 0)} and corners(found, 0) == {(120, 0), (160, 0)}


def test_names_can_be_mapped_and_regions_cut_out(folder: Path) -> None:
    text = qupath(
        feature("Tumor: inner", box(0, 0, 120, 120)),
        feature("Tumor: rim", box(120, 0, 160, 120)),
        feature("Ignore*", box(0, 0, 40, 40)),
    )
    (folder / "a.geojson").write_text(text)
    found = places(task(names={"Tumor": ["Tumor: inner", "Tumor: rim"]}, cut=["Ignore*"]), folder)
    assert corners(found, 1) == cells(0, 0, 160, 120) - {(0, 0)} and not corners(found, 0)


def test_asap_regions_are_read_in_their_order(folder: Path) -> None:
    star: Ring = [[0, 0], [200, 0], [200, 160], [80, 160], [80, 80], [0, 80], [0, 0]]
    (folder / "a.xml").write_text(
        asap(("_0", star), ("_2", box(120, 0, 200, 40)), ("_1", box(400, 400, 440, 440)))
    )
    settings = task(
        annotations="{stem}.xml",
        format="asap",
        names={"Tumor": ["_0", "_1"]},
        cut=["_2"],
        outside="Stroma",
        tissue=0.0,
    )
    found = places(settings, folder)
    lesion = cells(0, 0, 200, 80) | cells(80, 80, 200, 160) | {(400, 400)}
    assert corners(found, 1) == lesion - cells(120, 0, 200, 40)
    assert corners(found, 0) == cells(0, 0, 640, 480) - lesion


def test_slides_without_a_file(folder: Path) -> None:
    Image.new("RGB", (640, 480), (150, 90, 140)).save(folder / "b.png")
    (folder / "a.geojson").write_text(qupath(feature("Tumor", box(0, 0, 80, 80))))
    with pytest.raises(PatchError, match=r"b\.geojson"):
        places(task(), folder)
    assert {p.file for p in places(task(missing="leave-out"), folder)} == {"a.png"}
    found = places(task(missing="empty", outside="Stroma", tissue=0.0), folder)
    assert corners([p for p in found if p.file == "b.png"], 0) == cells(0, 0, 640, 480)
    drawn = places(task(missing="empty", outside="Stroma", count=5), folder)
    assert [(p.file, p.label) for p in drawn] == [("a.png", 1)] * 5 + [("b.png", 0)] * 5  # noise is no tissue


def test_what_is_wrong_is_told(folder: Path) -> None:
    (folder / "a.geojson").write_text(
        qupath(feature("Tumour", box(0, 0, 80, 80)), feature(None, box(0, 0, 9, 9)))
    )
    with pytest.raises(PatchError, match=r"Tumour \(1\), without a class \(1\)"):
        places(task(), folder)
    (folder / "a.geojson").write_text(qupath(feature("Tumor", box(5000, 0, 8000, 800))))
    with pytest.raises(PatchError, match="another slide"):
        places(task(), folder)
    for text in ("{", '{"type": "FeatureCollection"}', qupath(feature("Tumor", [[0, 0], [1, 1]]))):
        (folder / "a.geojson").write_text(text)
        with pytest.raises(PatchError, match="not GeoJSON"):
            read_geojson(folder / "a.geojson")
    (folder / "a.xml").write_text(asap(("_0", box(0, 0, 9, 9))).replace('X="9"', 'X="nine"'))
    with pytest.raises(PatchError, match="not ASAP"):
        read_asap(folder / "a.xml")
    with pytest.raises(PatchError, match="names Tumour, expected only"):
        places(task(outside="Tumour"), folder)


def on_the_real_slide(shared_data: Path, folder: Path, **source: Any) -> PatchTask:
    """Regions on the slide; its px are 0.499 um wide."""
    (folder / SLIDE).symlink_to(shared_data / "wsi" / SLIDE)
    text = qupath(
        feature(
            "Tumor",
            [[300, 1200], [1500, 1250], [1450, 2300], [350, 2200], [300, 1200]],
            box(800, 1500, 1000, 1800),
        ),
        feature("Stroma", box(1600, 200, 2200, 1100)),
    )
    (folder / "cmu-1-small-region.geojson").write_text(text)
    return replace(task(pictures=["*.svs"], **source), spacing=0.0)


def test_places_on_a_real_slide(shared_data: Path, tmp_path: Path) -> None:
    settings = on_the_real_slide(shared_data, tmp_path, share=1.0, count=12)
    with GeoJsonSource(settings, tmp_path) as source:
        found = source.places(64.0)
        assert [place.label for place in found] == [0] * 12 + [1] * 12
        for place in found:
            half = place.width / 2
            assert half == pytest.approx(64 / 0.499 / 2)
            if place.label == 0:
                assert place.x - half >= 1598 and place.x + half <= 2202
                assert place.y - half >= 198 and place.y + half <= 1102
            else:
                assert place.x - half >= 298 and place.y - half >= 1198
                assert abs(place.x - 900) > 95 + half or abs(place.y - 1650) > 145 + half
        tile = source.cut(found[0], 128)
        with source.opened(SLIDE) as slide:
            stored = slide.stored(0, round(found[0].x - 64), round(found[0].y - 64), Size(128, 128))
        assert np.array_equal(tile, stored)  # 0.499 um/px is taken for 0.5


def test_the_rest_of_the_tissue_of_a_real_slide(shared_data: Path, tmp_path: Path) -> None:
    settings = on_the_real_slide(
        shared_data, tmp_path, outside="Stroma", names={"Tumor": ["Tumor"]}, tissue=0.9
    )
    with GeoJsonSource(settings, tmp_path) as source:
        rest = [place for place in source.places(64.0) if place.label == 0]
        assert len(rest) > 20
        dark = [(source.cut(place, 64).mean(axis=-1) < 235).mean() > 0.5 for place in rest]
        assert np.mean(dark) > 0.9  # fat is tissue, and pale
    for place in rest:  # neither touches the drawn box
        half = place.width / 2 - 4
        assert (
            place.x + half <= 1600
            or place.y - half >= 1100
            or place.y + half <= 200
            or place.x - half >= 2200
        )
