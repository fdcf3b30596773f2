"""Probe tiles look like tissue, and agreement is judged by the worst code."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from histopress.encoders.engine_probe import agreement, probe_tiles, seconds_per_tile


def test_probe_tiles_are_the_same_every_time_and_differ_from_each_other() -> None:
    tiles = probe_tiles(31, 5)
    assert tiles.shape == (5, 31, 31, 3)
    assert tiles.dtype == np.uint8
    assert np.array_equal(tiles, probe_tiles(31, 5))
    assert len({tile.tobytes() for tile in tiles}) == 5


def test_probe_tiles_are_smooth_pink_and_ever_paler() -> None:
    tiles = probe_tiles(96).astype(float)
    neighbours = np.abs(np.diff(tiles, axis=1)).mean()
    assert neighbours < 0.5 * tiles.std()
    red, green, blue = tiles.mean((0, 1, 2))
    assert red > green < blue
    light = tiles.mean((1, 2, 3))
    assert light[-1] < light[0] - 20


def test_agreement_is_that_of_the_worst_code() -> None:
    truth = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]], np.float32)
    assert agreement(truth, truth) == (found := agreement(truth.copy(), truth))
    assert (found.cosine, found.error) == (1.0, 0.0)
    turned = truth.copy()
    turned[1] = [2.0, 0.0]
    assert agreement(turned, truth).cosine == 0.0
    doubled = truth * np.array([[1.0], [1.0], [2.0]], np.float32)
    assert agreement(doubled, truth).cosine == 1.0
    assert agreement(doubled, truth).error == pytest.approx(1.0)


def test_codes_of_nothing_agree_only_with_nothing() -> None:
    zero, one = np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32)
    assert agreement(zero, zero).cosine == 1.0
    assert agreement(zero, one).cosine == 0.0
    assert agreement(one, zero).cosine == 0.0


@pytest.mark.parametrize("codes", [np.full((3, 2), np.nan), np.ones((3, 1)), np.ones((2, 2))])
def test_codes_that_are_no_codes_do_not_agree(codes: NDArray[np.float64]) -> None:
    assert agreement(codes.astype(np.float32), np.ones((3, 2), np.float32)).cosine == -1.0


def test_every_way_is_timed_in_turn() -> None:
    asked: list[str] = []

    def run(name: str) -> NDArray[np.float32]:
        asked.append(name)
        return np.zeros((2, 1), np.float32)

    seconds = seconds_per_tile([lambda _: run("a"), lambda _: run("b")], probe_tiles(8, 2))
    assert len(seconds) == 2
    assert all(s > 0 for s in seconds)
    assert asked[:6] == ["a", "b"] * 3
