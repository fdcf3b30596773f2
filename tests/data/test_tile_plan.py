"""Which stored tiles cells need: what was counted one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from histopress.core.geometry import Lattice, Point, Size
from histopress.data.resample import margin_of
from histopress.data.slide_facts import Level
from histopress.data.source import Source
from histopress.data.tile_plan import averaged, count_uses, is_whole, spans_of

LEVEL = Level(Size(1003, 701), 1.0, 1.0)


def every_cell(lattice: Lattice) -> np.ndarray:
    return np.argwhere(np.ones(lattice.shape)).astype(np.int32)


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("step", [64.0, 64.5, 100.0, 333.3])
def test_spans_hold_every_pixel_that_a_cell_depends_on(step: float, scale: int) -> None:
    source, tile = Source.of(0, LEVEL, scale), Size(240 // scale, 256 // scale)
    lattice = Lattice.stepping(LEVEL.size, step, step * 1.1, 0.5, 32)
    cells = every_cell(lattice)
    side = Size(32, 32)
    for (row, col), span in zip(cells.tolist(), spans_of(lattice, cells, source, tile).tolist(), strict=True):
        box = source.box(lattice.box(row, col))
        margin = margin_of(box, side)
        top, left = max(0, math.floor(box.y - margin)), max(0, math.floor(box.x - margin))
        bottom = min(source.size.height, math.ceil(box.y + box.height + margin))
        right = min(source.size.width, math.ceil(box.x + box.width + margin))
        assert span[0] <= top // tile.height and span[2] <= left // tile.width
        assert span[1] >= (bottom - 1) // tile.height and span[3] >= (right - 1) // tile.width


def test_spans_are_no_larger_than_they_must_be_where_pixels_are_taken_as_they_are() -> None:
    source = Source.of(0, Level(Size(1024, 512), 1.0, 1.0), 2)
    lattice = Lattice.stepping(Size(1024, 512), 256, 256, 0.5, 128)
    spans = spans_of(lattice, every_cell(lattice), source, Size(128, 128))
    assert spans.tolist() == [[r, r, c, c] for r in range(2) for c in range(4)]


def test_uses_are_counted_one_by_one() -> None:
    random = np.random.default_rng(0)
    first = random.integers(0, 8, (200, 2))
    length = random.integers(-1, 3, (200, 2))  # a last tile before the first: none at all
    last = np.minimum(first + length, 9)
    spans = np.stack([first[:, 0], last[:, 0], first[:, 1], last[:, 1]], axis=1).astype(np.int32)
    expected = np.zeros((10, 11), np.int32)
    for top, bottom, left, right in spans.tolist():
        expected[top : bottom + 1, left : right + 1] += 1
    assert np.array_equal(count_uses(spans, (10, 11)), expected)
    assert not count_uses(np.zeros((0, 4), np.int32), (3, 4)).any()


def test_means_over_whole_blocks_are_made_once_a_tile() -> None:
    source = Source.of(0, LEVEL)
    assert averaged(source, Lattice.stepping(LEVEL.size, 256, 256, 0.5, 128), LEVEL).scale == 2
    assert averaged(source, Lattice.stepping(LEVEL.size, 512, 512, 0.5, 128), LEVEL).scale == 4
    for step_x, step_y in ((384, 384), (256, 512), (256.5, 256.5), (128, 128)):
        assert averaged(source, Lattice.stepping(LEVEL.size, step_x, step_y, 0.5, 128), LEVEL).scale == 1


def test_a_lattice_off_the_pixels_is_not_whole() -> None:
    source = Source.of(0, LEVEL)
    on = Lattice(256, 256, 2, 3, 0.5, 128)
    off = Lattice(256, 256, 2, 3, 0.5, 128, Point(0.5, 0))
    odd = Lattice(256, 256, 2, 3, 0.5, 128, Point(1, 0))
    assert is_whole(source, on, 2) and not is_whole(source, off, 2)
    assert not is_whole(source, odd, 2), "blocks would begin in the middle of others"
