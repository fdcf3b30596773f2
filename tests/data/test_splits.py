from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import CohortError
from histopress.data.splits import MOST_TUNING, Fold, cross_validation, fixed_split, site_validation


def random_cohort(seed: int) -> tuple[pd.Series, int]:
    """Labels of a cohort in which every class is large enough for the folds, in random order."""
    rng = np.random.default_rng(seed)
    folds = int(rng.integers(2, 8))
    sizes = rng.integers(max(folds, 4), 40, size=int(rng.integers(2, 5)))
    labels = np.repeat([f"class {i}" for i in range(len(sizes))], sizes)
    ids = rng.permutation([f"{i:04d}" for i in range(len(labels))])
    return pd.Series(labels, index=ids), folds


def parts(fold: Fold) -> tuple[tuple[str, ...], ...]:
    return fold.train, fold.tuning, fold.test


@pytest.mark.parametrize("seed", range(30))
def test_laws_of_random_cohorts(seed: int) -> None:
    labels, folds = random_cohort(seed)
    result = cross_validation(labels, folds, seed)
    assert [fold.index for fold in result] == list(range(folds))
    tested = [patient for fold in result for patient in fold.test]
    assert sorted(tested) == sorted(labels.index)
    for fold in result:
        assert sorted(p for part in parts(fold) for p in part) == sorted(labels.index)
        for part in parts(fold):
            assert list(part) == sorted(set(part))
            assert set(labels[list(part)]) == set(labels)
        share = len(fold.tuning) / (len(fold.tuning) + len(fold.train))
        slack = 0.5 * labels.nunique() / (len(fold.tuning) + len(fold.train))
        assert abs(share - min(1 / folds, MOST_TUNING)) <= slack + 1e-9
    for name in labels.unique():
        sizes = [int((labels[list(fold.test)] == name).sum()) for fold in result]
        assert max(sizes) - min(sizes) <= 1
    sizes = [len(fold.test) for fold in result]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_the_table_does_not_matter_but_the_seed_does(seed: int) -> None:
    labels, folds = random_cohort(seed)
    shuffled = labels.sample(frac=1, random_state=seed)
    assert not shuffled.index.equals(labels.index)
    assert cross_validation(labels, folds, 3) == cross_validation(shuffled, folds, 3)
    assert cross_validation(labels, folds, 3) != cross_validation(labels, folds, 4)


def test_classes_may_be_numbers_or_booleans() -> None:
    text = pd.Series(["0", "1"] * 9, index=[f"p{i}" for i in range(18)])
    assert cross_validation(text, 3, 1) == cross_validation(text.astype(int), 3, 1)
    assert len(cross_validation(text == "1", 3, 1)) == 3


@pytest.mark.parametrize("seed", range(20))
def test_numbers_are_spread_evenly_over_the_folds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = pd.Series(rng.lognormal(size=83), index=[f"p{i}" for i in range(83)])
    result = cross_validation(values, 5, seed)
    assert sorted(p for fold in result for p in fold.test) == sorted(values.index)
    ranks = values.rank(pct=True)
    means = [float(ranks[list(part)].mean()) for fold in result for part in parts(fold)]
    assert max(abs(m - 0.506) for m in means) < 0.09


def test_equal_numbers_are_no_obstacle() -> None:
    values = pd.Series([0.0] * 20 + [1.0] * 3, index=[f"p{i:02d}" for i in range(23)])
    assert len(cross_validation(values, 4, 0)) == 4


def test_too_few_patients_of_a_class_are_all_named() -> None:
    labels = pd.Series(["a"] * 20 + ["b"] * 3 + ["c"] * 2, index=[f"p{i}" for i in range(25)])
    with pytest.raises(CohortError) as raised:
        cross_validation(labels, 5, 0)
    first, second = raised.value.problems
    assert "class 'b' has 3 patients, expected at least 5 for 5 folds; ask for 3 folds" in first
    assert "class 'c' has 2 patients" in second
    assert "merge it" in second
    assert len(cross_validation(labels[labels != "c"], 3, 0)) == 3


def test_two_folds_need_four_patients_of_a_class() -> None:
    labels = pd.Series(["a", "b"] * 3, index=list("abcdef"))
    with pytest.raises(CohortError, match="expected at least 4 for 2 folds"):
        cross_validation(labels, 2, 0)


@pytest.mark.parametrize(
    ("labels", "folds", "expected"),
    [
        (pd.Series(["a", "b"], index=["p", "p"]), 2, "patient 'p' has several labels"),
        (pd.Series(["a", None], index=["p", "q"]), 2, "patient 'q' has no label"),
        (pd.Series(["a", "b"], index=["p", "q"]), 1, "1 folds, expected at least 2"),
        (pd.Series([], dtype=str), 3, "no patients"),
        (pd.Series([0.1, 0.2], index=["p", "q"]), 3, "the cohort has 2 patients, expected at least 3"),
    ],
)
def test_unusable_labels_are_refused(labels: pd.Series, folds: int, expected: str) -> None:
    with pytest.raises(CohortError, match=expected):
        cross_validation(labels, folds, 0)


def test_a_fixed_split_is_taken_as_it_is() -> None:
    marks = pd.Series(["test", "train", "tuning", "train"], index=["d", "a", "c", "b"])
    assert fixed_split(marks) == [Fold(0, ("a", "b"), ("c",), ("d",))]
    assert fixed_split(marks[marks != "test"]) == [Fold(0, ("a", "b"), ("c",), ())]


def test_a_missing_tuning_part_is_drawn_from_the_train_part() -> None:
    ids = [f"p{i:02d}" for i in range(30)]
    marks = pd.Series(["train"] * 20 + ["test"] * 10, index=ids)
    labels = pd.Series(["a", "b"] * 15, index=ids)
    with pytest.raises(CohortError, match="no patient has split tuning"):
        fixed_split(marks)
    (fold,) = fixed_split(marks, labels, seed=2)
    assert fold.test == tuple(ids[20:])
    assert sorted(fold.train + fold.tuning) == ids[:20]
    assert labels[list(fold.tuning)].value_counts().to_dict() == {"a": 2, "b": 2}
    order = np.random.default_rng(0).permutation(30)
    assert fixed_split(marks.iloc[order], labels.iloc[order[::-1]], seed=2) == [fold]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        (["test", "tuning"], "no patient of 2 has split train"),
        (["train", "val"], "split 'val', expected train"),
    ],
)
def test_unusable_splits_are_refused(marks: list[str], expected: str) -> None:
    with pytest.raises(CohortError, match=expected):
        fixed_split(pd.Series(marks, index=["a", "b"]))


def sited(patients: int = 60, seed: int = 0) -> tuple[pd.Series, pd.Series]:
    random = np.random.default_rng(seed)
    ids = [f"p{i:03d}" for i in range(patients)]
    labels = pd.Series(random.permutation(["no", "yes"] * (patients // 2)), index=ids)
    return labels, pd.Series(random.choice(["A", "B", "C", "D", ""], patients), index=ids)


@pytest.mark.parametrize("folds", [2, 3, 5, 9])
def test_sites_are_tested_by_those_who_have_never_seen_them(folds: int) -> None:
    labels, sites = sited()
    made = site_validation(labels, sites, folds, seed=1)
    assert len(made) == min(folds, 5)
    assert sorted(p for fold in made for p in fold.test) == sorted(labels.index)
    for fold in made:
        seen = set(sites[list(fold.train + fold.tuning)])
        assert not seen & set(sites[list(fold.test)])
        assert set(labels[list(fold.tuning)]) == set(labels[list(fold.train)]) == {"no", "yes"}
    sizes = [len(fold.test) for fold in made]
    assert max(sizes) - min(sizes) <= sites.value_counts().max()
    shuffled = labels.sample(frac=1, random_state=3)
    assert site_validation(shuffled, sites, folds, seed=1) == made


def test_one_site_cannot_be_held_out() -> None:
    labels, sites = sited()
    with pytest.raises(CohortError, match=r"5 folds over 1 sites.*split by patient"):
        site_validation(labels, sites.map(lambda _: "A"), 5, 0)


def test_strata_that_are_too_small_can_be_merged() -> None:
    names = ["a"] * 20 + ["b"] * 2 + ["c"] * 1 + ["d"] * 9
    labels = pd.Series(names, index=[f"p{i:02d}" for i in range(len(names))])
    with pytest.raises(CohortError, match="class 'b' has 2"):
        cross_validation(labels, 5, 0)
    made = cross_validation(labels, 5, 0, merge=True)
    assert sorted(p for fold in made for p in fold.test) == sorted(labels.index)
    assert {int((labels[list(f.test)] == "a").sum()) for f in made} == {4}
