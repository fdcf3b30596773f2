"""Pictures of the rectangles task in ink, and the files that digits come from."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import PatchError
from histopress.studies.rectangles import RectanglesRecipe, draw_scene
from histopress.studies.rectangles_picture import read_digits, scene_picture

SCENE = RectanglesRecipe(side=20, digits=120, shortest=4, longest=8)


def write_idx(path: Path, array: np.ndarray) -> Path:
    header = struct.pack(f">{array.ndim + 1}I", 2048 + array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))
    return path


def test_a_picture_shows_every_digit_in_its_cell() -> None:
    digits = [np.full((3, 28, 28), 20 * (number + 1), np.uint8) for number in range(10)]
    scene = draw_scene(SCENE, 0, 4)
    picture = scene_picture(scene, digits)
    assert picture.shape == (180, 180) and set(np.unique(picture)) == {0, 255}
    inked = picture.reshape(20, 9, 20, 9).transpose(0, 2, 1, 3).reshape(20, 20, -1)
    full = np.zeros((20, 20), np.bool_)
    full[scene.cells[:, 0], scene.cells[:, 1]] = scene.classes >= 3  # brighter than 63
    assert np.array_equal(inked.all(axis=2), full)
    assert np.array_equal(inked.any(axis=2), full)


def test_every_third_pixel_is_kept_and_variants_choose_the_digit() -> None:
    shape = np.zeros((2, 28, 28), np.uint8)
    shape[1, 1::3, 1] = 255  # the second variant is a line at the left
    scene = draw_scene(SCENE, 0, 0)
    picture = scene_picture(scene, [shape] * 10)
    row, col = scene.cells[0]
    cell = picture[row * 9 : row * 9 + 9, col * 9 : col * 9 + 9]
    expected = np.zeros((9, 9), np.uint8)
    expected[:, 0] = 255 * (scene.variants[0] % 2)
    assert np.array_equal(cell, expected)


def test_digits_are_read_by_class(tmp_path: Path) -> None:
    pictures = np.arange(4 * 28 * 28).reshape(4, 28, 28) % 251
    images = write_idx(tmp_path / "images.gz", pictures)
    labels = write_idx(tmp_path / "labels.gz", np.array([1, 0, 1, 2]))
    digits = read_digits(images, labels)
    assert [len(own) for own in digits] == [1, 2, 1]
    assert np.array_equal(digits[1], pictures[[0, 2]])


def test_other_files_are_refused(tmp_path: Path) -> None:
    images = write_idx(tmp_path / "images.gz", np.zeros((4, 28, 28)))
    labels = write_idx(tmp_path / "labels.gz", np.zeros(3))
    with pytest.raises(PatchError, match="4 pictures"):
        read_digits(images, labels)
    with pytest.raises(PatchError, match="no IDX file of 3 axes"):
        read_digits(labels, labels)
    (tmp_path / "text").write_text("no digits")
    with pytest.raises(PatchError, match="cannot be read"):
        read_digits(tmp_path / "text", labels)


def test_real_digits(shared_data: Path) -> None:
    folder = shared_data / "mnist"
    digits = read_digits(folder / "t10k-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte.gz")
    assert sum(map(len, digits)) == 10_000
    picture = scene_picture(draw_scene(SCENE, 0, 1), digits)
    assert 0.02 < (picture > 0).mean() < 0.15
