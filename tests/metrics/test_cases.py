from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from histopress.data.predictions import to_patients, validate
from histopress.metrics.cases import answers, usable

Maker = Callable[..., pd.DataFrame]


def test_rows_of_the_train_and_tuning_parts_are_never_used(make_table: Maker) -> None:
    table = validate(make_table())
    tested = validate(table[table["part"] == "test"])
    one, other = answers(table, "diagnosis"), answers(tested, "diagnosis")
    np.testing.assert_array_equal(one.pooled.score, other.pooled.score)
    poisoned = table.assign(part=table["part"].replace("train", "tuning"))
    np.testing.assert_array_equal(answers(poisoned, "diagnosis").pooled.score, other.pooled.score)
    assert len(usable(table[table["part"] == "train"])) == 0
    assert len(usable(tested.assign(truth=""))) == 0


def test_a_patient_is_the_mean_of_its_slides_in_the_fold_that_tests_it(make_table: Maker) -> None:
    table = validate(make_table())
    found = answers(table, "diagnosis")
    tested = table[table["part"] == "test"]
    expected = tested.groupby("patient")["p:tumour"].mean()
    assert found.pooled.patients.tolist() == expected.index.tolist()
    np.testing.assert_allclose(found.pooled.score, expected, rtol=1e-12)
    assert found.pooled.counts == {"normal": 20, "tumour": 20}
    assert found.slides == tested["slide"].nunique()
    assert list(found.by_run) == ["0", "1", "2", "3", "4"]
    assert found.pooled.fold.tolist() == [str(i % 5) for i in range(40)]
    assert not found.averaged
    assert found.run_word == "fold"


def test_repeating_every_slide_changes_no_patient(make_table: Maker) -> None:
    table = validate(make_table())
    twice = validate(pd.concat([table, table.assign(slide=table["slide"] + "x")]))
    one, other = answers(table, "diagnosis"), answers(twice, "diagnosis")
    np.testing.assert_allclose(one.pooled.probabilities, other.pooled.probabilities, rtol=1e-12)
    assert other.slides == 2 * (one.slides or 0)


def test_rows_of_patients_go_before_means_of_slides(make_table: Maker) -> None:
    table = validate(make_table())
    own = to_patients(table[table["patient"].isin(["P000", "P001"]) & (table["part"] == "test")])
    own = own.assign(**{"p:normal": 0.125, "p:tumour": 0.875, "score": 0.875})
    found = answers(validate(pd.concat([table, own])), "diagnosis")
    plain = answers(table, "diagnosis")
    assert found.pooled.score[:2].tolist() == [0.875, 0.875]
    np.testing.assert_array_equal(found.pooled.score[2:], plain.pooled.score[2:])
    only = answers(own, "diagnosis")
    assert only.slides is None
    assert len(only.pooled) == 2


def test_an_ensemble_row_goes_before_its_members_and_members_are_averaged_without_one() -> None:
    base = {"level": "patient", "slide": "", "part": "new", "target": "y", "kind": "binary", "truth": "b"}
    rows = [
        base | {"patient": p, "run": run, "p:a": 1 - s, "p:b": s, "score": s, "score_sd": np.nan, "models": n}
        for p, run, s, n in (
            ("P1", "0", 0.25, 1),
            ("P1", "1", 0.75, 1),
            ("P1", "mean", 0.625, 2),
            ("P2", "0", 0.25, 1),
            ("P2", "1", 0.5, 1),
        )
    ]
    found = answers(validate(pd.DataFrame(rows)), "y")
    assert found.pooled.score.tolist() == [0.625, 0.375]
    assert found.pooled.fold.tolist() == ["mean", "mean"]
    assert found.averaged
    assert list(found.by_run) == ["0", "1"]
    assert found.by_run["1"].score.tolist() == [0.75, 0.5]
    assert found.parts == ("new",)
    assert found.run_word == "run"


def test_targets_of_one_table_do_not_mix(make_table: Maker) -> None:
    both = validate(
        pd.concat(
            [
                make_table(),
                make_table("multiclass", classes=("x", "y", "z"), target="type"),
                make_table("regression", target="age"),
            ]
        )
    )
    assert answers(both, "diagnosis").pooled.classes == ("normal", "tumour")
    kinds = answers(both, "type").pooled
    assert kinds.classes == ("x", "y", "z")
    np.testing.assert_allclose(kinds.probabilities.sum(axis=1), 1)
    ages = answers(both, "age").pooled
    assert ages.probabilities.shape == (40, 0)
    assert ages.truth.dtype == np.float64
    np.testing.assert_allclose(ages.error, np.abs(ages.score - ages.truth))


def test_errors_and_calls_of_classes(make_table: Maker) -> None:
    cases = answers(validate(make_table("multiclass", classes=("x", "y", "z"))), "diagnosis").pooled
    own = cases.probabilities[np.arange(len(cases)), cases.truth.astype(int)]
    np.testing.assert_allclose(cases.error, 1 - own)
    np.testing.assert_array_equal(cases.answer, cases.probabilities.argmax(axis=1))
    assert cases.smallest == min(cases.counts.values()) == 10


def test_even_odds_are_called_positive(make_table: Maker) -> None:
    table = make_table(patients=10).assign(**{"p:normal": 0.5, "p:tumour": 0.5, "score": 0.5})
    assert answers(validate(table), "diagnosis").pooled.answer.tolist() == [1] * 10


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_rows_does_not_matter(make_table: Maker, seed: int) -> None:
    table = validate(make_table(seed=seed))
    one = answers(table, "diagnosis").pooled
    other = answers(validate(table.sample(frac=1, random_state=seed)), "diagnosis").pooled
    assert one.patients.tolist() == other.patients.tolist()
    np.testing.assert_allclose(one.score, other.score, rtol=1e-12)
