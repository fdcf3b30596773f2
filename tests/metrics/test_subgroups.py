from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import PredictionsError
from histopress.metrics import scores
from histopress.metrics.intervals import Interval
from histopress.metrics.subgroups import MISSING, grouping, groupings, subgroup_table


def table(group: np.ndarray, positive: np.ndarray, score: np.ndarray, **settings):  # type: ignore[no-untyped-def]
    divided = grouping("site", pd.Series(group))
    settings = {"resamples": 300, "seed": 0, "level": 0.95} | settings
    return subgroup_table(lambda w: scores.auroc(positive, score, w), divided, positive, positive, **settings)


def test_text_is_grouped_by_value_and_missing_is_a_group() -> None:
    found = grouping("site", pd.Series(["b", "a", None, "b", " ", "a"], dtype=object))
    assert found.groups == ("a", "b", MISSING)
    assert found.group.tolist() == [1, 0, 2, 1, 2, 0]
    assert grouping("x", pd.Series([np.nan, np.nan])).groups == (MISSING,)
    assert grouping("x", pd.Series([True, False, True])).groups == ("False", "True")


def test_numbers_are_grouped_in_bands() -> None:
    age = pd.Series([44.0, 50.0, 64.9, 65.0, 71.0, np.nan])
    found = grouping("age", age, (50, 65))
    assert found.groups == ("< 50", "50 to < 65", ">= 65", MISSING)
    assert found.group.tolist() == [0, 1, 1, 2, 2, 3]
    assert grouping("age", age[1:], (50, 65)).groups == ("50 to < 65", ">= 65", MISSING)
    even = grouping("age", pd.Series(np.random.default_rng(0).normal(60, 9, 300)), 4)
    assert np.bincount(even.group).tolist() == [75, 75, 75, 75]
    assert len(grouping("age", pd.Series(np.arange(90) / 7)).groups) == 3
    assert grouping("stage", pd.Series(["2", "1", "4", "1"])).groups == ("1", "2", "4")


def test_covariates_are_put_in_the_order_of_the_patients() -> None:
    covariates = pd.DataFrame({"sex": ["f", "m", "f"], "age": [50, 60, 70]}, index=["P1", "P2", "P3"])
    sex, age = groupings(covariates, ["P3", "P9", "P2"], {"age": (65,)})
    assert sex.groups == ("f", "m", MISSING)
    assert sex.group.tolist() == [0, 2, 1]
    assert age.groups == ("< 65", ">= 65", MISSING)
    with pytest.raises(PredictionsError, match="hold patient P1 twice"):
        groupings(pd.concat([covariates, covariates[:1]]), ["P1"])
    with pytest.raises(PredictionsError, match="bands for years, found sex, age"):
        groupings(covariates, ["P1"], {"years": 3})


def test_rows_tell_score_interval_and_numbers() -> None:
    rng = np.random.default_rng(0)
    positive = np.arange(130) % 2 == 0
    score = rng.normal(size=130) + positive
    group = np.repeat(["north", "south", "west"], [60, 64, 6])
    found = table(group, positive, score)
    assert [row.group for row in found.rows] == ["north", "south", "west"]
    assert [row.patients for row in found.rows] == [60, 64, 6]
    assert [row.events for row in found.rows] == [30, 32, 3]
    assert [row.small for row in found.rows] == [False, False, True]
    assert found.compared == ("north", "south")
    for row in found.rows:
        own = group == row.group
        assert row.value == pytest.approx(scores.auroc(positive[own], score[own])[0])
        assert row.interval.low <= row.value <= row.interval.high
    given = Interval(0.1, 0.9, "given")
    assert table(group, positive, score, interval=lambda _: given).rows[0].interval == given


def test_a_site_where_the_model_fails_is_found_and_equal_sites_are_not() -> None:
    rng = np.random.default_rng(1)
    positive, group = np.arange(200) % 2 == 0, np.repeat(["a", "b"], 100)
    even = rng.normal(size=200) + 1.5 * positive
    assert table(group, positive, even).p > 0.05
    odd = np.where(group == "a", even, rng.normal(size=200))
    assert table(group, positive, odd).p < 0.01
    assert np.isnan(table(np.full(200, "a"), positive, even).p)


def test_p_of_equal_groups_is_even() -> None:
    rng = np.random.default_rng(2)
    positive, group = np.arange(60) % 2 == 0, np.repeat(["a", "b", "c"], 20)
    found = [
        table(
            group,
            positive,
            rng.normal(size=60) + positive,
            resamples=100,
            interval=lambda _: Interval(0, 1, ""),
        ).p
        for _ in range(200)
    ]
    assert np.mean(np.array(found) <= 0.05) < 0.1
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)


def test_a_group_of_one_class_has_no_score_and_is_not_compared() -> None:
    positive = np.arange(90) < 45
    group = np.repeat(["a", "b", "c"], [30, 30, 30])
    found = table(group, positive, np.random.default_rng(0).normal(size=90))
    assert np.isnan(found.rows[0].value)
    assert np.isnan(found.rows[0].interval.low)
    assert found.compared == ("b",)
