"""Points in pictures: TUPAC16's lists, MIDOG's JSON, plain tables; background that shows no point."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from histopress.core.errors import PatchError
from histopress.data.patch_points import PointSource
from histopress.data.patch_source import Place
from histopress.data.patch_task import PatchTask

FIELD = 16.0  # um: 64 px of 0.25 um
MARK = (10, 200, 30)


def noise(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(60, 190, (height, width, 3), dtype=np.uint8)


def save(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def task(**source: Any) -> PatchTask:
    return PatchTask(
        "m", "binary", "points", ("background", "mitosis"), spacing=0.25, source={"tissue": 0.0, **source}
    )


def tupac(folder: Path) -> PatchTask:
    """Three pictures of two patients; in 01/01 figures are marked, 02/05 has no list."""
    pixels = noise(510, 400)
    for row, col in ((100, 300), (390, 5)):
        pixels[row - 2 : row + 3, col - 2 : col + 3] = MARK
    save(folder / "images/01/01.tif", pixels)
    save(folder / "images/01/02.tif", noise(510, 400, 1))
    save(folder / "images/02/05.tif", noise(510, 400, 2))
    lists = folder / "truth/01"
    lists.mkdir(parents=True)
    (lists / "01.csv").write_text("100,300\n390,5\n")
    (lists / "02.csv").write_text("10,480\n")
    return task(
        format="tupac16",
        pictures=["images/*/*.tif"],
        points="truth/{folder}/{stem}.csv",
        group_pattern="^images/([^/]+)/",
        drawn=2.0,
    )


def midog(folder: Path, bboxes: list[tuple[int, list[float]]], size: tuple[int, int] = (510, 400)) -> None:
    save(folder / "images/007.tiff", noise(*size))
    content = {
        "images": [{"id": 3, "file_name": "007.tiff", "width": size[0], "height": size[1]}],
        "annotations": [
            {"id": n, "image_id": 3, "category_id": category, "bbox": bbox}
            for n, (category, bbox) in enumerate(bboxes)
        ],
        "categories": [{"id": 1, "name": "mitotic figure"}, {"id": 2, "name": "hard negative"}],
    }
    (folder / "MIDOG.json").write_text(json.dumps(content))


MIDOG: dict[str, Any] = {"format": "midog", "points": "MIDOG.json", "images": "images"}


def places(settings: PatchTask, folder: Path, field: float = FIELD) -> list[Place]:
    with PointSource(settings, folder) as source:
        return list(source.places(field))


def test_tupac16_lists_rows_first(tmp_path: Path) -> None:
    with PointSource(tupac(tmp_path), tmp_path) as source:
        found = [place for place in source.places(FIELD) if place.label == 1]
        assert [(p.file, p.group, p.x, p.y) for p in found] == [
            ("images/01/01.tif", "01", 300, 100),
            ("images/01/01.tif", "01", 32, 368),
            ("images/01/02.tif", "01", 478, 32),
        ]
        assert (source.cut(found[0], 64)[30:35, 30:35] == MARK).all()


def test_a_tile_at_the_edge_is_shifted_inside_and_shows_the_point(tmp_path: Path) -> None:
    with PointSource(tupac(tmp_path), tmp_path) as source:
        corner = [place for place in source.places(FIELD) if place.label == 1][1]
        tile = source.cut(corner, 64)
        whole = np.array(Image.open(tmp_path / "images/01/01.tif"))
    assert np.array_equal(tile, whole[336:400, 0:64])
    assert (tile == MARK).all(axis=-1).sum() == 25


def test_pixels_are_resampled_to_the_tile(tmp_path: Path) -> None:
    with PointSource(tupac(tmp_path), tmp_path) as source:
        place = source.places(FIELD)[0]
        tile = source.cut(place, 32)
        whole = np.array(Image.open(tmp_path / "images/01/01.tif"))
    means = whole[68:132, 268:332].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(tile - means).max() <= 0.5


def test_stored_pixels_are_taken_as_they_are_if_spacings_nearly_agree(tmp_path: Path) -> None:
    settings = replace(tupac(tmp_path), spacing=0.2527)
    with PointSource(settings, tmp_path) as source:
        tile = source.cut(source.places(FIELD)[0], 64)
    whole = np.array(Image.open(tmp_path / "images/01/01.tif"))
    assert np.array_equal(tile, whole[68:132, 268:332])


def test_background_is_drawn_away_from_every_point(tmp_path: Path) -> None:
    found = places(tupac(tmp_path), tmp_path)
    drawn = [place for place in found if place.label == 0]
    assert [sum(p.file.endswith(end) for p in drawn) for end in ("01/01.tif", "01/02.tif", "02/05.tif")] == [
        4,
        2,
        0,
    ]
    figures = {"images/01/01.tif": [(300, 100), (5, 390)], "images/01/02.tif": [(480, 10)]}
    for place in drawn:
        assert 32 <= place.x <= 510 - 32 and 32 <= place.y <= 400 - 32
        assert all(np.hypot(place.x - x, place.y - y) >= 32 * np.sqrt(2) for x, y in figures[place.file])


def test_a_larger_distance_is_kept_and_fewer_places_drawn_where_there_is_no_room(tmp_path: Path) -> None:
    settings = tupac(tmp_path)
    far = replace(settings, source={**settings.source, "distance": 75.0})
    drawn = [p for p in places(far, tmp_path) if p.label == 0 and p.file == "images/01/02.tif"]
    assert drawn and all(np.hypot(p.x - 480, p.y - 10) >= 300 for p in drawn)
    nowhere = replace(settings, source={**settings.source, "distance": 500.0})
    assert all(place.label == 1 for place in places(nowhere, tmp_path))


def test_draws_depend_on_seed_and_file_alone(tmp_path: Path) -> None:
    settings = tupac(tmp_path)
    before = places(settings, tmp_path)
    assert before == places(settings, tmp_path)
    (tmp_path / "images/01/02.tif").unlink()
    after = places(settings, tmp_path)
    assert after == [place for place in before if place.file != "images/01/02.tif"]
    other = places(replace(settings, source={**settings.source, "seed": 1}), tmp_path)
    assert [p for p in other if p.label == 1] == [p for p in after if p.label == 1] and other != after


def test_pictures_without_points_can_give_background(tmp_path: Path) -> None:
    settings = tupac(tmp_path)
    found = places(replace(settings, source={**settings.source, "least": 3}), tmp_path)
    assert [place.label for place in found if place.file == "images/02/05.tif"] == [0, 0, 0]
    assert {place.group for place in found} == {"01", "02"}
    assert len({place.name for place in found}) == len(found)


def test_parts_and_what_is_left_out(tmp_path: Path) -> None:
    settings = tupac(tmp_path)
    parts = {"images/01/02.tif": "", "images/02/*": "test", "*": "train"}
    found = places(replace(settings, source={**settings.source, "parts": parts, "least": 1}), tmp_path)
    assert {(place.file, place.part) for place in found} == {
        ("images/01/01.tif", "train"),
        ("images/02/05.tif", "test"),
    }
    with pytest.raises(PatchError, match="no pattern of images/02"):
        places(replace(settings, source={**settings.source, "parts": {"images/02/*": "test"}}), tmp_path)


def test_midog_boxes_are_corners_and_look_alikes_are_background(tmp_path: Path) -> None:
    midog(tmp_path, [(1, [275, 75, 325, 125]), (2, [425, 225, 475, 275]), (2, [300, 100, 350, 150])])
    found = places(task(**MIDOG, drawn=0.0), tmp_path)
    assert [(p.name, p.label, p.x, p.y) for p in found] == [
        ("images/007.tiff@268,68", 1, 300, 100),
        ("images/007.tiff@418,218", 0, 450, 250),  # the third one lies too near to the figure
    ]


def test_midog_categories_can_be_mapped(tmp_path: Path) -> None:
    midog(tmp_path, [(1, [275, 75, 325, 125]), (2, [425, 225, 475, 275])])
    found = places(task(**MIDOG, drawn=0.0, mapping={"1": "mitosis", "2": ""}), tmp_path)
    assert [place.label for place in found] == [1]


def test_coco_boxes_are_told_from_midogs(tmp_path: Path) -> None:
    midog(tmp_path, [(1, [275, 75, 50, 50])])
    with pytest.raises(PatchError, match=r"expected \[x1, y1, x2, y2\]"):
        places(task(**MIDOG), tmp_path)


def test_a_plain_table_of_several_classes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(300, 200))
    (tmp_path / "points.csv").write_text(
        "file,x,y,label\na.png,150,100,b\na.png,60,60.4,c\na.png,250,150,a\n"
    )
    settings = PatchTask("t", "multiclass", "points", ("a", "b", "c"), 0.25, source={"drawn": 0.0})
    assert [(p.label, p.x, p.y) for p in places(settings, tmp_path)] == [
        (1, 150, 100),
        (2, 60, 60),
        (0, 250, 150),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,x,y\na.png,1,2\n", "expected also label"),
        ("file,x,y,label\na.png,1,2,odd\n", "'odd'"),
        ("file,x,y,label\na.png,199,250,mitosis\n", "swapped"),
        ("file,x,y,label\na.png,one,250,mitosis\n", "row 2"),
        ("file,x,y,label\nb.png,1,2,mitosis\n", "b.png"),
        ("file,x,y,label\na.png,1,2,nan\n", "no point"),
    ],
)
def test_wrong_tables_are_told(text: str, message: str, tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(300, 200))
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(PatchError, match=message):
        places(task(), tmp_path)


def test_wrong_tupac16_folders_are_told(tmp_path: Path) -> None:
    settings = tupac(tmp_path)
    with pytest.raises(PatchError, match="nor one for any other picture"):
        places(replace(settings, source={**settings.source, "points": "lists/{stem}.csv"}), tmp_path)
    with pytest.raises(PatchError, match="no file like"):
        places(replace(settings, source={**settings.source, "pictures": ["*.svs"]}), tmp_path)
    with pytest.raises(PatchError, match="is unknown, expected"):
        places(replace(settings, source={**settings.source, "points": "{patient}.csv"}), tmp_path)
    (tmp_path / "truth/01/01.csv").write_text("row,col\n1,2\n")
    with pytest.raises(PatchError, match="no header"):
        places(settings, tmp_path)


@pytest.mark.parametrize("small", ["magnify", "pad", "leave-out", "fail"])
def test_pictures_that_show_less_than_a_tile(small: Any, tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(50, 40))
    (tmp_path / "points.csv").write_text("file,x,y,label\na.png,20,30,mitosis\n")
    settings = replace(task(drawn=0.0), small=small)
    if small == "fail":
        with pytest.raises(PatchError, match="at least 64 x 64 px"):
            places(settings, tmp_path)
    elif small == "leave-out":
        with pytest.raises(PatchError, match="no point"):
            places(settings, tmp_path)
    else:
        with PointSource(settings, tmp_path) as source:
            place = source.places(FIELD)[0]
            tile = source.cut(place, 64)
        assert place.width == {"magnify": 40, "pad": 64}[small] and tile.shape == (64, 64, 3)
        if small == "pad":
            whole = np.array(Image.open(tmp_path / "a.png"))
            assert np.array_equal(tile[12:52, 7:57], whole) and np.array_equal(tile[11, 7:57], whole[0])


def test_damaged_pictures_fail_when_they_are_cut(tmp_path: Path) -> None:
    settings = tupac(tmp_path)
    whole = places(settings, tmp_path)
    (tmp_path / "images/01/01.tif").write_bytes(b"no picture")
    with PointSource(settings, tmp_path) as source:
        damaged, *others = source.places(FIELD)
        assert others == [place for place in whole if place.file != "images/01/01.tif"]
        assert (damaged.file, damaged.group) == ("images/01/01.tif", "01")
        with pytest.raises(PatchError, match=r"01/01\.tif"):
            source.cut(damaged, 64)


def test_threads_cut_the_same_tiles(tmp_path: Path) -> None:
    with PointSource(tupac(tmp_path), tmp_path) as source:
        found = list(source.places(FIELD)) * 5
        alone = [source.cut(place, 64) for place in found]
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(lambda place: source.cut(place, 64), found))
    assert np.array_equal(alone, together)


def test_files_are_those_that_places_are_made_of(tmp_path: Path) -> None:
    settings = tupac(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing")
    with PointSource(settings, tmp_path) as source:
        names = {path.relative_to(tmp_path).as_posix() for path in source.files()}
    pictures = {"images/01/01.tif", "images/01/02.tif", "images/02/05.tif"}
    assert names == pictures | {"truth/01/01.csv", "truth/01/02.csv"}


def test_on_a_slide_background_is_drawn_on_tissue(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("file,x,y,label\ncmu-1-small-region.svs,1100,1500,mitosis\n")
    (tmp_path / "cmu-1-small-region.svs").symlink_to(shared_data / "wsi/cmu-1-small-region.svs")
    settings = replace(task(drawn=20.0, tissue=0.9), spacing=0.0)
    with PointSource(settings, tmp_path) as source:
        first, *drawn = source.places(64.0)
        assert first.width == pytest.approx(64 / 0.499) and first.label == 1 and len(drawn) == 20
        assert (first.x, first.y) == pytest.approx((1100, 1500), abs=0.6)
        assert all((source.cut(place, 128).mean(axis=-1) < 235).mean() > 0.5 for place in drawn)
