from __future__ import annotations

import numpy as np
import pytest

from histopress.core.errors import PredictionsError
from histopress.metrics import probability_scores, scores
from histopress.metrics.recalibration import (
    Temperature,
    Tuning,
    fit_isotonic,
    fit_logistic,
    fit_temperature,
    recalibrate,
)


def answers(seed: int, cases: int, classes: int = 2, sureness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Truth drawn from probabilities, which are then told too sure by a known temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.3, (cases, classes))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (rng.uniform(size=(cases, 1)) > np.cumsum(p, axis=1)).sum(axis=1).clip(max=classes - 1)
    told = p**sureness
    return truth, told / told.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 4])
def test_a_known_temperature_is_found(classes: int) -> None:
    truth, told = answers(0, 20_000, classes, sureness=2.5)
    assert fit_temperature(truth, told).value == pytest.approx(2.5, rel=0.05)


def test_temperature_has_a_flat_loss_and_keeps_the_call() -> None:
    truth, told = answers(1, 200, 3, sureness=3.0)
    best = fit_temperature(truth, told)
    loss = [probability_scores.log_loss(truth, Temperature(best.value * f)(told))[0] for f in (0.98, 1, 1.02)]
    assert loss[1] < loss[0]
    assert loss[1] < loss[2]
    np.testing.assert_array_equal(best(told).argmax(axis=1), told.argmax(axis=1))
    np.testing.assert_allclose(best(told).sum(axis=1), 1)
    np.testing.assert_allclose(Temperature(1.0)(told), told)


def test_the_order_of_two_classes_stays() -> None:
    truth, told = answers(2, 150, sureness=3.0)
    area = scores.auroc(truth == 1, told[:, 1])[0]
    for fit in (fit_temperature, fit_logistic):
        assert scores.auroc(truth == 1, fit(truth, told)(told)[:, 1])[0] == pytest.approx(area)


@pytest.mark.parametrize("fit", [fit_temperature, fit_logistic, fit_isotonic])
def test_answers_that_were_too_sure_get_better_on_new_patients(fit) -> None:  # type: ignore[no-untyped-def]
    truth, told = answers(3, 600, sureness=4.0)
    new_truth, new = answers(4, 4000, sureness=4.0)
    mended = fit(truth, told)(new)
    before, after = (probability_scores.brier(new_truth == 1, p[:, 1])[0] for p in (new, mended))
    assert after < before - 0.01
    assert probability_scores.calibration_error(new_truth == 1, mended[:, 1])[0] < 0.06
    np.testing.assert_allclose(mended.sum(axis=1), 1)


def test_isotonic_rises_and_serves_several_classes() -> None:
    truth, told = answers(5, 300, 3)
    mended = fit_isotonic(truth, told)(told)
    np.testing.assert_allclose(mended.sum(axis=1), 1)
    assert probability_scores.multiclass_brier(truth, mended)[0] <= (
        probability_scores.multiclass_brier(truth, told)[0] + 0.01
    )
    two_truth, two = answers(6, 90)
    mapped = fit_isotonic(two_truth, two)(two)[:, 1]
    assert (np.diff(mapped[np.argsort(two[:, 1])]) >= 0).all()
    assert "corners" in str(fit_isotonic(two_truth, two))


def test_separated_tuning_patients_give_finite_maps() -> None:
    truth = np.arange(12) // 6
    told = np.stack([1 - truth * 0.6 - 0.2, truth * 0.6 + 0.2], axis=1)
    for fit in (fit_temperature, fit_logistic, fit_isotonic):
        mended = fit(truth, told)(told)
        assert np.isfinite(mended).all()
        assert ((mended >= 0) & (mended <= 1)).all()
    assert 0.02 < fit_logistic(truth, told)(told)[:, 1].min() < 0.3


def test_probabilities_of_0_stay_finite() -> None:
    truth, told = answers(8, 40)
    told[0] = (1, 0)
    for fit in (fit_temperature, fit_logistic, fit_isotonic):
        assert np.isfinite(fit(truth, told)(told)).all()


def test_every_run_is_put_right_by_its_own_tuning_patients() -> None:
    one, other = answers(9, 900, sureness=3.0), answers(10, 900, sureness=0.5)
    tuning = Tuning(
        truth=np.concatenate([one[0], other[0]]),
        probabilities=np.concatenate([one[1], other[1]]),
        run=np.repeat(["0", "1"], 900),
    )
    new = answers(11, 60)[1]
    run = np.repeat(["1", "0"], 30)
    mended, fitted = recalibrate("temperature", tuning, new, run)
    np.testing.assert_allclose(mended[:30], fit_temperature(*other)(new[:30]))
    np.testing.assert_allclose(mended[30:], fit_temperature(*one)(new[30:]))
    assert list(fitted) == ["0", "1"]
    with pytest.raises(PredictionsError, match="run 2 has 0 tuning patients"):
        recalibrate("temperature", tuning, new, np.full(60, "2"))
    with pytest.raises(PredictionsError, match="found 3 classes, expected 2"):
        fit_logistic(*answers(0, 30, 3))
