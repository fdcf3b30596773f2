"""Places inside masks of labels: lattices and draws, masks of any resolution, and a real set's own table."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from histopress.core.errors import PatchError
from histopress.core.geometry import Size, Spacing
from histopress.core.recipe import load
from histopress.data import patch_masks
from histopress.data.patch_areas import Layer, white_share
from histopress.data.patch_frames import Frame
from histopress.data.patch_masks import MaskSource, read_labels
from histopress.data.patch_recipes import find_task
from histopress.data.patch_source import Place
from histopress.data.patch_task import PatchTask
from histopress.data.write_slide import write_slide

SIZE = Size(640, 480)
FIELD = 16.0  # um: 32 px of 0.5 um


def labels() -> NDArray[np.uint8]:
    """(480, 640): 1 on the left, 5 on the right, 2 in a block, 0 below."""
    values = np.full((480, 640), 1, np.uint8)
    values[:, 320:] = 5
    values[64:192, 384:544] = 2
    values[416:] = 0
    return values


def picture() -> NDArray[np.uint8]:
    pixels = np.random.default_rng(0).integers(60, 190, (480, 640, 3), dtype=np.uint8)
    pixels[:, 480:] = 250
    return pixels


def save(path: Path, pixels: NDArray[np.uint8], **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def task(**source: Any) -> PatchTask:
    values = {"left": [1], "block": [2], "right": [4, 5]}
    settings = {"pictures": ["*.png"], "mask": "masks/{stem}.png", "values": values, **source}
    return PatchTask("t", "multiclass", "masks", ("left", "block", "right"), spacing=0.5, source=settings)


def places(settings: PatchTask, folder: Path, field: float = FIELD) -> list[Place]:
    with MaskSource(settings, folder) as source:
        return list(source.places(field))


def corners(found: list[Place]) -> dict[tuple[float, float], float]:
    return {(p.x - p.width / 2, p.y - p.width / 2): p.label for p in found if isinstance(p.label, float)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path / "a.png", picture())
    save(tmp_path / "masks/a.png", labels())
    return tmp_path


def test_a_real_set_agrees_with_its_table(shared_data: Path) -> None:
    settings = replace(load(PatchTask, find_task("prostate-epithelium")), stride=1.0)
    folder = shared_data / settings.folder
    with (folder / "patches.csv").open(newline="") as file:
        rows = {f"{row['file']}@{row['x']},{row['y']}": row for row in csv.DictReader(file)}
    clear = {name: row["label"] for name, row in rows.items() if row["label"] != "mixed"}
    with MaskSource(settings, folder) as source:
        found = source.places(32.0)
        assert {p.name: settings.classes[int(p.label)] for p in found if isinstance(p.label, float)} == clear
        assert {p.name: p.part for p in found} == {name: rows[name]["split"] for name in clear}
        for place in found[::97]:
            white = white_share(source.cut(place, 64))
            assert white == pytest.approx(float(rows[place.name]["white_fraction"]), abs=6e-4)
    dark = replace(settings, source={**settings.source, "white": 0.5})
    names = {place.name for place in places(dark, folder, 32.0)}
    told = {name: float(rows[name]["white_fraction"]) for name in clear}
    assert {name for name, white in told.items() if white < 0.4995} <= names
    assert names <= {name for name, white in told.items() if white <= 0.5005}


def test_all_cells_of_a_lattice_that_are_of_one_class(folder: Path) -> None:
    found = corners(places(task(), folder))
    values = labels()
    for top in range(0, 480, 32):
        for left in range(0, 640, 32):
            cell = values[top : top + 32, left : left + 32]
            shares = [np.isin(cell, chosen).mean() for chosen in ((1,), (2,), (4, 5))]
            assert found.get((left, top)) == next((n for n, s in enumerate(shares) if s >= 0.9), None)


def test_a_share_counts_by_exact_area(folder: Path) -> None:
    fine = corners(places(replace(task(share=0.51), stride=0.3), folder, 15.3))
    values = labels()
    width = 30.6
    for (left, top), label in list(fine.items())[::7]:
        rows = np.clip(np.minimum(np.arange(480) + 1, top + width) - np.maximum(np.arange(480), top), 0, 1)
        cols = np.clip(np.minimum(np.arange(640) + 1, left + width) - np.maximum(np.arange(640), left), 0, 1)
        own = np.isin(values, ((1,), (2,), (4, 5))[int(label)])
        assert rows @ own @ cols >= 0.51 * width**2 - 1e-6


def test_a_coarser_mask_gives_the_same_places(folder: Path) -> None:
    before = places(task(), folder)
    save(folder / "masks/a.png", np.ascontiguousarray(labels()[::8, ::8]))
    assert places(task(), folder) == before
    save(folder / "masks/a.png", labels().repeat(2, axis=0).repeat(2, axis=1))
    assert places(task(), folder) == before


def test_palettes_and_colours_hold_values(folder: Path) -> None:
    before = places(task(), folder)
    indexed = Image.fromarray(labels()).convert("P")
    indexed.putpalette([channel for n in range(256) for channel in (255 - n, 0, n)])
    indexed.save(folder / "masks/a.png")
    assert places(task(), folder) == before
    save(folder / "masks/a.png", np.stack([labels(), 0 * labels(), 0 * labels()], axis=-1))
    assert places(task(), folder) == before


def test_so_many_are_drawn_for_each_class_and_picture(folder: Path) -> None:
    save(folder / "b.png", picture())
    save(folder / "masks/b.png", labels())
    found = places(task(count=7), folder)
    assert [(p.file, p.label) for p in found] == [
        (f, c) for f in ("a.png", "b.png") for c in (0, 1, 2) for _ in range(7)
    ]
    assert len({place.name for place in found}) == len(found)
    values = labels()
    for place in found:
        left, top = round(place.x - 16), round(place.y - 16)
        assert 0 <= left <= 608 and 0 <= top <= 448
        chosen = ((1,), (2,), (4, 5))[int(place.label)]  # type: ignore[arg-type]
        assert np.isin(values[top : top + 32, left : left + 32], chosen).mean() >= 0.9
    assert places(task(count=7), folder) == found
    (folder / "a.png").unlink()
    assert places(task(count=7), folder) == [place for place in found if place.file == "b.png"]
    assert places(task(count=7, seed=1), folder) != places(task(count=7), folder)


def test_white_tiles_can_be_left_out(folder: Path) -> None:
    kept = corners(places(task(white=0.5), folder))
    assert kept == {(x, y): n for (x, y), n in corners(places(task(), folder)).items() if x < 480}
    drawn = corners(places(task(white=0.0, count=9), folder))
    assert len(drawn) == 27 and all(x + 32 <= 480 for x, _ in drawn)


def panda(folder: Path, provider: str = "radboud") -> PatchTask:
    """A slide and its mask as multi-level TIFFs, and a table of makers."""
    slide, mask = folder / "images/s1.tiff", folder / "labels/s1_mask.tiff"
    spacing = Spacing(0.5, 0.5)
    write_slide(slide, SIZE, spacing, picture(), quality=95, tile=64, subsampling="444")
    colour = np.stack([labels()] + [np.zeros_like(labels())] * 2, axis=-1)
    mask.parent.mkdir()
    with tifffile.TiffWriter(mask) as file:
        for step in (1, 4):
            level = np.ascontiguousarray(colour[::step, ::step])
            options: dict[str, Any] = {"photometric": "rgb", "compression": "zlib", "tile": (64, 64)}
            file.write(level, subfiletype=int(step > 1), metadata=None, **options)
    (folder / "train.csv").write_text(f"image_id,data_provider\ns1,{provider}\ns2,radboud\n")
    settings = task(
        pictures=["images/*.tiff"],
        table="train.csv",
        file="image_id",
        only={"data_provider": "radboud"},
        mask="labels/{stem}_mask.tiff",
    )
    return replace(settings, spacing=0.0)


def test_slides_with_masks_of_many_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "plain/a.png", picture())
    save(tmp_path / "plain/masks/a.png", labels())
    expected = corners(places(task(), tmp_path / "plain"))
    settings = panda(tmp_path)
    assert corners(places(settings, tmp_path)) == expected
    monkeypatch.setattr(patch_masks, "DECODED", 30_000)  # the coarser level
    assert read_labels(tmp_path / "labels/s1_mask.tiff", SIZE).shape == (120, 160)
    assert corners(places(settings, tmp_path)) == expected
    monkeypatch.setattr(patch_masks, "LARGEST", 10_000)  # every second px of it
    assert read_labels(tmp_path / "labels/s1_mask.tiff", SIZE).shape == (60, 80)
    assert corners(places(settings, tmp_path)) == expected


def test_tiles_of_slides_have_their_pixels(tmp_path: Path) -> None:
    with MaskSource(panda(tmp_path), tmp_path) as source:
        place = source.places(FIELD)[3]
        tile = source.cut(place, 32).astype(float)
    left, top = round(place.x - 16), round(place.y - 16)
    assert np.abs(tile - picture()[top : top + 32, left : left + 32]).mean() < 8


def test_tables_choose_pictures(tmp_path: Path) -> None:
    settings = panda(tmp_path, provider="karolinska")
    with pytest.raises(PatchError, match="names none of the pictures"):
        places(settings, tmp_path)
    with pytest.raises(PatchError, match="expected also maker"):
        places(replace(settings, source={**settings.source, "only": {"maker": "x"}}), tmp_path)


def test_pictures_without_a_mask(folder: Path) -> None:
    save(folder / "b.png", picture())
    with pytest.raises(PatchError, match=r"no such mask of b\.png"):
        places(task(), folder)
    found = places(task(missing="leave-out"), folder)
    assert {place.file for place in found} == {"a.png"}


def test_wrong_masks_are_told(folder: Path) -> None:
    save(folder / "masks/a.png", labels()[:, :500])
    with pytest.raises(PatchError, match="aspect ratio"):
        places(task(), folder)
    save(folder / "masks/a.png", np.full((480, 640), 77, np.uint8))
    with pytest.raises(PatchError, match="values 77 in masks"):
        places(task(), folder)
    (folder / "masks/a.png").write_bytes(b"nothing")
    with (
        MaskSource(task(), folder) as source,
        pytest.raises(PatchError, match=r"masks/a\.png.*mask of labels"),
    ):
        source.cut(source.places(FIELD)[0], 32)


def test_wrong_settings_are_told(folder: Path) -> None:
    with pytest.raises(PatchError, match="names left, expected values for each"):
        places(task(values={"left": [1]}), folder)
    with pytest.raises(PatchError, match=r"source\.share"):
        places(task(share=0.0), folder)
    with pytest.raises(PatchError, match="kind regression"):
        places(PatchTask("t", "regression", "masks", source=task().source), folder)


@pytest.mark.parametrize("seed", range(3))
def test_shares_are_areas(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random((23, 31)) < 0.5
    layer = Layer(mask, 1.7, 2.3)
    frame = Frame(9.1, 6.4, Size(53, 53))
    lefts, tops = random.uniform(-5, 50, 40), random.uniform(-5, 50, 40)
    fine = np.kron(mask, np.ones((230, 170), bool))  # px of 0.01
    for left, top, share in zip(lefts, tops, layer.shares(lefts, tops, frame), strict=True):
        row, col = round(top * 100), round(left * 100)
        seen = fine[max(row, 0) : max(row + 640, 0), max(col, 0) : max(col + 910, 0)]
        assert share == pytest.approx(seen.sum() / (640 * 910), abs=0.005)
