"""Pictures of the rectangles task in ink."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from histopress.studies.rectangles import RectanglesRecipe, draw_scene
from histopress.studies.rectangles_digits import Stamps, chosen, read_stamps
from histopress.studies.rectangles_picture import scene_picture

SCENE = RectanglesRecipe(side=20, digits=120, shortest=4, longest=8)


def test_a_picture_shows_every_digit_in_its_cell_and_nothing_else() -> None:
    random = np.random.default_rng(0)
    pictures = np.where(random.random((30, 9, 9)) < 0.3, 255, 0).astype(np.uint8)
    stamps = Stamps(pictures, np.arange(10, dtype=np.uint8).repeat(3), np.arange(30))
    scene = draw_scene(SCENE, 0, 4)
    picture = scene_picture(scene, stamps)
    assert picture.shape == (180, 180) and set(np.unique(picture)) == {0, 255}
    cells = picture.reshape(20, 9, 20, 9).swapaxes(1, 2)
    full = np.zeros((20, 20), np.bool_)
    full[scene.cells[:, 0], scene.cells[:, 1]] = True
    assert np.array_equal(cells[full], pictures[chosen(scene, stamps.counts)])
    assert not cells[~full].any()


def test_real_digits(shared_data: Path) -> None:
    stamps = read_stamps(shared_data / "mnist")
    assert [len(stamps[part]) for part in ("encoder", "train", "tuning", "test")] == [
        8999,
        15000,
        6001,
        10000,
    ]
    picture = scene_picture(draw_scene(SCENE, 0, 1), stamps["test"])
    assert 0.02 < (picture > 0).mean() < 0.15
