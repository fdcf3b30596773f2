"""Patches as PatchCamelyon ships them: files of pixels, of labels, and tables beside them."""

from __future__ import annotations

import gzip
from pathlib import Path

import h5py
import numpy as np
import pytest

from histopress.core.errors import PatchError
from histopress.data.patches import PatchSet, load_patches

TASK = """
name = "pcam"
kind = "binary"
classes = ["normal", "tumour"]
spacing = 0.5
layout = "hdf5"
groups = "slide"
[source]
"""

COUNTS = {"train": 150, "valid": 20, "test": 30}
STEM = "camelyonpatch_level_2_split_"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files named and laid out like the published ones, only fewer patches."""
    for seed, (part, count) in enumerate(COUNTS.items()):
        rng = np.random.default_rng(seed)
        with h5py.File(tmp_path / f"{STEM}{part}_x.h5", "w") as file:
            file.create_dataset(
                "x", data=rng.integers(0, 256, (count, 96, 96, 3), np.uint8), chunks=(16, 96, 96, 3)
            )
        with h5py.File(tmp_path / f"{STEM}{part}_y.h5", "w") as file:
            file.create_dataset("y", data=rng.integers(0, 2, (count, 1, 1, 1), np.uint8))
        rows = [f"{i},{i * 7},{i * 5},True,{bool(i % 2)},camelyon16_{part}_{i // 8:03}" for i in range(count)]
        text = "\n".join([",coord_y,coord_x,tumor_patch,center_tumor_patch,wsi", *rows])
        (tmp_path / f"{STEM}{part}_meta.csv").write_text(text + "\n")
    return tmp_path


def load(folder: Path, source: str = "", tile: int = 96, spacing: float = 0.5) -> PatchSet:
    (folder / "task.toml").write_text(TASK + source)
    return load_patches(folder / "task.toml", tile=tile, spacing=spacing, cache=folder / "cache")


def stored(folder: Path, part: str, key: str) -> np.ndarray:  # type: ignore[type-arg]
    with h5py.File(folder / f"{STEM}{part}_{key}.h5") as file:
        return np.asarray(file[key])


def test_everything_is_as_it_is_stored(folder: Path) -> None:
    found = load(folder)
    assert len(found.tiles) == sum(COUNTS.values())
    for part, name in (("train", "train"), ("valid", "tuning"), ("test", "test")):
        rows = found.rows(name)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found.tiles[rows], stored(folder, part, "x"))
        np.testing.assert_array_equal(found.targets[rows], stored(folder, part, "y").ravel())
        groups = [f"camelyon16_{part}_{index // 8:03}" for index in range(COUNTS[part])]
        assert found.groups[rows].tolist() == groups
    assert found.names[0] == "train/0@48,48"


def test_smaller_tiles_show_the_middle(folder: Path) -> None:
    found = load(folder, tile=64)
    np.testing.assert_array_equal(found.tiles[:150], stored(folder, "train", "x")[:, 16:80, 16:80])


def test_parts_may_be_left_out_and_patches_chosen(folder: Path) -> None:
    for path in folder.glob(f"{STEM}train*"):
        path.unlink()
    chosen = 'parts = {valid = "train", test = "test"}\nonly = {center_tumor_patch = "True"}\n'
    found = load(folder, chosen)
    assert {part: len(found.rows(part)) for part in ("train", "test")} == {"train": 6, "test": 15}  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.tiles[found.rows("test")], stored(folder, "test", "x")[1::2])


def test_without_tables_every_patch_is_a_group(folder: Path) -> None:
    for path in folder.glob("*_meta.csv"):
        path.unlink()
    with pytest.raises(PatchError, match=r"meta\.csv: there is no such file.*may be empty"):
        load(folder)
    assert len(set(load(folder, 'meta = ""\n').groups)) == sum(COUNTS.values())


def test_packed_files_are_to_be_unpacked(folder: Path) -> None:
    path = folder / f"{STEM}valid_x.h5"
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    path.unlink()
    with pytest.raises(PatchError, match=r"valid_x\.h5: only .*valid_x\.h5\.gz is there.*gunzip"):
        load(folder)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('images_key = "pixels"\n', "holds x, expected dataset 'pixels'"),
        ('labels_key = "x"\n', "holds y, expected dataset 'x'"),
        ('group = "patient"\n', r"columns coord_y, .*expected also 'patient'"),
        ('parts = {train = "learn"}\n', "'train' are no parts"),
        (
            'images = "camelyonpatch_level_2_split_{part}_y.h5"\nimages_key = "y"\n',
            r"pixels of shape \(150, 1, 1, 1\)",
        ),
    ],
)
def test_what_is_wrong_is_said(folder: Path, source: str, message: str) -> None:
    with pytest.raises(PatchError, match=message):
        load(folder, source)


def test_files_that_do_not_belong_together_are_told(folder: Path) -> None:
    with h5py.File(folder / f"{STEM}test_y.h5", "w") as file:
        file["y"] = np.zeros((29, 1, 1, 1), np.uint8)
    with pytest.raises(PatchError, match="30 pixels, 29 labels, 30 groups"):
        load(folder)


def test_labels_beyond_the_classes_are_told(folder: Path) -> None:
    with h5py.File(folder / f"{STEM}test_y.h5", "r+") as file:
        file["y"][3] = 7
    with pytest.raises(PatchError, match="labels 7, expected whole numbers from 0 to 1"):
        load(folder)


def test_cut_off_files_are_told(folder: Path) -> None:
    path = folder / f"{STEM}train_x.h5"
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(PatchError, match=r"train_x\.h5: no readable HDF5 file"):
        load(folder)
