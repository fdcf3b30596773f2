"""Signals: shared out without overlap, named by what they are."""

from __future__ import annotations

import numpy as np
import pytest

from histopress.core.errors import GridError, RecipeError
from histopress.studies.drawn_grids import Drawing
from histopress.studies.planting_ground import measure
from histopress.studies.planting_signal import EffectSignal, TileSignal

CODES = np.arange(33, dtype=np.float32).reshape(11, 3)


@pytest.mark.parametrize("parts", [1, 2, 5, 11])
def test_parts_have_no_tile_in_common_and_leave_none_out(parts: int) -> None:
    shared = [TileSignal(CODES).share(number, parts).codes[:, 0] for number in range(parts)]
    assert sorted(np.concatenate(shared)) == CODES[:, 0].tolist()
    assert max(map(len, shared)) - min(map(len, shared)) <= 1


def test_there_is_always_a_tile() -> None:
    assert all(len(TileSignal(CODES).share(number, 30).codes) == 1 for number in range(30))


def test_a_part_of_a_part_is_a_part() -> None:
    half = TileSignal(CODES).share(1, 2)
    assert set(half.share(0, 3).codes[:, 0]) < set(half.codes[:, 0])


def test_every_tile_comes_as_often_as_any_other() -> None:
    ground = measure(
        {"a": Drawing("x", "x", 3, 256, 0.5).grid("a", (1, 2), np.array([[0, 0], [0, 1]]), CODES[:2])}
    )
    seen = TileSignal(CODES).seen(np.zeros((25, 3), np.float32), ground, np.random.default_rng(0))
    counts = np.unique(seen[:, 0], return_counts=True)[1]
    assert len(counts) == 11 and set(counts) == {2, 3}


def test_identities() -> None:
    assert TileSignal(CODES).identity == TileSignal(CODES.copy()).identity
    assert TileSignal(CODES).identity != TileSignal(CODES + 1).identity
    assert TileSignal(CODES).identity != TileSignal(CODES.reshape(3, 11)).identity
    assert EffectSignal(1.0).identity != EffectSignal(2.0).identity


@pytest.mark.parametrize(("share", "shifted"), [(0.001, 1), (0.1, 4), (0.25, 10), (1.0, 40)])
def test_an_effect_shifts_a_share_of_the_numbers_up_or_down(share: float, shifted: int) -> None:
    direction = EffectSignal(1.0, share).direction(40)
    assert (np.abs(direction) == 1).sum() == shifted and (direction == 0).sum() == 40 - shifted
    assert np.array_equal(direction, EffectSignal(2.0, share).direction(40))


def test_what_is_no_signal_is_refused() -> None:
    for codes in (CODES[:0], CODES[0], np.full((2, 3), np.inf, np.float32)):
        with pytest.raises(GridError, match="expected finite numbers"):
            TileSignal(codes)
    with pytest.raises(RecipeError, match="a share above 0"):
        EffectSignal(1.0, 0.0)
