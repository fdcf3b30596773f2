from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from histopress.data.predictions import validate
from histopress.metrics.cases import answers
from histopress.metrics.measures import SURVIVAL, measures
from histopress.metrics.measures_survival import scored_horizons

Maker = Callable[..., pd.DataFrame]


def test_risks_in_the_right_order_score_1_and_reversed_ones_0(make_table: Maker) -> None:
    table = make_table("survival", patients=60)
    table["score"] = -table["truth"].str.rstrip("+").astype(float)
    one = answers(validate(table.drop(columns=["s:2", "s:6", "s:12"])), "diagnosis").pooled
    table["score"] *= -1
    other = answers(validate(table.drop(columns=["s:2", "s:6", "s:12"])), "diagnosis").pooled
    for measure in SURVIVAL[:2]:
        assert measure.of(one) == pytest.approx(1)
        assert measure.of(other) == pytest.approx(0)


def test_the_brier_score_needs_survival_that_was_said(make_table: Maker) -> None:
    table = make_table("survival", patients=60)
    with_it = answers(validate(table), "diagnosis").pooled
    assert measures(with_it)[-1].name == "integrated_brier"
    without = answers(validate(table.drop(columns=["s:2", "s:6", "s:12"])), "diagnosis").pooled
    assert [m.name for m in measures(without)] == ["concordance", "uno", "dynamic_auroc"]
    assert np.isfinite([m.of(without) for m in measures(without)]).all()


def test_horizons_beyond_the_follow_up_are_not_scored(make_table: Maker) -> None:
    table = make_table("survival", patients=60)
    table["s:900"] = table["s:12"] / 2
    cases = answers(validate(table), "diagnosis").pooled
    assert scored_horizons(cases).tolist() == [2, 6, 12]


def test_without_events_the_reason_is_told(make_table: Maker) -> None:
    table = make_table("survival", patients=20)
    table["truth"] = table["truth"].str.rstrip("+") + "+"
    cases = answers(validate(table), "diagnosis").pooled
    for measure in measures(cases):
        assert measure.undefined(cases) == "no patient had the event, nothing can be compared"
