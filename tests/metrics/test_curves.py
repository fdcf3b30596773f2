from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics

from histopress.metrics.curves import GRID, precision_recall, reliability, roc
from histopress.metrics.intervals import draw_resamples


def cases(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = np.arange(53) < 20
    score = rng.normal(size=53) + positive
    if seed % 2:
        score = np.round(score * 2)
    return positive, score, draw_resamples(np.arange(53), positive, 200, seed)


@pytest.mark.parametrize("seed", range(6))
def test_roc_equals_scikit_learn_and_its_area_is_the_auroc(seed: int) -> None:
    positive, score, counts = cases(seed)
    curve = roc(positive, score, counts, 0.95)
    false, true, _ = sklearn.metrics.roc_curve(positive, score, drop_intermediate=False)
    np.testing.assert_allclose(curve.x, false)
    np.testing.assert_allclose(curve.y, true)
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(sklearn.metrics.roc_auc_score(positive, score))


@pytest.mark.parametrize("seed", range(6))
def test_precision_equals_scikit_learn(seed: int) -> None:
    positive, score, counts = cases(seed)
    curve = precision_recall(positive, score, counts, 0.95)
    precision, recall, _ = sklearn.metrics.precision_recall_curve(positive, score)
    np.testing.assert_allclose(curve.x[::-1], recall[:-1])
    np.testing.assert_allclose(curve.y[::-1], precision[:-1])


@pytest.mark.parametrize("make", [roc, precision_recall])
@pytest.mark.parametrize("seed", range(4))
def test_bands_are_in_order_and_widen_with_the_level(make: object, seed: int) -> None:
    assert make in (roc, precision_recall)
    positive, score, counts = cases(seed)
    one = roc if make is roc else precision_recall
    narrow, wide = one(positive, score, counts, 0.5), one(positive, score, counts, 0.95)
    assert len(wide.low) == len(GRID)
    for band in (narrow, wide):
        assert (band.low >= 0).all()
        assert (band.low <= band.high).all()
        assert (band.high <= 1).all()
    assert (wide.low <= narrow.low).all()
    assert (wide.high >= narrow.high).all()
    if make is roc:
        assert (np.diff(wide.low) >= 0).all()
        assert wide.low[-1] == 1.0


def test_the_band_of_the_sample_itself_is_its_curve() -> None:
    positive, score, _ = cases(0)
    curve = roc(positive, score, np.ones((1, 53), np.uint16), 0.95)
    at = curve.y[np.searchsorted(curve.x, GRID, side="right") - 1]
    np.testing.assert_allclose(curve.low, at)
    np.testing.assert_allclose(curve.high, at)


@pytest.mark.parametrize("size", [1, 7, 30, 211])
def test_bins_hold_every_patient_once(size: int) -> None:
    rng = np.random.default_rng(size)
    said = np.round(rng.random(size), 2)
    bins = reliability(said, rng.random(size) < said, 0.95)
    assert bins.patients.sum() == size
    assert np.average(bins.said, weights=bins.patients) == pytest.approx(said.mean())
    assert (bins.low <= bins.came).all()
    assert (bins.came <= bins.high).all()
    assert (np.diff(bins.said) > 0).all()


def test_honest_probabilities_lie_on_the_diagonal_and_bold_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    said = rng.random(4000)
    came = rng.random(4000) < said
    honest = reliability(said, came, 0.95)
    assert np.abs(honest.came - honest.said).max() < 0.06
    bold = reliability(said**3 / (said**3 + (1 - said) ** 3), came, 0.95)
    assert np.abs(bold.came - bold.said).max() > 0.12
