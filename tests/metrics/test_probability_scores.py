from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as theirs

from histopress.metrics import probability_scores as ours
from histopress.metrics import scores
from histopress.metrics.curves import equal_count_bins

SEEDS = range(8)


def answers(seed: int, classes: int, cases: int = 61) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.arange(cases) % classes
    return truth, rng.dirichlet(np.ones(classes), cases), rng.integers(1, 4, (5, cases)).astype(float)


@pytest.mark.parametrize("seed", SEEDS)
def test_brier_and_log_loss_equal_scikit_learn(seed: int) -> None:
    truth, p, weights = answers(seed, 2)
    expected = [theirs.brier_score_loss(truth, p[:, 1], sample_weight=w) for w in weights]
    np.testing.assert_allclose(ours.brier(truth == 1, p[:, 1], weights), expected)
    np.testing.assert_allclose(ours.multiclass_brier(truth, p, weights), 2 * np.array(expected))
    for classes in (2, 4):
        truth, p, weights = answers(seed, classes)
        expected = [theirs.log_loss(truth, p, sample_weight=w) for w in weights]
        np.testing.assert_allclose(ours.log_loss(truth, p, weights), expected)


def test_a_sure_and_wrong_answer_costs_much_but_not_everything() -> None:
    assert ours.log_loss([0], np.array([[0.0, 1.0]]))[0] == pytest.approx(-np.log(1e-15))
    assert ours.log_loss([1], np.array([[0.0, 1.0]]))[0] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_ranked_probability_score_is_the_mean_brier_score_of_the_steps(seed: int) -> None:
    truth, p, weights = answers(seed, 5)
    steps = [ours.brier(truth <= k, p[:, : k + 1].sum(axis=1), weights) for k in range(4)]
    np.testing.assert_allclose(ours.ranked_probability_score(truth, p, weights), np.mean(steps, axis=0))
    two_truth, two, _ = answers(seed, 2)
    assert ours.ranked_probability_score(two_truth, two)[0] == pytest.approx(
        ours.brier(two_truth, two[:, 1])[0]
    )


def test_a_miss_by_two_grades_costs_more_than_by_one() -> None:
    sure = np.eye(4)
    costs = [ours.ranked_probability_score([0], sure[[k]])[0] for k in range(4)]
    np.testing.assert_allclose(costs, [0, 1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_calibration_error_is_that_of_its_bins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = np.round(rng.uniform(size=97), 2)
    positive = rng.uniform(size=97) < p**2
    bins = equal_count_bins(p)
    expected = sum(
        (bins == b).mean() * abs(positive[bins == b].mean() - p[bins == b].mean()) for b in range(10)
    )
    assert ours.calibration_error(positive, p)[0] == pytest.approx(expected)
    weights = rng.integers(0, 3, (4, 97)).astype(float)
    for found, w in zip(ours.calibration_error(positive, p, weights), weights, strict=True):
        each = [abs((w * (positive - p))[bins == b].sum()) for b in range(10)]
        assert found == pytest.approx(sum(each) / w.sum())


def test_bins_hold_equally_many_and_ties_share_one() -> None:
    p = np.random.default_rng(0).uniform(size=100)
    assert np.bincount(equal_count_bins(p)).tolist() == [10] * 10
    assert np.bincount(equal_count_bins(p[:20])).tolist() == [10, 10]
    assert set(equal_count_bins(np.full(50, 0.3))) == {0}
    tied = np.repeat([0.1, 0.2, 0.9], [70, 20, 10])
    bins = equal_count_bins(tied)
    assert len(set(zip(tied, bins, strict=True))) == 3


def test_calibrated_answers_have_an_error_near_0_and_too_sure_ones_not() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.2, 0.8, 40_000)
    positive = rng.uniform(size=40_000) < p
    assert ours.calibration_error(positive, p)[0] < 0.01
    assert ours.calibration_error(positive, np.where(p < 0.5, 0.1, 0.9))[0] > 0.1
    both = np.stack([1 - p, p], axis=1)
    assert ours.top_label_calibration_error(positive.astype(int), both)[0] < 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_number_scores_equal_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(5, 2, 44)
    y, weights = x + rng.normal(size=44), rng.integers(0, 3, (5, 44)).astype(float)
    for mine, reference in (
        (scores.r2, theirs.r2_score),
        (scores.root_mean_squared_error, theirs.root_mean_squared_error),
    ):
        np.testing.assert_allclose(mine(x, y, weights), [reference(x, y, sample_weight=w) for w in weights])
    assert np.isnan(scores.r2(np.ones(5), np.arange(5))[0])
    assert scores.r2(x, np.full(44, x.mean()))[0] == pytest.approx(0)
