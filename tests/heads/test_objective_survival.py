"""Times and events as people write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import HeadError
from histopress.heads.objective_cox import Cox

OBJECTIVE = Cox("os", time="months", event="dead", least=0.25)


def table(months: list[Any], dead: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"months": months, "dead": dead}, index=[f"p{i}" for i in range(len(months))])


def test_targets_are_times_and_events() -> None:
    labels = table([34.2, 7, 0, None, 5], [1, 0, 1, 1, None])
    targets = OBJECTIVE.targets(labels)
    np.testing.assert_allclose(targets[:3], [[34.2, 1], [7, 0], [0.25, 1]], rtol=1e-6)
    assert targets[3:].isnan().all()
    assert OBJECTIVE.truth(labels) == ["34.2", "7+", "0.25", "", ""]
    assert OBJECTIVE.sources == ("months", "dead")
    assert OBJECTIVE.labelled(labels).tolist() == [True, True, True, False, False]


def test_one_column_may_hold_both_as_surv_prints_them() -> None:
    objective = Cox("os")
    labels = pd.DataFrame({"os": ["34.2", "7+", "", "0+"]})
    assert objective.sources == ("os",)
    assert objective.targets(labels)[:2].tolist() == [[pytest.approx(34.2), 1.0], [7.0, 0.0]]
    with pytest.raises(HeadError, match=r"holds seven \(patient 0\), expected times as 34.2, or 34.2\+"):
        objective.targets(pd.DataFrame({"os": ["seven"]}))


@pytest.mark.parametrize("months", [["soon", 3.0], [-1.0, 3.0], [float("inf"), 3.0]])
def test_what_is_no_time_is_refused_with_its_patients(months: list[Any]) -> None:
    with pytest.raises(
        HeadError, match=r"months of os is to be survival but holds .* \(patient p0\), expected"
    ):
        OBJECTIVE.targets(table(months, [1, 0]))


def test_events_are_what_every_batch_should_hold() -> None:
    targets = OBJECTIVE.targets(table([3, 4, None], [1, 0, 1]))
    rare = OBJECTIVE.rare(targets)
    assert rare is not None
    assert rare.tolist() == [True, False, False]
    assert OBJECTIVE.balance(targets).tolist() == [1, 1, 0]


def test_strata_are_events_and_censored_times_in_bins_of_ten_or_more() -> None:
    random = np.random.default_rng(0)
    labels = table([*random.exponential(9, size=75), None], [*([1] * 25 + [0] * 50), 1])
    strata = OBJECTIVE.strata(labels)
    counts = strata.value_counts()
    assert set(counts.index) == {"event 1", "event 2", *(f"censored {i}" for i in range(1, 5)), ""}
    assert counts.drop("").min() >= 10
    early = labels["months"][strata == "event 1"].max()
    assert early <= labels["months"][strata == "event 2"].min()
