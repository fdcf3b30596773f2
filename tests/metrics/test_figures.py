from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from histopress.metrics.figures import Chart, swarm, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-3.1, 2.2, [-3, -2, -1, 0, 1, 2]),
        (17, 96, [20, 40, 60, 80]),
        (0.001, 0.0061, [0.001, 0.002, 0.003, 0.004, 0.005, 0.006]),
    ],
)
def test_ticks_are_round_and_within(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_positions_follow_the_axes() -> None:
    chart = Chart("c", x=(2, 4), y=(-1, 3), width=400, height=300)
    assert chart.across(2) < chart.across(3) < chart.across(4) < 400
    assert chart.across(3) == pytest.approx((chart.across(2) + chart.across(4)) / 2)
    assert chart.down(3) < chart.down(-1) < 300


def test_a_chart_is_wellformed_whatever_the_names() -> None:
    chart = Chart('a "b" <c> & d')
    chart.axes("x < 1 & y", "y > 0")
    chart.line("c0", [0, 1], [0, 1], steps=True)
    chart.band("c1", [0, 1], [0, 0.5], [0.2, 1])
    chart.dots("c2", [0.5], [0.5], names=['<script>"&'])
    chart.whiskers("c3", [0.5], [0.1], [0.9])
    chart.note(0.5, 0.5, "a < b")
    tree = ElementTree.fromstring(chart.svg())
    assert tree.get("aria-label") == 'a "b" <c> & d'
    assert [t.text for t in tree.iter("title")] == ['<script>"&']
    assert len(list(tree.iter("circle"))) == 1


def test_stacked_dots_keep_their_place_and_never_cover_each_other() -> None:
    values = np.random.default_rng(0).beta(2, 5, 300)
    xs, offsets, highest = swarm(values, bins=50, most=9)
    assert np.abs(np.array(xs) - values).max() <= 0.01
    assert len(set(zip(np.round(xs, 6), np.round(offsets, 6), strict=True))) == 300
    assert max(np.abs(offsets)) <= 0.5
    assert highest >= 9
    for x in set(xs):
        own = np.sort([o for at, o in zip(xs, offsets, strict=True) if at == x])
        np.testing.assert_allclose(np.diff(own), 1 / highest)
        assert own.sum() == pytest.approx(0, abs=1e-9)
