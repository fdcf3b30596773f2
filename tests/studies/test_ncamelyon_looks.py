"""Sums over squares, and what was never scanned, against the plain way."""

from __future__ import annotations

import numpy as np
import pytest

from histopress.studies.ncamelyon_looks import BLANK, Looks, Sums, Window


def test_sums_are_those_of_slices() -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 256, (30, 43), dtype=np.uint8)
    tops, lefts = random.integers(0, 20, 50), random.integers(0, 33, 50)
    plain = [values[r : r + 9, c : c + 9].sum() for r, c in zip(tops, lefts, strict=True)]
    assert Sums(values).of(tops, lefts, 9).tolist() == plain
    everywhere = Sums(values).everywhere(9)
    assert everywhere.shape == (22, 35) and everywhere[tops, lefts].tolist() == plain


@pytest.mark.parametrize(("colour", "seen"), [((0, 0, 0), True), ((8, 3, 0), True), ((9, 0, 0), False)])
def test_a_single_black_px_counts(colour: tuple[int, int, int], seen: bool) -> None:
    pixels = np.full((60, 80, 3), 150, np.uint8)
    pixels[30, 40] = colour
    looks = Looks(pixels, Window(100, 200, 60, 80), side=20, black=8, blank=True)
    tops, lefts = (grid.ravel() for grid in np.mgrid[100:141, 200:261])
    holds = (tops <= 130) & (tops > 110) & (lefts <= 240) & (lefts > 220)
    assert (looks.scanned(tops, lefts) == ~(holds & seen)).all()


def test_white_counts_where_it_is_a_square_however_little_of_it_is_seen() -> None:
    pixels = np.full((90, 110, 3), 150, np.uint8)
    pixels[40 : 40 + BLANK, 50 : 50 + BLANK] = 255
    pixels[:15, :15] = 255  # saturated glass, in smaller pieces
    looks = Looks(pixels, Window(0, 0, 90, 110), side=20, black=8, blank=True)
    tops, lefts = (grid.ravel() for grid in np.mgrid[0:71, 0:91])
    touches = (tops < 40 + BLANK) & (tops + 20 > 40) & (lefts < 50 + BLANK) & (lefts + 20 > 50)
    assert (looks.scanned(tops, lefts) == ~touches).all()
    assert Looks(pixels, Window(0, 0, 90, 110), 20, 8, blank=False).scanned(tops, lefts).all()
    assert looks.green(np.array([70]), np.array([0]))[0] == 150 and looks.pixels(40, 50)[0, 0, 0] == 255


def test_a_window_is_widened_as_far_as_there_is_a_lattice() -> None:
    assert Window(5, 50, 20, 30).widened(10, 200, 85) == Window(0, 40, 35, 45)
