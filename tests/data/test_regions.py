"""Cleaning of masks, with pixels that are wider than they are high."""

from __future__ import annotations

import numpy as np
import pytest

from histopress.core.geometry import Spacing
from histopress.data import bands
from histopress.data.regions import closed, filled, grown, shrunk, solid

SPACING = Spacing(10.0, 5.0)


def test_growing_reaches_as_far_in_um_along_both_axes() -> None:
    mask = np.zeros((21, 31), bool)
    mask[10, 15] = True
    result = grown(mask, 20.0, SPACING)
    assert np.flatnonzero(result[10]).tolist() == [13, 14, 15, 16, 17]
    assert np.flatnonzero(result[:, 15]).tolist() == list(range(6, 15))


def test_shrinking_undoes_growing_of_large_areas_and_spares_the_border() -> None:
    mask = np.zeros((40, 30), bool)
    mask[:25, 8:] = True
    assert (shrunk(grown(mask, 20.0, SPACING), 20.0, SPACING) == mask).all()
    assert shrunk(np.ones((7, 9), bool), 50.0, SPACING).all()
    assert not grown(np.zeros((7, 9), bool), 50.0, SPACING).any()


@pytest.mark.parametrize("radius", [5.0, 12.0, 31.0])
def test_growing_in_bands_is_growing_at_once(radius: float, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.random.default_rng(0).random((60, 43)) < 0.01
    at_once = grown(mask, radius, SPACING)
    monkeypatch.setattr(bands, "BAND_PX", 43 * 5)
    assert (grown(mask, radius, SPACING) == at_once).all()


def test_closing_bridges_gaps_up_to_twice_the_radius() -> None:
    mask = np.ones((20, 60), bool)
    mask[:, 20:23] = False  # 30 um
    mask[:, 40:46] = False  # 60 um
    result = closed(mask, 20.0, SPACING)
    assert result[:, 20:23].all() and not result[:, 40:46].any()


def test_filling_respects_the_limit_and_leaves_an_empty_mask_empty() -> None:
    mask = np.ones((30, 40), bool)
    mask[3:7, 3:5] = False  # 8 px of 50 um^2
    mask[15:25, 10:20] = False  # 100 px
    result = filled(mask, 401.0, SPACING)
    assert result[3:7, 3:5].all() and not result[15:25, 10:20].any()
    assert (filled(mask, 0.0, SPACING) == mask).all()
    assert not filled(np.zeros((3, 4), bool), 1e6, SPACING).any()


def test_gaps_at_the_border_are_holes_if_the_mask_surrounds_them() -> None:
    mask = np.ones((30, 40), bool)
    mask[10:16, :6] = False  # open along a third of its outline at most
    mask[22:, 28:] = False  # a corner, open along half of it
    result = filled(mask, 1e6, SPACING)
    assert result[10:16, :6].all() and not result[22:, 28:].any()


def test_crumbs_and_hairs_go_and_thin_parts_of_large_things_stay() -> None:
    mask = np.zeros((60, 80), bool)
    mask[2:4, 2:4] = True  # a crumb
    mask[50:52, :] = True  # a hair, 10 um thin
    mask[10:40, 20:50] = True
    mask[20:22, 50:70] = True  # a thin part of something large
    result = solid(mask, 1000.0, 40.0, SPACING)
    assert result[10:40, 20:50].all() and result[20:22, 50:70].all()
    assert result.sum() == 30 * 30 + 2 * 20
