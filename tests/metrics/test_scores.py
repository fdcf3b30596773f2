from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from histopress.metrics import scores

SEEDS = range(12)


def binary(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth of both classes and scores, with many ties for odd seeds."""
    rng = np.random.default_rng(seed)
    cases = int(rng.integers(7, 60))
    truth = np.arange(cases) % 3 == 0
    score = rng.normal(size=cases) + truth
    return truth, np.round(score) if seed % 2 else score


def counts(cases: int, resamples: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (resamples, cases)).astype(float)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (scores.auroc, sklearn.metrics.roc_auc_score),
        (scores.average_precision, sklearn.metrics.average_precision_score),
    ],
)
def test_two_class_scores_equal_scikit_learn(
    ours: Callable[..., np.ndarray], theirs: Callable[..., float], seed: int
) -> None:
    truth, score = binary(seed)
    weights = counts(len(truth), 9, seed)
    assert ours(truth, score)[0] == pytest.approx(theirs(truth, score), abs=1e-12)
    expected = [theirs(np.repeat(truth, w.astype(int)), np.repeat(score, w.astype(int))) for w in weights]
    np.testing.assert_allclose(ours(truth, score, weights), expected, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_class_scores_equal_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.arange(47) % 4
    p = rng.dirichlet(np.ones(4), 47)
    assert scores.macro(scores.auroc, truth, p)[0] == pytest.approx(
        sklearn.metrics.roc_auc_score(truth, p, multi_class="ovr", average="macro"), abs=1e-12
    )
    members = np.eye(4)[truth]
    assert scores.macro(scores.average_precision, truth, p)[0] == pytest.approx(
        sklearn.metrics.average_precision_score(members, p, average="macro"), abs=1e-12
    )
    weights = counts(47, 5, seed) + 1
    expected = [
        sklearn.metrics.balanced_accuracy_score(truth, p.argmax(axis=1), sample_weight=w) for w in weights
    ]
    np.testing.assert_allclose(
        scores.balanced_accuracy(truth, p.argmax(axis=1), weights), expected, atol=1e-12
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (scores.spearman, lambda x, y: scipy.stats.spearmanr(x, y).statistic),
        (scores.pearson, lambda x, y: scipy.stats.pearsonr(x, y).statistic),
        (scores.mean_absolute_error, sklearn.metrics.mean_absolute_error),
    ],
)
def test_number_scores_equal_scipy(
    ours: Callable[..., np.ndarray], theirs: Callable[..., float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=31)
    y = x + rng.normal(size=31)
    if seed % 2:
        x, y = np.round(x), np.round(y)
    weights = counts(31, 7, seed)
    assert ours(x, y)[0] == pytest.approx(theirs(x, y), abs=1e-12)
    expected = [theirs(np.repeat(x, w.astype(int)), np.repeat(y, w.astype(int))) for w in weights]
    np.testing.assert_allclose(ours(x, y, weights), expected, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_rank_scores_do_not_change_under_monotone_transforms(seed: int) -> None:
    truth, score = binary(seed)
    moved = np.exp(2 * score) - 5
    for one in (scores.auroc, scores.average_precision):
        assert one(truth, score)[0] == pytest.approx(one(truth, moved)[0], abs=1e-12)
    rho = scores.spearman(truth + score, score)[0]
    assert scores.spearman(truth + score, moved)[0] == pytest.approx(rho, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_turning_the_scores_round_turns_auroc_round(seed: int) -> None:
    truth, score = binary(seed)
    assert scores.auroc(truth, -score)[0] == pytest.approx(1 - scores.auroc(truth, score)[0], abs=1e-12)
    assert scores.auroc(~truth, score)[0] == pytest.approx(1 - scores.auroc(truth, score)[0], abs=1e-12)


def test_shuffled_labels_centre_at_chance() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=40)
    truth = np.arange(40) < 14
    areas = [scores.auroc(rng.permutation(truth), score)[0] for _ in range(800)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.012)
    rhos = [scores.spearman(rng.permutation(score), score)[0] for _ in range(800)]
    assert np.mean(rhos) == pytest.approx(0.0, abs=0.02)


def test_undefined_scores_are_nan_for_that_resample_only() -> None:
    truth = np.array([True, False, True])
    score = np.array([0.2, 0.7, 0.9])
    weights = np.array([[1, 1, 1], [2, 0, 1], [0, 3, 0]])
    assert np.isnan(scores.auroc(truth, score, weights)).tolist() == [False, True, True]
    assert np.isnan(scores.average_precision(truth, score, weights)).tolist() == [False, False, True]
    assert np.isnan(scores.pearson(score, score, weights)).tolist() == [False, False, True]
    assert np.isnan(scores.spearman(score, score, weights)).tolist() == [False, False, True]
    assert np.isnan(scores.spearman([1, 1, 1], score)[0])
    assert np.isnan(scores.pearson([0.1, 0.1, 0.1], score)[0])
    assert np.isnan(scores.macro(scores.auroc, np.zeros(3, int), np.ones((3, 2)))[0])


def test_classes_that_nobody_has_are_left_out_of_the_mean() -> None:
    truth = np.array([0, 0, 2, 2, 0])
    p = np.random.default_rng(1).dirichlet(np.ones(3), 5)
    expected = np.mean([scores.auroc(truth == c, p[:, c])[0] for c in (0, 2)])
    assert scores.macro(scores.auroc, truth, p)[0] == pytest.approx(expected)
