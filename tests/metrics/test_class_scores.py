from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sklearn.metrics as theirs

from histopress.metrics import class_scores

SEEDS = range(8)


def calls(seed: int, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, answers that are right about half of the time, and counts of resamples that lack no class."""
    rng = np.random.default_rng(seed)
    truth = np.arange(53) % classes
    answer = np.where(rng.uniform(size=53) < 0.5, truth, rng.integers(0, classes, 53))
    return truth, answer, rng.integers(1, 4, (6, 53)).astype(float)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("ours", "reference"),
    [
        (class_scores.accuracy, theirs.accuracy_score),
        (class_scores.f1, theirs.f1_score),
        (class_scores.sensitivity, theirs.recall_score),
        (class_scores.positive_predictive_value, theirs.precision_score),
        (class_scores.specificity, lambda t, a, **k: theirs.recall_score(t, a, pos_label=0, **k)),
        (
            class_scores.negative_predictive_value,
            lambda t, a, **k: theirs.precision_score(t, a, pos_label=0, **k),
        ),
        (class_scores.mcc, theirs.matthews_corrcoef),
    ],
)
def test_scores_of_two_classes_equal_scikit_learn(
    ours: Callable[..., np.ndarray], reference: Callable[..., float], seed: int
) -> None:
    truth, answer, weights = calls(seed, 2)
    assert ours(truth, answer)[0] == pytest.approx(reference(truth, answer), abs=1e-12)
    expected = [reference(truth, answer, sample_weight=w) for w in weights]
    np.testing.assert_allclose(ours(truth, answer, weights), expected, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("ours", "reference"),
    [
        (class_scores.accuracy, theirs.accuracy_score),
        (class_scores.macro_f1, lambda t, a, **k: theirs.f1_score(t, a, average="macro", **k)),
        (class_scores.mcc, theirs.matthews_corrcoef),
        (
            class_scores.quadratic_kappa,
            lambda t, a, **k: theirs.cohen_kappa_score(t, a, weights="quadratic", **k),
        ),
    ],
)
def test_scores_of_several_classes_equal_scikit_learn(
    ours: Callable[..., np.ndarray], reference: Callable[..., float], seed: int
) -> None:
    truth, answer, weights = calls(seed, 4)
    assert ours(truth, answer)[0] == pytest.approx(reference(truth, answer), abs=1e-12)
    expected = [reference(truth, answer, sample_weight=w) for w in weights]
    np.testing.assert_allclose(ours(truth, answer, weights), expected, atol=1e-12)


def test_the_confusion_is_scikit_learns() -> None:
    truth, answer, weights = calls(0, 3)
    found = class_scores.confusion(truth, answer, 3, weights)
    for one, w in zip(found, weights, strict=True):
        np.testing.assert_allclose(one, theirs.confusion_matrix(truth, answer, sample_weight=w))
    assert class_scores.confusion(truth, answer, 5).shape == (1, 5, 5)


def test_calls_that_are_all_the_same_agree_by_chance_alone() -> None:
    truth, same = np.arange(30) % 3, np.ones(30, int)
    assert class_scores.mcc(truth, same)[0] == 0
    assert class_scores.quadratic_kappa(truth, same)[0] == 0
    assert class_scores.mcc(truth, truth)[0] == pytest.approx(1)
    assert class_scores.quadratic_kappa(truth, truth)[0] == pytest.approx(1)


def test_shares_of_nobody_are_undefined() -> None:
    positive, nobody = np.array([True, False, True]), np.zeros(3, bool)
    assert np.isnan(class_scores.positive_predictive_value(positive, nobody)[0])
    assert np.isnan(class_scores.sensitivity(nobody, positive)[0])
    assert np.isnan(class_scores.f1(nobody, nobody)[0])
    assert np.isnan(class_scores.mcc(nobody, positive)[0])
    assert np.isnan(class_scores.quadratic_kappa(nobody, nobody)[0])
