from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from histopress.metrics import class_scores, scores
from histopress.metrics.permutation import deal, permutation_test


def test_labels_move_between_patients_and_keep_their_numbers() -> None:
    patients = np.array(["b", "a", "c", "b", "d", "a"])
    truth = np.array([1, 0, 0, 1, 1, 0])
    dealt = deal(patients, 200, seed=0)
    for order in dealt:
        moved = truth[order]
        assert moved[0] == moved[3]
        assert moved[1] == moved[5]
        assert moved[[0, 1, 2, 4]].sum() == 2
    assert len(np.unique(dealt, axis=0)) == 24
    np.testing.assert_array_equal(dealt, deal(patients, 200, seed=0))


def test_within_strata_labels_stay_there() -> None:
    strata = np.arange(12) % 3
    dealt = deal(np.arange(12), 50, 0, strata)
    assert (strata[dealt] == strata).all()


def test_every_deal_is_as_likely_as_any_other() -> None:
    dealt = deal(np.arange(4), 24_000, 0)
    _, times = np.unique(dealt, axis=0, return_counts=True)
    assert len(times) == 24
    assert times.min() > 850


@pytest.mark.parametrize(
    "score",
    [
        lambda truth: lambda a, b, w: scores.auroc(truth[b] == 1, ANSWERS[a], w),
        lambda truth: lambda a, b, w: scores.average_precision(truth[b] == 1, ANSWERS[a], w),
        lambda truth: lambda a, b, w: scores.spearman(truth[b], ANSWERS[a], w),
        lambda truth: lambda a, b, w: class_scores.quadratic_kappa(truth[b], np.round(ANSWERS[a]), w),
    ],
)
def test_all_deals_at_once_score_as_one_by_one(score, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    truth = np.arange(23) % 3
    dealt = deal(np.arange(23), 60, 1)
    at_once = permutation_test(score(truth), truth, dealt)
    monkeypatch.setattr("histopress.metrics.permutation.MOST_CLASSES", 0)
    one_by_one = permutation_test(score(truth), truth, dealt)
    assert at_once.p == one_by_one.p
    assert (at_once.mean, at_once.low, at_once.high) == pytest.approx(
        (one_by_one.mean, one_by_one.low, one_by_one.high)
    )


ANSWERS = np.round(np.random.default_rng(0).normal(1, 1, 23), 1)


def test_p_of_few_cases_is_that_of_all_orders() -> None:
    truth, answer = np.array([0, 0, 1, 0, 1, 1, 0]), np.array([0.1, 0.4, 0.5, 0.2, 0.9, 0.3, 0.6])
    found = permutation_test(
        lambda a, b, w: scores.auroc(truth[b] == 1, answer[a], w), truth, deal(np.arange(7), 4000, 0)
    )
    every = [scores.auroc(truth[list(order)] == 1, answer)[0] for order in permutations(range(7))]
    exact = np.mean(np.array(every) >= found.value - 1e-12)
    assert found.p == pytest.approx(exact, abs=0.02)
    assert found.mean == pytest.approx(0.5, abs=0.01)
    assert found.low < 0.5 < found.high


def test_p_is_never_0_and_errors_are_better_when_low() -> None:
    truth = np.arange(40.0)
    dealt = deal(np.arange(40), 99, 0)
    best = permutation_test(
        lambda a, b, w: scores.mean_absolute_error(truth[b], truth[a], w), truth, dealt, higher=False
    )
    assert best.p == 0.01
    assert best.deals == 99
    worst = permutation_test(lambda a, b, w: scores.spearman(truth[b], -truth[a], w), truth, dealt)
    assert worst.p == 1.0
    nothing = permutation_test(lambda a, b, w: scores.pearson(truth[b] * 0, truth[a], w), truth, dealt)
    assert np.isnan([nothing.value, nothing.p]).all()


def test_p_of_answers_that_know_nothing_is_even() -> None:
    rng = np.random.default_rng(3)
    truth = np.arange(24) < 9
    found = [
        permutation_test(
            lambda a, b, w, s=answer: scores.auroc(truth[b], s[a], w), truth, deal(np.arange(24), 199, seed)
        ).p
        for seed, answer in enumerate(rng.normal(size=(300, 24)))
    ]
    assert np.mean(np.array(found) <= 0.05) < 0.09
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)
