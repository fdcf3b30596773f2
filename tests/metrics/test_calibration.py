from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from histopress.metrics import calibration


def risks(
    seed: int, cases: int = 400, slope: float = 1.0, lift: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes, and risks of them that are told `slope` times too extreme and `lift` too high."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-0.5, 1.2, cases)
    outcome = rng.uniform(size=cases) < calibration.logistic(odds)
    return outcome, calibration.logistic(slope * odds + lift)


@pytest.mark.parametrize("seed", range(6))
def test_the_line_is_that_of_a_logistic_regression(seed: int) -> None:
    outcome, p = risks(seed, 90)
    weights = np.random.default_rng(seed).integers(0, 3, (5, 90)).astype(float)
    intercepts, slopes = calibration.calibration_line(outcome, p, weights)
    for intercept, slope, w in zip(intercepts, slopes, weights, strict=True):
        model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=2000)
        model.fit(calibration.log_odds(p)[:, None], outcome, sample_weight=w)
        assert slope == pytest.approx(float(model.coef_[0, 0]), rel=1e-4)
        assert intercept == pytest.approx(float(model.intercept_[0]), rel=1e-3, abs=1e-4)


def test_known_distortions_are_found() -> None:
    outcome, p = risks(0, 60_000)
    assert calibration.calibration_slope(outcome, p)[0] == pytest.approx(1, abs=0.04)
    assert calibration.calibration_in_the_large(outcome, p)[0] == pytest.approx(0, abs=0.03)
    outcome, p = risks(1, 60_000, slope=2.0)
    assert calibration.calibration_slope(outcome, p)[0] == pytest.approx(0.5, abs=0.02)
    outcome, p = risks(2, 60_000, lift=0.7)
    assert calibration.calibration_in_the_large(outcome, p)[0] == pytest.approx(-0.7, abs=0.03)


@pytest.mark.parametrize("seed", range(4))
def test_in_the_large_the_told_risks_become_those_that_came_true(seed: int) -> None:
    outcome, p = risks(seed, 70, slope=1.5, lift=-1)
    weights = np.random.default_rng(seed).integers(0, 3, (5, 70)).astype(float)
    shifts = calibration.calibration_in_the_large(outcome, p, weights)
    for shift, w in zip(shifts, weights, strict=True):
        told = w @ calibration.logistic(calibration.log_odds(p) + shift)
        assert told == pytest.approx(w @ outcome, rel=1e-9)


def test_separated_and_single_classes_have_no_line() -> None:
    p = np.linspace(0.1, 0.9, 20)
    assert np.isnan(calibration.calibration_slope(p > 0.5, p)[0])
    assert np.isnan(calibration.calibration_slope(p > 2, p)[0])
    assert np.isnan(calibration.calibration_in_the_large(p > 2, p)[0])
    assert np.isnan(calibration.calibration_slope(np.arange(20) % 2 == 0, np.full(20, 0.4))[0])


def test_probabilities_of_0_and_1_are_held_off_the_ends() -> None:
    outcome, p = risks(3)
    p[:3], p[3:6] = 0, 1
    assert np.isfinite(calibration.calibration_slope(outcome, p)[0])
    assert np.isfinite(calibration.calibration_in_the_large(outcome, p)[0])


def test_the_line_of_numbers_is_that_of_least_squares() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(3, 2, 50)
    truth, weights = 2 * score - 1 + rng.normal(size=50), rng.integers(0, 3, (4, 50)).astype(float)
    intercepts, slopes = calibration.line(truth, score, weights)
    for intercept, slope, w in zip(intercepts, slopes, weights, strict=True):
        model = LinearRegression().fit(score[:, None], truth, sample_weight=w)
        assert (intercept, slope) == pytest.approx((model.intercept_, model.coef_[0]))
