from __future__ import annotations

import math

import numpy as np
import pytest

from histopress.metrics.survival_curves import kaplan_meier
from histopress.metrics.survival_groups import quantile_cuts, risk_groups, survival_calibration


def test_halves_and_thirds_of_the_risk() -> None:
    risk = np.random.default_rng(0).normal(size=31)
    halves = risk_groups(risk)
    assert halves.counts == {"low risk": 16, "high risk": 15}
    assert risk[halves.member == 1].min() > risk[halves.member == 0].max()
    thirds = risk_groups(risk, 3)
    assert list(thirds.counts.values()) == [11, 10, 10]
    assert list(risk_groups(risk, 4).counts.values()) == [8, 8, 7, 8]
    assert "median of these cases' risk" in halves.rule


def test_cuts_learned_elsewhere_are_obeyed() -> None:
    groups = risk_groups([1.0, 2.0, 3.0, 4.0], cuts={"": quantile_cuts([3.0, 5.0])})
    assert groups.member.tolist() == [0, 0, 0, 0]
    assert groups.counts == {"low risk": 4, "high risk": 0}
    assert "tuning part" in groups.rule


def test_folds_have_their_own_cuts_as_their_risks_share_no_scale() -> None:
    rng = np.random.default_rng(1)
    fold = np.arange(40) % 4
    risk = rng.normal(size=40)
    apart = risk_groups(risk, fold=fold)
    np.testing.assert_array_equal(risk_groups(10 * fold + risk * (1 + fold), fold=fold).member, apart.member)
    assert set(apart.cuts) == {"0", "1", "2", "3"}
    assert all(apart.member[fold == f].sum() == 5 for f in range(4))
    given = risk_groups(risk, fold=fold, cuts={str(f): (9.0,) for f in range(4)})
    assert given.member.sum() == 0


def test_constant_and_missing_risks_leave_groups_empty() -> None:
    assert risk_groups([2.0, 2.0, 2.0]).counts == {"low risk": 3, "high risk": 0}
    assert risk_groups([]).counts == {"low risk": 0, "high risk": 0}


def made(cases: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, events, and the true chance to be free of the event at 5."""
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(size=cases)) / 10
    event_time, last = rng.exponential(1 / rate), rng.uniform(3, 30, cases)
    return np.minimum(event_time, last), event_time <= last, np.exp(-5 * rate)


def test_true_probabilities_are_calibrated_and_timid_ones_are_not() -> None:
    time, event, true = made(2000, 0)
    right = survival_calibration(time, event, true, 5.0)
    assert right.cases.tolist() == [400] * 5
    assert (np.diff(right.said) > 0).all()
    np.testing.assert_allclose(right.came, right.said, atol=0.06)
    timid = survival_calibration(time, event, 0.5 + (true - 0.5) / 3, 5.0)
    assert timid.said[0] > timid.high[0]
    assert timid.said[-1] < timid.low[-1]


def test_a_group_shows_its_kaplan_meier_estimate() -> None:
    time, event, said = made(50, 1)
    found = survival_calibration(time, event, said, 5.0)
    lower = said <= np.median(said)
    assert found.cases.tolist() == [25, 25]
    assert (found.came[0], found.low[0], found.high[0]) == kaplan_meier(time[lower], event[lower]).at(5.0)
    assert found.said[0] == pytest.approx(said[lower].mean())


def test_groups_without_follow_up_are_nan_and_equal_answers_are_one_group() -> None:
    time, event, said = made(45, 2)
    assert np.isnan(survival_calibration(np.minimum(time, 3.0), event & (time < 3), said, 5.0).came).all()
    one = survival_calibration(time, event, np.full(45, 0.4), 5.0)
    assert one.cases.tolist() == [45]
    assert not math.isnan(one.came[0])
    assert len(survival_calibration([], [], [], 5.0).said) == 0
