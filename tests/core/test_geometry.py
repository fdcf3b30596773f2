from __future__ import annotations

import math

import pytest

from histopress.core.geometry import Box, Lattice, Point, Size, Spacing, size_um

SIZE = Size(5000, 3001)
STORED = Spacing(0.25, 0.4)


def test_a_box_keeps_its_extent_in_um_at_any_spacing() -> None:
    box = Box(13.5, 7.25, 1024.0, 640.0)
    wanted = Spacing(0.5, 0.5)
    size = box.size_at(STORED, wanted)
    assert size == Size(512, 512)
    assert size_um(size, wanted) == (box.height * STORED.y, box.width * STORED.x)


def test_a_box_is_never_shown_with_no_pixel() -> None:
    assert Box(0, 0, 0.1, 0.1).size_at(STORED, Spacing(5.0, 4.0)) == Size(1, 1)


def test_the_lattice_covers_the_slide_and_no_more_than_a_cell_beyond() -> None:
    lattice = Lattice.over(SIZE, STORED, wanted=0.5, tile=128)
    assert lattice.step_x == pytest.approx(256.0)
    assert lattice.step_y == pytest.approx(160.0)
    for extent, step, count in [
        (SIZE.width, lattice.step_x, lattice.cols),
        (SIZE.height, lattice.step_y, lattice.rows),
    ]:
        assert (count - 1) * step < extent <= count * step


@pytest.mark.parametrize("spacing", [0.1, 0.3, 0.499, 0.7, 1.1])
def test_a_slide_of_whole_tiles_gets_no_empty_column(spacing: float) -> None:
    stored = Spacing(spacing, spacing * 2)
    size = Size(round(128 * 7 * 0.5 / spacing * 1000), 1000)
    wanted = size.width * spacing / (128 * 7)
    assert Lattice.over(size, stored, wanted, 128).cols == 7


def test_neighbouring_cells_share_an_edge() -> None:
    lattice = Lattice.over(SIZE, Spacing(0.499, 0.47), wanted=0.5, tile=96)
    here, right, below = lattice.box(4, 3), lattice.box(4, 4), lattice.box(5, 3)
    assert here.x + here.width == pytest.approx(right.x)
    assert here.y + here.height == pytest.approx(below.y)
    block = lattice.box(4, 3, rows=2, cols=3)
    assert (block.width, block.height) == pytest.approx((3 * here.width, 2 * here.height))
    assert here.size_at(Spacing(0.499, 0.47), Spacing.square(0.5)) == Size(96, 96)


def test_a_lattice_may_start_elsewhere() -> None:
    moved = Lattice(10.0, 20.0, 3, 4, 0.5, 128, origin=Point(5.0, 7.0))
    assert moved.box(1, 2) == Box(25.0, 27.0, 10.0, 20.0)
    assert moved.cell_um == 64.0


@pytest.mark.parametrize(
    ("x", "y", "good"),
    [
        (0.25, 0.5, True),
        (0.05, 5.0, True),
        (0.04, 0.25, False),
        (353.0, 353.0, False),
        (math.nan, 0.5, False),
        (0, 0, False),
    ],
)
def test_plausible_spacings(x: float, y: float, good: bool) -> None:
    assert Spacing(x, y).plausible is good


def test_spacings_are_told_with_their_unit() -> None:
    assert str(Spacing.square(0.499)) == "0.499 um/px"
    assert str(Spacing(0.25, 0.5)) == "0.25 x 0.5 um/px"
    assert Spacing(0.2, 0.8).mean == pytest.approx(0.4)
