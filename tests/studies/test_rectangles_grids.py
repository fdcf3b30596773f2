"""Pictures of the rectangles task as grids: codes tell classes, noise blurs them, nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from histopress.core.errors import RecipeError
from histopress.studies.rectangles import RectanglesRecipe, draw_scene
from histopress.studies.rectangles_grids import RectangleCodes, rectangle_grids, scene_grid

SCENE = RectanglesRecipe(side=40, digits=600, shortest=8, longest=16)


def test_codes_without_noise_are_the_classes() -> None:
    codes = RectangleCodes(SCENE, noise=0.0)
    scene = draw_scene(SCENE, 0, 3)
    grid = scene_grid(scene, codes, 3)
    assert grid.shape == (40, 40) and grid.dim == 10
    assert np.array_equal(grid.cells, scene.cells)
    assert np.array_equal(grid.features, np.eye(10, dtype=np.float16)[scene.classes])


@pytest.mark.parametrize("dim", [0, 24])
def test_noise_has_its_strength_around_the_prototypes(dim: int) -> None:
    codes = RectangleCodes(SCENE, dim=dim, noise=0.3)
    scene = draw_scene(SCENE, 0, 1)
    grid = scene_grid(scene, codes, 1)
    assert grid.dim == (dim or 10)
    assert np.allclose(np.linalg.norm(codes.prototypes, axis=1), 1)
    noise = grid.features.astype(np.float64) - codes.prototypes[scene.classes]
    assert noise.std() == pytest.approx(0.3, rel=0.05)
    assert abs(noise.mean()) < 0.02


def test_grids_and_table_agree() -> None:
    codes = RectangleCodes(SCENE)
    grids, table = rectangle_grids(codes, 12)
    assert table["label"].tolist() == [str(index % 10) for index in range(12)]
    assert table["slide"].tolist() == list(grids)
    fifth = draw_scene(SCENE, 0, 5)
    assert str(fifth.label) == table["label"][5]
    assert np.array_equal(grids["rectangles-000005"].cells, fifth.cells)


def test_grids_are_the_same_every_time_and_differ_between_seeds() -> None:
    first, _ = rectangle_grids(RectangleCodes(SCENE), 3)
    again, _ = rectangle_grids(RectangleCodes(SCENE), 7)
    other, _ = rectangle_grids(RectangleCodes(SCENE, seed=1), 3)
    name = "rectangles-000002"
    assert np.array_equal(first[name].features, again[name].features)
    assert not np.array_equal(first[name].features, other[name].features)
    assert first[name].encoder["identity"] != other[name].encoder["identity"]


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(RecipeError, match="noise -1"):
        RectangleCodes(SCENE, noise=-1)
