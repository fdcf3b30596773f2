"""Masks to polygons and back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from histopress.data.outlines import Polygon, fill, trace


def area(ring: NDArray[np.float64]) -> float:
    x, y = ring.T
    return float(x @ np.roll(y, -1) - np.roll(x, -1) @ y) / 2


@pytest.mark.parametrize("density", [0.05, 0.3, 0.5, 0.6, 0.9])
@pytest.mark.parametrize("smooth", [0.0, 2.0])
def test_filling_undoes_tracing(density: float, smooth: float) -> None:
    values = np.random.default_rng(int(10 * density)).random((37, 53))
    values = ndimage.gaussian_filter(values, smooth)
    mask = values < np.quantile(values, density)
    assert (fill(trace(mask), mask.shape) == mask).all()


def test_empty_and_full_masks() -> None:
    assert trace(np.zeros((4, 7), bool)) == []
    assert not fill([], (4, 7)).any()
    (only,) = trace(np.ones((4, 7), bool))
    assert sorted(map(tuple, only.outer)) == [(0, 0), (0, 4), (7, 0), (7, 4)]
    assert only.holes == ()


def test_rings_are_simple_and_areas_add_up() -> None:
    mask = np.random.default_rng(3).random((40, 29)) < 0.55
    polygons = trace(mask)
    rings = [ring for p in polygons for ring in (p.outer, *p.holes)]
    assert sum(map(area, rings)) == mask.sum()
    assert all(len(np.unique(ring, axis=0)) == len(ring) for ring in rings), "a ring touches itself"
    assert len(polygons) == ndimage.label(mask)[1]


def test_a_hole_that_touches_the_outside_by_a_corner_is_a_hole() -> None:
    mask = np.ones((4, 5), bool)
    mask[1, 1] = mask[0, 0] = False
    (polygon,) = trace(mask)
    assert len(polygon.holes) == 1
    assert area(polygon.outer) == 19 and area(polygon.holes[0]) == -1


def test_straight_sides_have_no_points_in_between() -> None:
    mask = np.zeros((9, 12), bool)
    mask[2:7, 3:10] = True
    mask[4, 5:8] = False
    (polygon,) = trace(mask)
    assert len(polygon.outer) == 4 and [len(h) for h in polygon.holes] == [4]


def test_slanted_polygons_fill_the_pixels_whose_centres_they_hold() -> None:
    triangle = np.array([(1.0, 1.0), (11.0, 2.0), (4.2, 8.1)])
    y, x = np.mgrid[:10, :14] + 0.5
    sides = [
        (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])
        for a, b in zip(triangle, np.roll(triangle, -1, axis=0), strict=True)
    ]
    assert (fill([Polygon(triangle)], (10, 14)) == np.all(np.array(sides) > 0, axis=0)).all()
    assert (fill([Polygon(triangle[::-1])], (10, 14)) == fill([Polygon(triangle)], (10, 14))).all()


def test_overlapping_polygons_unite_and_what_is_outside_is_cut() -> None:
    square = np.array([(-3.0, 2.0), (5.0, 2.0), (5.0, 6.0), (-3.0, 6.0)])
    mask = fill([Polygon(square), Polygon(square + 2)], (7, 11))
    expected = np.zeros((7, 11), bool)
    expected[2:6, :5] = True
    expected[4:, :7] = True
    assert (mask == expected).all()
    assert not fill([Polygon(square + 100)], (7, 11)).any()
