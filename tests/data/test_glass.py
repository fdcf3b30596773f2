"""The surface of bare glass under a picture."""

from __future__ import annotations

import numpy as np
import pytest

from histopress.core.geometry import Spacing
from histopress.data.glass import DARKEST, absorbance, find_glass, spread

SPACING = Spacing(8.0, 7.0)


def test_absorbance_is_the_logarithm_of_light() -> None:
    picture = np.array([[[255, 128, 26]]], np.uint8)
    np.testing.assert_allclose(
        absorbance(picture)[:, 0, 0], -np.log10(np.array([255, 128, 26]) / 255), atol=1e-6
    )
    assert absorbance(np.zeros((1, 2, 3), np.uint8)).max() == pytest.approx(-np.log10(DARKEST / 255))


def test_density_of_stain_does_not_depend_on_glass_and_light() -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:70j, -1:1:110j]
    light = (1 - 0.06 * x + 0.04 * y - 0.05 * x * x)[..., None] * np.array([240, 236, 215])
    density = np.zeros((70, 110, 3))
    density[20:50, 30:70] = np.array([0.1, 0.4, 0.2]) * rng.uniform(0.7, 1.3, (30, 40, 1))
    picture = np.round(light * 10**-density).astype(np.uint8)
    found = find_glass(picture, SPACING).density(picture)
    inner = np.s_[:, 22:48, 32:68]
    np.testing.assert_allclose(found[inner], np.moveaxis(density, -1, 0)[inner], atol=0.015)
    assert found[:, :15].max() < 0.01


def test_rows_of_a_picture_have_the_density_they_have_in_it() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(230, 240, (40, 60, 3)).astype(np.uint8)
    glass = find_glass(picture, SPACING)
    np.testing.assert_array_equal(glass.density(picture[13:29], 13), glass.density(picture)[:, 13:29])


def test_glass_is_white_where_there_is_none() -> None:
    rng = np.random.default_rng(2)
    picture = rng.integers(60, 200, (40, 60, 3)).astype(np.uint8)
    np.testing.assert_array_equal(find_glass(picture, SPACING).density(picture), absorbance(picture))


def test_parts_that_were_not_scanned_do_not_count_as_glass() -> None:
    picture = np.full((50, 80, 3), (240, 232, 210), np.uint8)
    picture[:30] = 255
    assert find_glass(picture, SPACING).density(picture).max() < 1e-3


def test_spread_is_that_of_a_square_of_40_um() -> None:
    values = np.random.default_rng(3).standard_normal((30, 50)).astype(np.float32)
    around = values[10 - 3 : 10 + 4, 20 - 2 : 20 + 3]  # 7 px of 5.7 um down, 5 px of 8 um across
    assert spread(values, Spacing(8.0, 5.7))[10, 20] == pytest.approx(around.std(), rel=1e-4)
