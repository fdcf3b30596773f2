from __future__ import annotations

import numpy as np
import pytest

from histopress.metrics.decision import (
    decision_curve,
    net_benefit,
    survival_decision_curve,
    survival_net_benefit,
)
from histopress.metrics.intervals import draw_resamples

AT = np.array([0.1, 0.25, 0.5, 0.8])


def cohort(cases: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    p = rng.beta(1, 3, cases)
    return rng.uniform(size=cases) < p, p


def test_net_benefit_is_that_of_its_definition() -> None:
    positive, p = cohort()
    weights = np.random.default_rng(1).integers(0, 3, (5, 300)).astype(float)
    found = net_benefit(positive, p, AT, weights)
    assert found.shape == (5, 4)
    for row, w in zip(found, weights, strict=True):
        for value, t in zip(row, AT, strict=True):
            called = p >= t
            true, false = w[called & positive].sum(), w[called & ~positive].sum()
            assert value == pytest.approx((true - false * t / (1 - t)) / w.sum())


def test_treating_all_is_worth_the_prevalence_less_needless_treatment() -> None:
    positive, p = cohort()
    drawn = draw_resamples(np.arange(300), None, 200, 0)
    curve = decision_curve(positive, p, drawn, 0.95)
    share = positive.mean()
    np.testing.assert_allclose(
        curve.everyone, share - (1 - share) * curve.threshold / (1 - curve.threshold), atol=1e-12
    )
    at = int(np.argmin(np.abs(curve.threshold - share)))
    assert abs(curve.everyone[at]) < 0.01
    assert (curve.low <= curve.model).all()
    assert (curve.model <= curve.high).all()


def test_a_perfect_model_is_worth_the_prevalence_and_calibrated_risks_beat_treating_all_or_none() -> None:
    positive, p = cohort(40_000)
    np.testing.assert_allclose(net_benefit(positive, positive.astype(float), AT), positive.mean())
    everyone = net_benefit(positive, np.ones(40_000), AT)
    assert (net_benefit(positive, p, AT) >= np.maximum(everyone, 0) - 0.002).all()
    assert net_benefit(positive, p, AT)[0, 1] > max(everyone[0, 1], 0) + 0.01


def test_with_nobody_lost_from_sight_survival_is_a_matter_of_two_classes() -> None:
    rng = np.random.default_rng(2)
    time, p = np.round(rng.exponential(10, 80), 1), rng.uniform(size=80)
    everyone, weights = np.ones(80, bool), rng.integers(0, 3, (6, 80)).astype(float)
    np.testing.assert_allclose(
        survival_net_benefit((time, everyone), p, 8.0, AT, weights),
        net_benefit(time <= 8, p, AT, weights),
        atol=1e-12,
    )


def test_censoring_moves_the_survival_curve_little() -> None:
    rng = np.random.default_rng(3)
    p = rng.uniform(0.1, 0.9, 3000)
    event, follow_up = rng.exponential(-1 / np.log(1 - p)), rng.exponential(1.5, 3000)
    seen = (np.minimum(event, follow_up), event <= follow_up)
    drawn = draw_resamples(np.arange(3000), None, 60, 0)
    curve = survival_decision_curve(seen, p, 1.0, drawn, 0.95, thresholds=AT)
    np.testing.assert_allclose(curve.model, net_benefit(event <= 1, p, AT)[0], atol=0.03)
    assert (curve.low <= curve.model).all()
    assert (curve.model <= curve.high).all()
