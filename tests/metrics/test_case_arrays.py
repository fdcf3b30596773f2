from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from histopress.data.predictions import validate
from histopress.metrics.case_arrays import Cases, fold_of, seed_of
from histopress.metrics.cases import answers
from histopress.metrics.survival import harrell

Maker = Callable[..., pd.DataFrame]


def of(table: pd.DataFrame) -> Cases:
    return answers(validate(table), "diagnosis").pooled


def test_survival_has_times_events_and_horizons(make_table: Maker) -> None:
    table = make_table("survival")
    cases = of(table)
    first = table[(table["patient"] == "P001") & (table["part"] == "test")]
    assert cases.time[1] == float(first["truth"].iloc[0].rstrip("+"))
    assert cases.event.tolist() == [i % 3 > 0 for i in range(40)]
    assert cases.horizons == (2, 6, 12)
    np.testing.assert_allclose(cases.survival[1], first[["s:2", "s:6", "s:12"]].mean())
    assert cases.counts == {"with the event": 26, "without": 14}
    assert cases.smallest == 26


def test_grades_have_an_expected_rank_and_their_error_is_in_grades(make_table: Maker) -> None:
    cases = of(make_table("ordinal", classes=("low", "mid", "high")))
    np.testing.assert_allclose(cases.score, cases.probabilities @ np.arange(3))
    np.testing.assert_allclose(cases.error, np.abs(cases.score - cases.truth))
    assert cases.classed


def test_errors_of_survival_are_shares_of_pairs_in_the_wrong_order(make_table: Maker) -> None:
    cases = of(make_table("survival", effect=0.5))
    first = cases.event[:, None] & (cases.time[:, None] < cases.time)
    pairs = first.sum(axis=0) + first.sum(axis=1)
    wrong = float((cases.error * pairs).sum() / pairs.sum())
    assert 1 - wrong == pytest.approx(float(harrell(cases.time, cases.event, cases.score)[0]))


@pytest.mark.parametrize("kind", ["binary", "ordinal", "regression", "survival"])
def test_some_of_the_patients_are_cases_too(make_table: Maker, kind: str) -> None:
    cases = of(make_table(kind, classes=("a", "b") if kind == "binary" else ("a", "b", "c")))
    rows = np.array([5, 1, 7])
    some = cases.at(rows)
    assert some.patients.tolist() == ["P005", "P001", "P007"]
    np.testing.assert_array_equal(some.error.shape, 3)
    np.testing.assert_array_equal(some.score, cases.score[rows])


def test_runs_are_folds_and_seeds() -> None:
    assert (fold_of("3#1"), seed_of("3#1")) == ("3", "1")
    assert (fold_of("3"), seed_of("3")) == ("3", "")


def test_seeds_of_a_fold_are_averaged_and_told_apart(make_table: Maker) -> None:
    table = make_table(seeds=2, tuning=True)
    table.loc[table["run"].str.endswith("#1"), ["p:normal", "p:tumour", "score"]] = 0.5
    found = answers(validate(table), "diagnosis")
    alone = answers(validate(table[table["run"].str.endswith("#0")]), "diagnosis")
    np.testing.assert_allclose(found.pooled.score, (alone.pooled.score + 0.5) / 2)
    assert found.pooled.fold.tolist() == alone.pooled.fold.tolist()
    assert found.averaged
    assert list(found.by_run) == list(found.tuning) == list("01234")
    np.testing.assert_allclose(found.by_seed["0"].score, alone.pooled.score)
    np.testing.assert_allclose(found.by_seed["1"].score, 0.5)
    assert alone.by_seed == {}


def test_patients_that_were_tuned_on_stand_with_their_fold(make_table: Maker) -> None:
    found = answers(validate(make_table(tuning=True)), "diagnosis")
    for fold, part in found.tuning.items():
        assert [int(p[1:]) % 5 for p in part.patients] == [(int(fold) - 2) % 5] * 8
