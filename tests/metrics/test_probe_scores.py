from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from histopress.metrics.probe_measures import Answered, measures, quadratic_kappa
from histopress.metrics.probe_scores import score, score_change
from histopress.metrics.results import Sureness

SURE = Sureness(300, 0, 0.95)


def binary(groups: int, copies: int = 1, seed: int = 0, noise: float = 1.0) -> Answered:
    """Groups of four tiles with labels of both kinds; every tile stands there `copies` times."""
    rng = np.random.default_rng(seed)
    tiles = groups * 4
    truth = rng.integers(0, 2, tiles).astype(float)
    answer = truth + rng.normal(0, noise, tiles)
    answers = np.stack([-answer, answer], axis=1)
    names = np.array([f"g{i // 4}" for i in range(tiles)])
    return Answered("binary", *(np.repeat(a, copies, axis=0) for a in (truth, answers, names)))


@pytest.mark.parametrize("groups", [12, 60])
def test_copies_of_tiles_do_not_make_surer(groups: int) -> None:
    once, often = (score(binary(groups, copies), "tile", SURE)[0] for copies in (1, 10))
    assert often.point == pytest.approx(once.point)
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=1e-6)
    assert (once.groups, often.cases) == (groups, groups * 40)


def test_the_area_is_that_of_sklearn() -> None:
    cases = binary(20)
    assert score(cases, "tile", SURE)[0].point == pytest.approx(
        roc_auc_score(cases.truth, cases.answers[:, 1])
    )


def test_groups_are_scored_by_the_mean_of_their_tiles() -> None:
    answers = np.array([[0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.9, 0.1]])
    cases = Answered("binary", np.array([0.0, 0, 1, 0]), answers, np.array(["a", "a", "b", "b"]))
    grouped = cases.of("group")
    assert grouped.groups.tolist() == ["a", "b", "b"]
    assert grouped.truth.tolist() == [0, 0, 1]
    np.testing.assert_allclose(grouped.answers[:, 1], [0.6, 0.1, 0.7])


def test_labels_of_a_group_are_averaged_for_numbers() -> None:
    cases = Answered(
        "regression", np.array([1.0, 3, 7]), np.array([[2.0], [4], [5]]), np.array(["a", "a", "b"])
    )
    grouped = cases.of("group")
    assert grouped.truth.tolist() == [2, 7]
    assert grouped.answers.tolist() == [[3], [5]]


def test_tiles_of_a_group_with_equal_unknowns_are_one_case() -> None:
    truth = np.array([[1, np.nan], [1, np.nan], [0, np.nan]])
    cases = Answered("multilabel", truth, np.full((3, 2), 0.5), np.array(["a", "a", "a"]))
    assert len(cases.of("group").groups) == 2


def test_few_perfect_groups_are_no_certainty() -> None:
    found = score(binary(6, noise=0.01), "tile", SURE)[0]
    assert found.point == found.high == 1
    assert found.low < 0.9


def test_two_groups_tell_next_to_nothing() -> None:
    found = score(binary(2, seed=3), "tile", SURE)[0]
    assert found.high - found.low > 0.3


def test_a_class_of_a_single_group_leaves_limits_unknown() -> None:
    cases = Answered(
        "binary",
        np.array([0.0, 0, 1, 1]),
        np.tile([[0.6, 0.4], [0.3, 0.7]], (2, 1)),
        np.array(["a", "b", "c", "c"]),
    )
    found = score(cases, "tile", SURE)[0]
    assert found.point == 0.5
    assert np.isnan(found.low)


def test_quadratic_kappa_is_that_of_sklearn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 90)
    called = np.clip(truth + rng.integers(-1, 2, 90), 0, 3)
    expected = cohen_kappa_score(truth, called, weights="quadratic")
    assert quadratic_kappa(truth, called, 4)[0] == pytest.approx(expected)
    counts = rng.integers(0, 3, (5, 90))
    for row, got in zip(counts, quadratic_kappa(truth, called, 4, counts.astype(float)), strict=True):
        drawn = np.repeat(np.arange(90), row)
        expected = cohen_kappa_score(truth[drawn], called[drawn], weights="quadratic")
        assert got == pytest.approx(expected)


def test_ordered_classes_are_called_by_their_mean() -> None:
    cases = Answered("ordinal", np.array([1.0]), np.array([[0.4, 0.0, 0.3, 0.3]]), np.array(["a"]))
    assert cases.called.tolist() == [2]


def test_classes_that_are_not_known_count_for_nothing() -> None:
    truth = np.array([[0.0, np.nan], [1, 1], [1, 0], [0, np.nan]])
    answers = np.array([[0.1, 0.9], [0.8, 0.7], [0.9, 0.2], [0.3, 0.0]])
    cases = Answered("multilabel", truth, answers, np.array(list("abcd")))
    assert measures("multilabel")[0].score(cases, None)[0] == 1


@pytest.mark.parametrize("groups", [12, 60])
def test_changes_are_surer_than_two_scores_apart(groups: int) -> None:
    before = binary(groups)
    after = Answered(
        "binary", before.truth, before.answers + 0.05 * binary(groups, seed=1).answers, before.groups
    )
    change, alone = score_change(before, after, SURE), score(before, "tile", SURE)[0]
    assert change.measure == "auroc_change"
    assert change.low <= change.point <= change.high
    assert change.high - change.low < 0.5 * (alone.high - alone.low)


def test_no_change_is_exactly_none() -> None:
    cases = binary(20)
    change = score_change(cases, cases, SURE)
    assert (change.low, change.point, change.high) == (0, 0, 0)
