"""Pairs of cells that encoders learn from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from histopress.studies.mnist_files import Digits
from histopress.studies.rectangles import RectanglesRecipe, draw_scene
from histopress.studies.rectangles_cells import FRAME, TILE, cell_pairs, framed
from histopress.studies.rectangles_digits import CELL, Stamps, deal
from histopress.studies.rectangles_picture import scene_picture

SCENE = RectanglesRecipe(side=24, digits=200, shortest=4, longest=8)


@pytest.fixture(scope="module")
def stamps(easy_digits: Callable[[int, int], Digits]) -> Stamps:
    return deal(easy_digits(200, 0), {"encoder": 1.0}, seed=0)["encoder"]


def test_a_stamp_stands_in_the_middle_of_its_tile(stamps: Stamps) -> None:
    tiles = framed(stamps.pictures)
    assert tiles.shape == (200, TILE, TILE, 3)
    inner = tiles[:, FRAME : FRAME + CELL, FRAME : FRAME + CELL]
    assert np.array_equal(inner, stamps.pictures[..., None].repeat(3, axis=3))
    assert tiles.sum() == inner.sum()


def test_pairs_lie_side_by_side_in_the_picture_they_come_from(stamps: Stamps) -> None:
    pairs = cell_pairs(SCENE, stamps, 500, seed=5)
    assert len(pairs) == 500 and pairs.slots == 2 and pairs.tile == TILE
    assert np.array_equal(np.bincount(pairs.sources), [400, 100])
    whole = [np.pad(scene_picture(draw_scene(SCENE, 5, i), stamps), CELL) for i in range(2)]
    cells = [p.reshape(26, CELL, 26, CELL).swapaxes(1, 2) for p in whole]
    shown = pairs.blocks[0][:, :, FRAME : FRAME + CELL, FRAME : FRAME + CELL, 0]
    beside = {
        source: {
            picture[r, c].tobytes() + picture[r + y, c + x].tobytes()
            for r in range(1, 25)
            for c in range(1, 25)
            for y, x in ((0, 1), (1, 0), (0, -1), (-1, 0))
        }
        for source, picture in enumerate(cells)
    }
    assert all(pair.tobytes() in beside[s] for pair, s in zip(shown, pairs.sources, strict=True))


def test_cells_with_a_digit_are_drawn_twice_as_often_as_empty_ones(stamps: Stamps) -> None:
    pairs = cell_pairs(SCENE, stamps, 4000, seed=0)
    inked = pairs.blocks[0].max(axis=(2, 3, 4)) > 0
    assert abs(inked[:, 0].mean() - 2 / 3) < 0.03
    assert 0.25 < inked[:, 1].mean() < 0.5  # as full as the canvas, a third


def test_the_same_seed_gives_the_same_pairs(stamps: Stamps) -> None:
    first, again, other = (cell_pairs(SCENE, stamps, 60, seed=seed) for seed in (1, 1, 2))
    assert first.identity == again.identity != other.identity
    assert np.array_equal(first.blocks[0], again.blocks[0])
    assert not np.array_equal(first.blocks[0], other.blocks[0])
