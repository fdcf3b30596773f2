from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from histopress.metrics.survival_curves import kaplan_meier, log_rank


def cohort(seed: int, cases: int = 57) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    event_time, last_contact = rng.exponential(12, cases), rng.uniform(1, 40, cases)
    time = np.minimum(event_time, last_contact) + 0.1
    return np.ceil(time) if seed % 2 else time, event_time <= last_contact


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_curve_limits_and_numbers_equal_lifelines(seed: int, level: float) -> None:
    from lifelines import KaplanMeierFitter

    time, event = cohort(seed)
    ours = kaplan_meier(time, event, level)
    theirs = KaplanMeierFitter(alpha=1 - level).fit(time, event)
    table = theirs.event_table
    assert ours.times.tolist() == table.index.tolist()
    np.testing.assert_allclose(ours.survival, theirs.survival_function_["KM_estimate"], atol=1e-12)
    above = ours.survival > 0
    limits = theirs.confidence_interval_.to_numpy()[above]
    np.testing.assert_allclose(np.stack([ours.low, ours.high], 1)[above], limits, atol=1e-10)
    assert ours.died.tolist() == table["observed"].tolist()
    assert ours.at_risk.tolist() == table["at_risk"].tolist()
    assert ours.censored.tolist() == table["censored"].tolist()
    assert (ours.cases, ours.events) == (len(time), event.sum())
    assert ours.median == theirs.median_survival_time_


def test_a_curve_by_hand() -> None:
    curve = kaplan_meier([2, 3, 3, 5, 7], [True, True, False, False, True])
    assert curve.times.tolist() == [0, 2, 3, 5, 7]
    assert curve.survival.tolist() == pytest.approx([1, 0.8, 0.6, 0.6, 0])
    assert curve.numbers_at_risk([0, 2, 2.5, 3, 5, 6, 8]) == [5, 5, 4, 4, 2, 1, 0]
    assert curve.median == 7
    assert curve.at(4)[0] == pytest.approx(0.6)
    assert curve.at(99)[0] == 0
    assert (curve.low <= curve.survival).all()
    assert (curve.high >= curve.survival).all()
    assert (np.diff(curve.high) <= 0).all()


def test_beyond_the_follow_up_nothing_is_known() -> None:
    curve = kaplan_meier([2.0, 4.0, 6.0], [True, False, False])
    assert curve.at(6.0)[0] == pytest.approx(2 / 3)
    assert all(math.isnan(v) for v in curve.at(6.1))
    assert math.isnan(curve.median)
    assert all(map(math.isnan, kaplan_meier([3.0], [False]).median_limits))


def test_degenerate_cohorts_have_flat_or_no_curves() -> None:
    flat = kaplan_meier([2.0, 4.0], [False, False])
    assert flat.survival.tolist() == flat.low.tolist() == flat.high.tolist() == [1, 1, 1]
    nobody = kaplan_meier([], [])
    assert (nobody.cases, nobody.events, nobody.survival.tolist()) == (0, 0, [1.0])
    at_once = kaplan_meier([0.0, 0.0], [True, True])
    assert at_once.survival.tolist() == [0.0]
    assert (at_once.low.tolist(), at_once.high.tolist()) == ([0.0], [1.0])


def test_limits_cover_the_true_survival() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        event_time, last = rng.exponential(10, 60), rng.uniform(0, 25, 60)
        _, low, high = kaplan_meier(np.minimum(event_time, last), event_time <= last).at(8.0)
        held += low <= math.exp(-0.8) <= high
    assert 0.92 < held / 400 < 0.98


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("groups", [2, 3])
def test_log_rank_equals_scikit_survival(seed: int, groups: int) -> None:
    pytest.importorskip("sksurv")
    from sksurv.compare import compare_survival
    from sksurv.util import Surv

    time, event = cohort(seed)
    group = np.array(["b", "a", "c"])[np.arange(len(time)) % groups]
    time = time + (group == "a") * 2
    theirs = compare_survival(Surv.from_arrays(event, time), group)[1]
    assert log_rank(time, event, group) == pytest.approx(theirs, abs=1e-10)


def test_the_log_rank_test_keeps_its_level() -> None:
    rng = np.random.default_rng(5)
    low = 0
    for _ in range(150):
        event_time, last = rng.exponential(10, 50), rng.uniform(0, 25, 50)
        low += log_rank(np.minimum(event_time, last), event_time <= last, np.arange(50) % 2) < 0.1
    assert 0.04 < low / 150 < 0.18


def test_a_log_rank_test_without_anything_to_compare_is_nan() -> None:
    time = pd.Series([3.0, 4.0, 5.0, 6.0])
    assert math.isnan(log_rank(time, [True, False, True, False], ["a"] * 4))
    assert math.isnan(log_rank(time, [False] * 4, ["a", "a", "b", "b"]))
    assert math.isnan(log_rank([1.0, 9.0, 10.0], [False, True, True], ["a", "b", "b"]))
