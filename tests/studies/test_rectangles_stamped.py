"""Grids that gather codes of stamps: what encoding the picture gives, and blind to what a bag cannot tell."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histopress.encoders.encoder import encode
from histopress.studies.mnist_files import Digits
from histopress.studies.rectangles import RectanglesRecipe, draw_scene
from histopress.studies.rectangles_cells import framed
from histopress.studies.rectangles_digits import CELL, Stamps, chosen, deal, read_stamps
from histopress.studies.rectangles_encoders import cell_encoder, codes_of
from histopress.studies.rectangles_picture import scene_picture
from histopress.studies.rectangles_recipe import CellEncoderRecipe
from histopress.studies.rectangles_stamped import CodeBook, StampedGrids

SCENE = RectanglesRecipe(side=20, digits=250, labels=4, shortest=10, longest=10)


@pytest.fixture(scope="module")
def stamps(easy_digits: Callable[[int, int], Digits]) -> Stamps:
    return deal(easy_digits(200, 0), {"test": 1.0}, seed=0)["test"]


def source(stamps: Stamps, **how: object) -> StampedGrids:
    codes = np.random.default_rng(1).standard_normal((len(stamps), 5)).astype(np.float16)
    return StampedGrids("test", SCENE, 7, CodeBook(codes, stamps.counts, "made up"), **how)  # type: ignore[arg-type]


def test_a_gathered_grid_is_what_encoding_the_cells_of_the_picture_gives(
    stamps: Stamps, tmp_path: Path
) -> None:
    encoder = cell_encoder("random", CellEncoderRecipe(dim=6), SCENE, stamps, tmp_path, seed=2)
    made = StampedGrids("test", SCENE, 7, CodeBook(codes_of(encoder, stamps), stamps.counts, "random"))
    grid, scene = made(3), draw_scene(SCENE, 7, 3)
    cells = scene_picture(scene, stamps).reshape(20, CELL, 20, CELL).swapaxes(1, 2)
    tiles = framed(cells[scene.cells[:, 0], scene.cells[:, 1]])
    assert grid.shape == (20, 20) and np.array_equal(grid.cells, scene.cells)
    assert np.allclose(grid.features, encode(encoder, tiles, device="cpu"), atol=2e-3)


def test_grids_are_the_same_every_time_and_in_other_processes(stamps: Stamps) -> None:
    first, other = source(stamps), pickle.loads(pickle.dumps(source(stamps)))
    first(1)
    assert np.array_equal(first(4).features, other(4).features)
    assert first(4).slide.slide == "rectangles-test-000004"
    assert not np.array_equal(first(4).features, first(8).features)


def test_noise_has_the_cells_of_the_picture_and_nothing_of_its_digits(stamps: Stamps) -> None:
    real, noise = source(stamps)(2), source(stamps, noise=True)(2)
    assert np.array_equal(real.cells, noise.cells)
    assert abs(float(noise.features.mean())) < 0.15 and abs(float(noise.features.std()) - 1) < 0.1
    assert np.array_equal(noise.features, source(stamps, noise=True)(2).features)
    assert real.encoder["identity"] != noise.encoder["identity"]


def test_sums_of_codes_do_not_tell_label_from_distractor(stamps: Stamps) -> None:
    """With stamps as with classes: a bag knows which two classes are too many, not which one is tilted."""
    ink = stamps.pictures.mean(axis=(1, 2))
    made = StampedGrids("test", SCENE, 0, CodeBook(_tallies(stamps, ink), stamps.counts, "tallies"))
    ahead = []
    for index in range(300):
        scene = made.scene_of(index)
        bag = made(index).features.astype(np.float64).sum(axis=0)
        assert {scene.label, scene.straight.number} <= set(np.argsort(bag[:10])[-4:].tolist())
        ahead.append(bag[scene.label] - bag[scene.straight.number])
    assert abs(np.mean(ahead)) < 4 * np.std(ahead) / np.sqrt(len(ahead))
    assert abs(np.sign(ahead).sum()) < 4 * np.sqrt(len(ahead))


def _tallies(stamps: Stamps, ink: np.ndarray) -> np.ndarray:
    """(stamps, 11) class as one number of ten, then ink."""
    return np.concatenate([np.eye(10)[stamps.classes], ink[:, None] / 255], axis=1).astype(np.float16)


def test_labels_take_turns(stamps: Stamps) -> None:
    assert [source(stamps).scene_of(index).label for index in range(8)] == [0, 1, 2, 3, 0, 1, 2, 3]


def test_ink_of_real_digits_does_not_tell_the_label(shared_data: Path) -> None:
    """Zeros have more ink than ones, and a picture of either label holds as many of both."""
    stamps = read_stamps(shared_data / "mnist")["test"]
    recipe = replace(SCENE, labels=2)
    ink = np.count_nonzero(stamps.pictures, axis=(1, 2))
    sums = np.array(
        [ink[chosen(draw_scene(recipe, 0, index), stamps.counts)].sum() for index in range(400)], float
    )
    first, second = sums[::2], sums[1::2]
    assert abs(first.mean() - second.mean()) < 4 * np.sqrt((first.var() + second.var()) / 200)
