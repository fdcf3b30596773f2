from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from histopress.metrics.group_intervals import group_interval
from histopress.metrics.results import Sureness

SURE = Sureness(400, 0, 0.95)


def mean_of(values: np.ndarray):  # type: ignore[no-untyped-def]
    return lambda weights: weights @ values / weights.sum(axis=1)


def test_the_jackknife_of_a_mean_is_students_interval() -> None:
    values = np.random.default_rng(0).normal(2, 1, 9)
    got = group_interval(mean_of(values), np.arange(9).astype(str), None, None, SURE)
    low, high = stats.t.interval(0.95, 8, values.mean(), stats.sem(values))
    assert (got.low, got.high) == pytest.approx((low, high))


def test_classes_have_a_spread_of_their_own() -> None:
    values, classes = np.array([1.0, 1.2, 0.9, 8.0, 8.3, 7.9]), np.array([0.0, 0, 0, 1, 1, 1])
    alike = group_interval(mean_of(values), np.arange(6).astype(str), None, None, SURE)
    apart = group_interval(mean_of(values), np.arange(6).astype(str), classes, None, SURE)
    assert apart.high - apart.low < 0.2 * (alike.high - alike.low)


def test_limits_stay_between_the_ends() -> None:
    values = np.array([0.99, 1.0, 0.8, 1.0])
    got = group_interval(mean_of(values), np.arange(4).astype(str), None, (0.0, 1.0), SURE)
    assert 0 <= got.low < values.mean() < got.high <= 1


@pytest.mark.parametrize("groups", [3, 6, 60])
def test_intervals_hold_the_truth_as_often_as_they_claim(groups: int) -> None:
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        tiles = np.repeat(rng.normal(0, 1, groups), 8) + rng.normal(0, 1, groups * 8)
        names = np.repeat(np.arange(groups), 8).astype(str)
        got = group_interval(mean_of(tiles), names, None, None, Sureness(200, seed, 0.95))
        held += got.low <= 0 <= got.high
    assert 180 <= held <= 199
