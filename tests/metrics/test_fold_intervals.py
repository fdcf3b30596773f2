from __future__ import annotations

import numpy as np
import pytest

from histopress.metrics import scores
from histopress.metrics.fold_intervals import MEAN, POOLED, fold_estimates
from histopress.metrics.intervals import bootstrap, draw_resamples

RESAMPLES, SEED = 400, 0


def estimates(score, patients, folds, classes):  # type: ignore[no-untyped-def]
    return fold_estimates(score, patients, folds, classes, resamples=RESAMPLES, seed=SEED, level=0.95)


def cohort(shift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, answers of five folds of which each lies `shift` above the last, and the folds."""
    rng = np.random.default_rng(0)
    fold = np.arange(150) % 5
    positive = np.arange(150) // 5 % 2 == 0
    return positive, rng.normal(size=150) + 1.2 * positive + shift * fold, fold


def test_both_ways_are_named_and_are_what_they_say() -> None:
    positive, score, fold = cohort(0.0)
    pooled, mean = estimates(lambda w: scores.auroc(positive, score, w), np.arange(150), fold, positive)
    assert (pooled.name, mean.name) == (POOLED, MEAN)
    assert pooled.value == pytest.approx(scores.auroc(positive, score)[0])
    each = [scores.auroc(positive[fold == f], score[fold == f])[0] for f in range(5)]
    assert mean.value == pytest.approx(np.mean(each))
    assert (pooled.folds, mean.folds) == (5, 5)
    for one in (pooled, mean):
        assert one.interval.low < one.value < one.interval.high
    assert "within folds" in mean.interval.method
    drawn = draw_resamples(np.arange(150), positive, RESAMPLES, SEED)
    assert pooled.interval == bootstrap(
        lambda w: scores.auroc(positive, score, w), np.arange(150), drawn, 0.95
    )


def test_folds_on_different_scales_cost_the_pooled_score_alone() -> None:
    positive, score, fold = cohort(3.0)
    pooled, mean = estimates(lambda w: scores.auroc(positive, score, w), np.arange(150), fold, positive)
    assert pooled.value < 0.65
    assert mean.value > 0.75
    assert mean.interval.low > pooled.interval.high


def test_folds_without_a_score_are_left_out_and_counted() -> None:
    positive, score, fold = cohort(0.0)
    positive = positive & (fold != 2)
    _, mean = estimates(lambda w: scores.auroc(positive, score, w), np.arange(150), fold, positive)
    assert mean.folds == 4
    assert np.isfinite([mean.value, mean.interval.low]).all()
    _, nothing = estimates(lambda w: np.full(len(w), np.nan), np.arange(150), fold, None)
    assert nothing.folds == 0
    assert np.isnan([nothing.value, nothing.interval.low]).all()


def test_the_interval_of_a_mean_of_means_is_that_of_the_mean() -> None:
    values = np.random.default_rng(4).normal(size=200)
    pooled, mean = estimates(lambda w: w @ values / w.sum(axis=1), np.arange(200), np.arange(200) % 4, None)
    assert mean.value == pytest.approx(pooled.value)
    width = 2 * 1.96 * values.std() / np.sqrt(200)
    assert mean.interval.high - mean.interval.low == pytest.approx(width, rel=0.15)
