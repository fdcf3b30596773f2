"""Hues of pens and of stained tissue, and what of them is taken for a pen mark."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from histopress.core.geometry import Spacing
from histopress.data.ink import SMALLEST_STROKE, Hues, find_ink, ink_hues

PENS = [  # the thresholds that deroneriksson/python-wsi-preprocessing found on slides of TCGA
    *[(110, 20, 30), (150, 80, 90), (125, 40, 70), (220, 115, 145)],
    *[(70, 110, 110), (45, 115, 100), (30, 75, 60), (195, 220, 210), (170, 210, 200), (20, 50, 40)],
    *[
        (60, 120, 190),
        (120, 170, 200),
        (175, 210, 230),
        (37, 95, 160),
        (30, 65, 130),
        (40, 35, 85),
        (60, 60, 120),
    ],
]
STAINS = [  # haematoxylin with eosin, and with diaminobenzidine, at 8 um/px
    *[(200, 120, 170), (120, 60, 130), (90, 40, 110), (220, 150, 190), (235, 215, 230), (74, 37, 77)],
    *[(150, 155, 185), (120, 125, 165), (95, 100, 150), (130, 80, 50), (200, 170, 140), (60, 35, 25)],
]
SPACING = Spacing(8.0, 7.0)


def hues_of(colour: tuple[int, int, int]) -> Hues:
    density = np.clip(-np.log10(np.array(colour, np.float32) / 245), 0, None)
    return ink_hues(np.broadcast_to(density.reshape(3, 1, 1), (3, 9, 11)), SPACING)


@pytest.mark.parametrize("colour", PENS)
def test_pens_have_hues_of_their_own(colour: tuple[int, int, int]) -> None:
    assert hues_of(colour).likely.all()


@pytest.mark.parametrize("colour", STAINS)
def test_stains_have_no_hue_of_ink(colour: tuple[int, int, int]) -> None:
    assert not hues_of(colour).likely.any()


def test_blood_is_like_ink_but_not_for_sure() -> None:
    hues = hues_of((190, 70, 90))
    assert hues.likely.all() and not hues.sure.any()


def patch(high: int, wide: int) -> NDArray[np.bool_]:
    """Likely ink in the middle of 60 x 90 pixels."""
    mask = np.zeros((60, 90), bool)
    mask[30 - high // 2 : 30 + high // 2, 45 - wide // 2 : 45 + wide // 2] = True
    return mask


NOTHING, ALL = np.zeros((60, 90), bool), np.ones((60, 90), bool)


def hues(
    likely: NDArray[np.bool_],
    sure: NDArray[np.bool_] = NOTHING,
    even: NDArray[np.bool_] = ALL,
    close: NDArray[np.bool_] = NOTHING,
) -> Hues:
    return Hues(sure=sure, likely=likely, even=even, close=close)


def test_what_may_be_ink_is_ink_on_glass_and_tissue_in_tissue() -> None:
    likely = patch(30, 40)
    elsewhere = np.zeros((60, 90), bool)
    elsewhere[:, :15] = elsewhere[:, 75:] = True
    assert find_ink(hues(likely), likely | elsewhere, SPACING)[likely].all()
    assert not find_ink(hues(likely), ALL, SPACING).any()


def test_what_is_surely_ink_is_ink_in_tissue_too_and_may_be_all_there_is() -> None:
    likely = patch(30, 40)
    assert find_ink(hues(likely, sure=likely), ALL, SPACING)[likely].all()
    assert find_ink(hues(likely, sure=likely), likely, SPACING)[likely].all()


def test_the_hue_of_most_of_the_slide_is_its_stain() -> None:
    likely = patch(30, 40)
    assert not find_ink(hues(likely), likely, SPACING).any()


def test_what_is_mottled_is_tissue_of_whatever_hue() -> None:
    likely = patch(30, 40)
    mottled = np.random.default_rng(0).random((60, 90)) < 0.3
    assert not find_ink(hues(likely, sure=likely, even=mottled), likely, SPACING).any()


def test_small_spots_are_no_pen_marks() -> None:
    small = patch(24, 34)
    assert small.sum() * SPACING.x * SPACING.y < SMALLEST_STROKE
    assert not find_ink(hues(small, sure=small), NOTHING, SPACING).any()


def test_rims_of_a_close_hue_go_with_the_stroke_and_only_with_it() -> None:
    stroke = patch(30, 40)
    ink = find_ink(hues(stroke, sure=stroke, close=ALL), NOTHING, SPACING)
    plain = find_ink(hues(stroke, sure=stroke), NOTHING, SPACING)
    assert ink.sum() > plain.sum() > stroke.sum()
    assert not ink[0, 0] and not find_ink(hues(NOTHING, close=ALL), NOTHING, SPACING).any()


def test_strokes_are_even_and_tissue_is_not() -> None:
    rng = np.random.default_rng(1)
    colour = np.array([0.1, 0.5, 0.4], np.float32).reshape(3, 1, 1)
    stroke, tissue = (colour * rng.normal(1, sd, (1, 50, 70)).astype(np.float32) for sd in (0.08, 0.3))
    assert ink_hues(stroke, SPACING).even.mean() > 0.95
    assert ink_hues(tissue, SPACING).even.mean() < 0.05
