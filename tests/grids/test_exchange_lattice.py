"""Finding one lattice under corners: its origin, its step, and how far tiles are moved."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from histopress.core.errors import GridError
from histopress.grids.exchange_lattice import (
    ON_LATTICE,
    check_alone,
    check_moved,
    find_axis,
    given_axis,
)

PLACES = np.array([3, 0, 7, 4, 4, 9, 15, 1])


def corners(step: float, origin: float = 0.0, places: NDArray[np.int64] = PLACES) -> NDArray[np.float64]:
    return origin + places * step


@pytest.mark.parametrize("step", [256.0, 202.4, 64.0])
@pytest.mark.parametrize("origin", [0.0, 17.0, 53.9])
def test_a_lattice_is_found_with_its_origin(step: float, origin: float) -> None:
    axis = find_axis(corners(step, origin), step, rounding=0.5)
    assert np.array_equal(axis.places, PLACES)
    assert (axis.origin, axis.step) == (pytest.approx(origin), step)
    assert axis.moved < 1e-6


def test_cells_are_counted_from_the_slides_corner_not_from_the_first_tile() -> None:
    axis = find_axis(corners(256.0, places=PLACES + 5), 256.0, rounding=0.5)
    assert np.array_equal(axis.places, PLACES + 5)
    assert axis.origin == 0


def test_corners_left_of_the_slide_get_places_too() -> None:
    axis = find_axis(corners(100.0, origin=-230.0), 100.0, rounding=0.5)
    assert np.array_equal(axis.places, PLACES)
    assert axis.origin == pytest.approx(-230)


def test_corners_rounded_to_whole_pixels_keep_the_origin_and_the_places() -> None:
    places = np.arange(200)
    axis = find_axis(np.rint(corners(202.4, places=places)), 202.4, rounding=0.5)
    assert np.array_equal(axis.places, places)
    assert axis.origin == 0
    assert axis.moved <= 0.5 / 202.4 + 1e-9


@pytest.mark.parametrize(("true", "stated"), [(1013.0, 1014.2), (256.0, 256.51), (223.7, 224.0)])
def test_a_step_that_was_rounded_is_mended(true: float, stated: float) -> None:
    places = np.array([0, 1, 3, 4, 40, 41, 90, 155, 156, 299])
    axis = find_axis(corners(true, places=places), stated, rounding=0.5)
    assert np.array_equal(axis.places, places)
    assert axis.step == pytest.approx(true, abs=1e-6)


def test_a_wrong_step_is_not_mended() -> None:
    axis = find_axis(corners(192.0), 256.0, rounding=0.5)
    assert axis.step == 256
    assert axis.moved > 0.2


@pytest.mark.parametrize("off", [5.0, 30.0, 60.0, 90.0, 127.0, 200.0])
def test_two_lattices_meet_in_the_middle(off: float) -> None:
    """No origin can do better than half the shortest way from one to the other."""
    values = corners(256.0)
    values[4:] += off
    axis = find_axis(values, 256.0, rounding=0.5)
    expected = min(off, 256 - off) / 2 / 256
    assert axis.moved == pytest.approx(expected if expected > ON_LATTICE / 2 else off / 256)
    moved = PLACES + (np.arange(8) >= 4) * (off > 128)
    assert np.array_equal(axis.places - axis.places.min(), moved - moved.min())


def test_scattered_tiles_are_half_a_step_off() -> None:
    values = np.random.default_rng(0).uniform(0, 5000, 400)
    assert find_axis(values, 256.0, rounding=0.5).moved > 0.45


def test_more_than_allowed_is_refused_with_the_numbers() -> None:
    values = corners(256.0)
    values[4:] += 100
    x, y = find_axis(values, 256.0, 0.5), find_axis(corners(256.0), 256.0, 0.5)
    pairs = np.stack([values, corners(256.0)], axis=1)
    assert check_moved(x, y, 0.2, pairs) == pytest.approx(50 / 256)
    with pytest.raises(GridError, match=r"50 px off, 19.5% of a step, allowed are 10%"):
        check_moved(x, y, 0.1, pairs)


def test_two_tiles_in_a_cell_are_named() -> None:
    cells = np.array([[1, 2], [3, 4], [1, 2], [3, 4], [5, 6]])
    with pytest.raises(GridError, match=r"2 tiles share .* \(20, 10\) and \(22, 11\) .* row 1, col 2"):
        check_alone(cells, np.array([[20, 10], [40, 30], [22, 11], [41, 31], [60, 50]], dtype=float))
    check_alone(cells[[0, 1, 4]], np.zeros((3, 2)))


def test_a_known_lattice_is_taken_as_it_is() -> None:
    axis = given_axis(corners(202.4, 12.25), 12.25, 202.4)
    assert np.array_equal(axis.places, PLACES)
    assert axis.moved < 1e-9
