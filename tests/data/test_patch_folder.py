"""Pictures in folders that are named after classes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histopress.core.errors import PatchError
from histopress.data.patches import PatchSet, load_patches

TASK = """
name = "t"
kind = "{kind}"
classes = ["no", "yes"]
spacing = 0.5
layout = "folder"
[source]
"""


def write(folder: Path, names: list[str]) -> None:
    for index, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 20, 3), index * 10, np.uint8)).save(path)


def load(folder: Path, source: str = "", kind: str = "binary") -> PatchSet:
    (folder / "task.toml").write_text(TASK.format(kind=kind) + source)
    return load_patches(folder / "task.toml", tile=16, cache=folder / "cache")


PARTS = 'parts = {train = "train", val = "tuning", test = "test", extra = ""}\nimages = "set"\n'
NAMES = [
    "set/train/no/P1/a.png",
    "set/train/yes/P2/a.png",
    "set/val/no/P3/a.png",
    "set/test/yes/P4/b.png",
    "set/extra/yes/P5/b.png",
]


def test_classes_and_parts_are_folders(tmp_path: Path) -> None:
    write(tmp_path, NAMES)
    (tmp_path / "set" / "readme.txt").write_text("not a picture")
    (tmp_path / "set" / "train" / ".hidden.png").write_text("not a picture")
    found = load(tmp_path, PARTS + "group_pattern = '/(P\\d)/'\n")
    assert [name.split("@")[0] for name in found.names] == sorted(NAMES)[1:]
    rows = zip(found.targets.tolist(), found.parts.tolist(), found.groups.tolist(), strict=True)
    assert sorted(rows, key=lambda row: row[2]) == [
        (0.0, "train", "P1"),
        (1.0, "train", "P2"),
        (0.0, "tuning", "P3"),
        (1.0, "test", "P4"),
    ]
    shades = {name.split("@")[0]: tile.max() for name, tile in zip(found.names, found.tiles, strict=True)}
    assert shades == {name: 10 * index for index, name in enumerate(NAMES[:4])}


def test_classes_may_be_named_otherwise_and_deeper(tmp_path: Path) -> None:
    write(tmp_path, ["x/deep/benign_40X/a.png", "x/deep/tumour_40X/a.png", "x/deep/tumour_10X/a.png"])
    source = "class_pattern = '/(\\w+)_40X/'\nmapping = {benign = \"no\", tumour = \"yes\"}\nonly = '_40X'\n"
    assert load(tmp_path, source).targets.tolist() == [0.0, 1.0]


def test_a_zip_is_as_good_as_a_folder(tmp_path: Path) -> None:
    write(tmp_path, NAMES)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        for name in NAMES:
            file.write(tmp_path / name, name.removeprefix("set/"))
        file.writestr("__MACOSX/train/no/._a.png", b"not a picture")
    plain, packed = load(tmp_path, PARTS), load(tmp_path, PARTS.replace('"set"', '"set.zip"'))
    np.testing.assert_array_equal(plain.tiles, packed.tiles)
    assert plain.parts.tolist() == packed.parts.tolist()
    assert plain.identity != packed.identity


@pytest.mark.parametrize(
    ("names", "source", "message"),
    [
        (["no/a.png", "maybe/a.png"], "", r"'maybe' \(1 times\)"),
        (["a.png"], "", "lies in no folder of a class"),
        (["no/a.txt.png"], "only = 'jpg'\n", "no picture"),
        (["old/no/a.png"], 'parts = {train = "train"}\n', "'old' are no parts"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, names: list[str], source: str, message: str) -> None:
    write(tmp_path, names)
    with pytest.raises(PatchError, match=message):
        load(tmp_path, source)


def test_folders_cannot_say_several_labels(tmp_path: Path) -> None:
    write(tmp_path, ["no/a.png"])
    with pytest.raises(PatchError, match="multilabel, which folders cannot say"):
        load(tmp_path, kind="multilabel")
