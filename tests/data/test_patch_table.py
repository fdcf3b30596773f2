"""Pictures that a table lists, in a folder and in a zip."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from histopress.core.errors import PatchError, RecipeError
from histopress.data.patches import PatchSet, load_patches

TASK = """
name = "t"
kind = "{kind}"
classes = {classes}
spacing = 0.5
layout = "table"
small = "{small}"
stride = {stride}
[source]
{source}
"""


def picture(seed: int, width: int = 20, height: int = 16) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def png(pixels: NDArray[np.uint8], kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def write(folder: Path, table: str, pictures: dict[str, bytes], packed: bool = True) -> None:
    (folder / "index.csv").write_text(table)
    if packed:
        with zipfile.ZipFile(folder / "images.zip", "w") as file:
            for name, data in pictures.items():
                file.writestr(name, data)
    else:
        for name, data in pictures.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)


def load(
    folder: Path,
    source: str,
    *,
    kind: str = "binary",
    classes: str = '["no", "yes"]',
    small: str = "fail",
    stride: float = 1.0,
    tile: int = 8,
) -> PatchSet:
    task = folder / "task.toml"
    task.write_text(TASK.format(kind=kind, classes=classes, small=small, stride=stride, source=source))
    return load_patches(task, tile=tile, cache=folder / "cache")


ZIP = 'images = "images.zip"\npart = "part"\n'
ROWS = "file,label,part\na.png,no,train\nb.png,yes,val\nd/c.png,yes,test\n"
PARTS = 'parts = {val = "tuning"}\n'
THREE = {"a.png": png(picture(0)), "b.png": png(picture(1)), "d/c.png": png(picture(2))}


@pytest.mark.parametrize("packed", [True, False])
def test_at_the_stored_spacing_tiles_are_the_stored_pixels(tmp_path: Path, packed: bool) -> None:
    write(tmp_path, ROWS, THREE, packed)
    found = load(tmp_path, (ZIP if packed else 'part = "part"\n') + PARTS)
    assert found.tiles.shape == (3 * 4, 8, 8, 3)
    for index in range(3):  # a lattice of 2 x 2 tiles in the middle of 20 x 16 px
        own = found.tiles[4 * index : 4 * index + 4]
        stored = picture(index)[:, 2:18]
        np.testing.assert_array_equal(own[0], stored[:8, :8])
        np.testing.assert_array_equal(own[1], stored[:8, 8:])
        np.testing.assert_array_equal(own[2], stored[8:, :8])
        np.testing.assert_array_equal(own[3], stored[8:, 8:])
    assert found.targets.tolist() == [0.0] * 4 + [1.0] * 8
    assert found.parts.tolist() == ["train"] * 4 + ["tuning"] * 4 + ["test"] * 4
    assert len(set(found.names)) == 12
    assert found.names[0].endswith("a.png@6,4")


def test_half_the_spacing_gives_means_of_four(tmp_path: Path) -> None:
    write(tmp_path, ROWS, THREE)
    (tmp_path / "task.toml").write_text(
        TASK.format(kind="binary", classes='["no", "yes"]', small="fail", stride=1.0, source=ZIP + PARTS)
    )
    found = load_patches(tmp_path / "task.toml", tile=8, spacing=1.0, cache=tmp_path / "cache")
    means = picture(0)[:, 2:18].reshape(8, 2, 8, 2, 3).astype(float).mean((1, 3))
    assert np.abs(found.tiles[0] - means).max() <= 0.5


def test_jpeg_and_tiff_are_decoded_as_pillow_does(tmp_path: Path) -> None:
    jpeg, tiff = png(picture(0), "JPEG"), png(picture(1), "TIFF")
    table = "file,label,part\na.jpg,no,train\nb.tif,yes,tuning\n"
    write(tmp_path, table, {"a.jpg": jpeg, "b.tif": tiff})
    found = load(tmp_path, ZIP, tile=16)
    np.testing.assert_array_equal(found.tiles[0], np.array(Image.open(io.BytesIO(jpeg)))[:, 2:18])
    np.testing.assert_array_equal(found.tiles[1], picture(1)[:, 2:18])


def test_grey_and_transparent_pictures_become_rgb(tmp_path: Path) -> None:
    grey = picture(0)[..., 0]
    clear = np.dstack([picture(1), np.where(np.arange(16)[:, None] < 4, 0, 255) * np.ones((1, 20))])
    pictures = {"a.png": png(grey), "b.png": png(clear.astype(np.uint8))}
    write(tmp_path, "file,label,part\na.png,no,train\nb.png,yes,tuning\n", pictures)
    found = load(tmp_path, ZIP, tile=16)
    np.testing.assert_array_equal(found.tiles[0], np.repeat(grey[:, 2:18, None], 3, 2))
    assert (found.tiles[1][:4] == 255).all()
    np.testing.assert_array_equal(found.tiles[1][4:], picture(1)[4:, 2:18])


def test_boxes_are_cut_where_they_are(tmp_path: Path) -> None:
    table = (
        "file,label,left,top,side,part\na.png,no,3,5,8,train\na.png,yes,12,0,8,train\na.png,no,1,1,4,train\n"
    )
    write(tmp_path, table, {"a.png": png(picture(0))})
    source = ZIP + 'x = "left"\ny = "top"\nsize = "side"\n'
    with pytest.raises(PatchError, match="4 x 4 px, expected at least 8"):
        load(tmp_path, source)
    found = load(tmp_path, source, small="leave-out")
    np.testing.assert_array_equal(found.tiles[0], picture(0)[5:13, 3:11])
    np.testing.assert_array_equal(found.tiles[1], picture(0)[0:8, 12:20])
    assert len(found.tiles) == 2
    assert len(load(tmp_path, source, small="magnify").tiles) == 3


def test_small_pictures_obey_the_task(tmp_path: Path) -> None:
    pictures = {"a.png": png(picture(0)), "b.png": png(picture(1, 40, 32))}
    write(tmp_path, "file,label,part\na.png,no,train\nb.png,yes,train\n", pictures)
    source = 'images = "images.zip"\npart = "part"\n'
    with pytest.raises(PatchError, match=r"a\.png: 20 x 16 px, expected at least 32 px.*magnify"):
        load(tmp_path, source, tile=32)
    assert load(tmp_path, source, tile=32, small="leave-out").targets.tolist() == [1.0]
    magnified = load(tmp_path, source, tile=32, small="magnify")
    assert len(magnified.tiles) == 2
    middle = picture(0)[:, 2:18].astype(float)
    assert abs(magnified.tiles[0].mean() - middle.mean()) < 4
    padded = load(tmp_path, source, tile=32, small="pad").tiles[0]
    np.testing.assert_array_equal(padded[8:24, 6:26], picture(0))  # the whole picture, in the middle
    np.testing.assert_array_equal(padded[:8, 6:26], picture(0)[7::-1])  # and mirrored at its edges
    np.testing.assert_array_equal(padded[8:24, 26:], picture(0)[:, :13:-1])


def test_a_picture_that_lacks_a_hair_counts_as_a_tile(tmp_path: Path) -> None:
    write(tmp_path, "file,label,part\na.png,no,train\n", {"a.png": png(picture(0, 130, 127))})
    found = load(tmp_path, ZIP, tile=128)
    assert found.tiles.shape == (1, 128, 128, 3)


def test_stride_makes_tiles_overlap(tmp_path: Path) -> None:
    write(tmp_path, ROWS, THREE)
    found = load(tmp_path, ZIP + PARTS, stride=0.5)
    assert len(found.tiles) == 3 * (4 * 3)
    np.testing.assert_array_equal(found.tiles[1], picture(0)[:8, 4:12])


def test_labels_are_mapped_left_out_or_unknown(tmp_path: Path) -> None:
    write(tmp_path, "file,label,part\na.png,N,train\nb.png,Y,train\nd/c.png,mixed,train\n", THREE)
    with pytest.raises(PatchError, match=r"'N' \(1 times\).*expected no, yes"):
        load(tmp_path, ZIP)
    found = load(tmp_path, ZIP + 'mapping = {N = "no", Y = "yes", mixed = ""}\n', tile=16)
    assert found.targets.tolist() == [0.0, 1.0]


def test_only_keeps_rows_of_a_value(tmp_path: Path) -> None:
    write(tmp_path, ROWS, THREE)
    assert len(load(tmp_path, ZIP + PARTS + 'only = {part = "train"}\n', tile=16).tiles) == 1
    with pytest.raises(PatchError, match="no row is left"):
        load(tmp_path, ZIP + PARTS + 'only = {part = "train", label = "yes"}\n')


def test_several_labels_with_gaps(tmp_path: Path) -> None:
    write(tmp_path, "file,p,q,part\na.png,1,0,train\nb.png,0,,train\nd/c.png,no,yes,test\n", THREE)
    source = ZIP + 'labels = ["p", "q"]\n'
    found = load(tmp_path, source, kind="multilabel", tile=16)
    np.testing.assert_array_equal(found.targets, np.array([[1, 0], [0, np.nan], [0, 1]], np.float32))
    write(tmp_path, "file,p,q,part\na.png,1,2,train\nb.png,0,,train\nd/c.png,0,1,test\n", THREE)
    with pytest.raises(PatchError, match=r"'2'.*expected 1, 0 or nothing"):
        load(tmp_path, source, kind="multilabel", tile=16)
    with pytest.raises(PatchError, match=r"source\.labels"):
        load(tmp_path, source, kind="binary")


def test_numbers_and_missing_labels(tmp_path: Path) -> None:
    write(tmp_path, "file,label,part\na.png,0.1,train\nb.png,,train\nd/c.png,-3,test\n", THREE)
    found = load(tmp_path, ZIP, kind="regression", classes="[]", tile=16)
    np.testing.assert_array_equal(found.targets, np.array([0.1, np.nan, -3], np.float32))


def test_groups_come_from_a_column_or_a_pattern(tmp_path: Path) -> None:
    table = "file,label,who\nP1_a.png,no,x\nP1_b.png,no,x\nP2_a.png,yes,y\n"
    write(tmp_path, table, {name: png(picture(0)) for name in ("P1_a.png", "P1_b.png", "P2_a.png")})
    plain = 'images = "images.zip"\n'
    assert load(tmp_path, plain, tile=16).groups.tolist() == ["P1_a.png", "P1_b.png", "P2_a.png"]
    assert load(tmp_path, plain + 'group = "who"\n', tile=16).groups.tolist() == ["x", "x", "y"]
    pattern = plain + "group_pattern = '^P(\\d)_'\n"
    assert load(tmp_path, pattern, tile=16).groups.tolist() == ["1", "1", "2"]
    with pytest.raises(PatchError, match=r"is not found in 'P1_a\.png'"):
        load(tmp_path, plain + "group_pattern = '^Q'\n")
    with pytest.raises(PatchError, match="no regular expression"):
        load(tmp_path, plain + "group_pattern = '('\n")


def test_damaged_members_are_reported_and_do_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path, ROWS.replace("val", "train"), THREE)
    data = bytearray((tmp_path / "images.zip").read_bytes())
    at = data.index(THREE["b.png"]) + len(THREE["b.png"]) // 2
    data[at] ^= 0xFF
    (tmp_path / "images.zip").write_bytes(data)
    found = load(tmp_path, ZIP)
    assert sorted({name.split("@")[0] for name in found.names}) == ["images.zip/a.png", "images.zip/d/c.png"]
    (failure,) = found.failures
    assert failure.item == "images.zip/b.png"
    assert "images.zip/b.png" in failure.reason
    assert "damaged" in failure.reason
    assert load(tmp_path, ZIP).failures == found.failures  # remembered


def test_cut_off_missing_and_odd_pictures_are_reported(tmp_path: Path) -> None:
    deep = Image.fromarray(np.arange(320, dtype=np.uint16).reshape(16, 20) * 100)
    file = io.BytesIO()
    deep.save(file, "PNG")
    pictures = {"a.png": THREE["a.png"], "cut.png": THREE["b.png"][:-200], "deep.png": file.getvalue()}
    pictures |= {"text.png": b"hello"}
    names = [*pictures, "gone.png"]
    write(tmp_path, "file,label,part\n" + "".join(f"{name},no,train\n" for name in names), pictures)
    found = load(tmp_path, ZIP)
    assert {name.split("@")[0] for name in found.names} == {"images.zip/a.png"}
    reasons = {Path(failure.item).stem: failure.reason for failure in found.failures}
    assert sorted(reasons) == ["cut", "deep", "gone", "text"]
    assert "no such picture" in reasons["gone"]
    assert "I;16" in reasons["deep"]
    assert "cannot be decoded" in reasons["cut"]


def test_nothing_but_damage_is_an_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write(tmp_path, "file,label,part\na.png,no,train\n", {"a.png": b"nothing"})
    with pytest.raises(PatchError, match="no tile can be read"):
        load(tmp_path, ZIP)
    assert not list((tmp_path / "cache").rglob("*.*"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('images = "images.zip"\nlabel = "colour"\n', "expected also colour"),
        ('images = "other.zip"\n', r"other\.zip: there is no such folder or zip"),
        ('table = "gone.csv"\n', "there is no such file, expected a table"),
        ('images = "index.csv"\n', "no readable zip file"),
        ('images = "images.zip"\nx = "label"\n', "all three or none"),
        ('images = "images.zip"\npart = "part"\n', "'val' are no parts"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, source: str, message: str) -> None:
    write(tmp_path, ROWS, THREE)
    with pytest.raises(PatchError, match=message):
        load(tmp_path, source)


def test_unknown_settings_are_a_wrong_recipe(tmp_path: Path) -> None:
    write(tmp_path, ROWS, THREE)
    with pytest.raises(RecipeError, match="colour"):
        load(tmp_path, 'colour = "red"\n')


def test_repeated_rows_are_told(tmp_path: Path) -> None:
    write(tmp_path, "file,label,part\na.png,no,train\na.png,yes,train\n", THREE)
    with pytest.raises(PatchError, match="listed twice"):
        load(tmp_path, ZIP)


def test_real_crops(shared_data: Path, tmp_path: Path) -> None:
    task = TASK.format(
        kind="binary",
        classes='["background", "mitosis"]',
        small="magnify",
        stride=1,
        source='table = "detection_crops.csv"\nimages = "patches.zip"\npart = "split"\ngroup = "group"\n'
        'x = "x"\ny = "y"\nsize = "size"\n',
    )
    (tmp_path / "task.toml").write_text(task.replace("[source]", 'folder = "mitosis_breast"\n[source]'))
    found = load_patches(tmp_path / "task.toml", shared_data, 48, 0.5, tmp_path)
    assert found.tiles.shape == (2571, 48, 48, 3)
    assert found.failures == ()
    assert {part: len(found.rows(part)) for part in ("test",)} == {"test": 720}
    with zipfile.ZipFile(shared_data / "mitosis_breast" / "patches.zip") as file:
        pixels = np.array(Image.open(file.open("MIDOG21_2880.jpg")).convert("RGB"))
    np.testing.assert_array_equal(found.tiles[0], pixels[40:88, 40:88])
    groups = [set(found.groups[found.rows(part)]) for part in ("train", "tuning", "test")]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
