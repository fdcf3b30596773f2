"""Patches as MedMNIST ships them: one npz with arrays for each part."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.data.patch_arrays import BLOCK, HELD
from histopress.data.patches import PatchSet, load_patches

TASK = """
name = "med"
kind = "{kind}"
classes = {classes}
spacing = 0.5
layout = "npz"
[source]
file = "med.npz"
"""

PARTS = ("train", "val", "test")


def write(
    folder: Path, count: int = 70, shape: tuple[int, ...] = (28, 28, 3), labels: int = 1
) -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    arrays = {}
    for part in PARTS:
        arrays[f"{part}_images"] = rng.integers(0, 256, (count, *shape), np.uint8)
        arrays[f"{part}_labels"] = rng.integers(0, 2, (count, labels)).astype(np.uint8)
    np.savez_compressed(folder / "med.npz", **arrays)  # type: ignore[arg-type]
    return arrays


def load(
    folder: Path, source: str = "", kind: str = "multiclass", classes: str = '["a", "b", "c"]'
) -> PatchSet:
    (folder / "task.toml").write_text(TASK.format(kind=kind, classes=classes) + source)
    return load_patches(folder / "task.toml", tile=28, cache=folder / "cache")


def test_everything_is_as_it_is_stored(tmp_path: Path) -> None:
    arrays = write(tmp_path)
    found = load(tmp_path)
    for part, name in zip(PARTS, ("train", "tuning", "test"), strict=True):
        rows = found.rows(name)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found.tiles[rows], arrays[f"{part}_images"])
        np.testing.assert_array_equal(found.targets[rows], arrays[f"{part}_labels"][:, 0])
    assert len(set(found.groups)) == len(found.names) == 210


def test_more_blocks_than_are_held_come_in_order(tmp_path: Path) -> None:
    arrays = write(tmp_path, count=BLOCK * (HELD + 3) + 1, shape=(28, 28))
    found = load(tmp_path)
    grey = arrays["train_images"]
    np.testing.assert_array_equal(found.tiles[found.rows("train")], np.repeat(grey[..., None], 3, 3))


def test_several_labels(tmp_path: Path) -> None:
    arrays = write(tmp_path, labels=3)
    found = load(tmp_path, kind="multilabel")
    np.testing.assert_array_equal(found.targets[:70], arrays["train_labels"])
    with pytest.raises(PatchError, match="3 labels a patch, expected 1 for a multiclass task"):
        load(tmp_path)


def test_numbers(tmp_path: Path) -> None:
    arrays = write(tmp_path)
    scores = np.linspace(-1, 1, 70)
    scores[3] = math.nan
    np.savez(tmp_path / "med.npz", **{**arrays, "train_labels": scores})  # type: ignore[arg-type]
    found = load(tmp_path, kind="regression", classes="[]")
    np.testing.assert_array_equal(found.targets[:70], scores.astype(np.float32))


def test_groups(tmp_path: Path) -> None:
    arrays = write(tmp_path)
    groups = {f"{part}_who": np.array([f"{part}{index // 7}" for index in range(70)]) for part in PARTS}
    np.savez(tmp_path / "med.npz", **arrays, **groups)  # type: ignore[arg-type]
    found = load(tmp_path, 'groups = "{part}_who"\nparts = {train = "train", test = "test"}\n')
    assert set(found.groups[found.parts == "test"]) == {f"test{index}" for index in range(10)}
    tuning = set(found.groups[found.rows("tuning")])
    assert tuning
    assert not tuning & set(found.groups[found.rows("train")])


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(PatchError, match=r"med\.npz: there is no such file"):
        load(tmp_path)
    (tmp_path / "med.npz").write_bytes(b"nothing")
    with pytest.raises(PatchError, match=r"no readable \.npz"):
        load(tmp_path)
    arrays = write(tmp_path)
    with pytest.raises(PatchError, match=r"holds train_images, .*expected train_pixels"):
        load(tmp_path, 'images = "{part}_pixels"\n')
    np.savez(tmp_path / "med.npz", **{**arrays, "val_images": arrays["val_images"] / 255})  # type: ignore[arg-type]
    with pytest.raises(PatchError, match="pixels of float64, expected uint8"):
        load(tmp_path)


def test_damaged_patches_are_reported_and_do_not_stop_the_others(tmp_path: Path) -> None:
    arrays = write(tmp_path, count=3 * BLOCK)
    np.savez(tmp_path / "med.npz", **arrays)  # type: ignore[arg-type]
    data = bytearray((tmp_path / "med.npz").read_bytes())
    at = data.index(arrays["test_images"][2 * BLOCK].tobytes())
    data[at] ^= 0xFF
    (tmp_path / "med.npz").write_bytes(data)
    found = load(tmp_path)
    assert len(found.rows("train")) == 3 * BLOCK
    assert len(found.rows("test")) == 2 * BLOCK
    assert len(found.failures) == BLOCK
    assert "array test_images cannot be read" in found.failures[0].reason
