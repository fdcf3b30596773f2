"""Survival targets from their columns."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import HeadError
from histopress.heads.objective_cox import Cox
from histopress.heads.objective_follow_up import make_survival
from histopress.heads.objective_grammar import parse_target
from histopress.heads.objective_hazards import Hazards
from histopress.heads.objective_survival import Survival

LABELS = pd.DataFrame(
    {"t": [0.0, 1.0, 12.34, 25.6, 40.1, 118.0] * 3, "dead": ["dead", "alive"] * 9, "censored": [0, 1] * 9},
    index=[f"p{i}" for i in range(18)],
)


def made(text: str, labels: pd.DataFrame = LABELS) -> Survival:
    (target,) = parse_target(text)
    return make_survival(target, labels)


def test_events_and_censoring_mean_the_same() -> None:
    event, censored = made("os:survival(time=t,event=dead)"), made("os:survival(time=t,censored=censored)")
    assert event.targets(LABELS).tolist() == censored.targets(LABELS).tolist()


def test_options_choose_the_loss() -> None:
    cox = made("os:survival(time=t,event=dead,ties=breslow)")
    assert isinstance(cox, Cox)
    assert cox.ties == "breslow"
    hazards = made("os:survival(time=t,event=dead,hazards,bins=5)")
    assert isinstance(hazards, Hazards)
    assert hazards.outputs == 5


def test_chances_are_told_at_the_times_that_are_asked_for() -> None:
    assert made("os:survival(time=t,event=dead,at=60|12|36.5)").at == (12.0, 36.5, 60.0)


def test_else_at_the_deciles_of_the_follow_up_rounded() -> None:
    at = made("os:survival(time=t,event=dead)").at
    assert list(at) == sorted(set(at))
    assert all(time == float(f"{time:.2g}") > 0 for time in at)
    many = pd.DataFrame({"t": np.linspace(0.5, 100, 400), "e": [0, 1] * 200})
    np.testing.assert_allclose(made("os:survival(time=t,event=e)", many).at, np.arange(10, 100, 10), atol=1)


def test_a_time_of_zero_is_half_the_shortest_and_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        objective = made("os:survival(time=t,event=dead)")
    assert objective.least == 0.5
    assert objective.truth(LABELS)[0] == "0.5"
    assert "os is 0 and taken as 0.5, half the shortest time, for patient p0, p6, p12" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("os:survival(time=t)", r"os:survival has time=t, expected columns of times and of events"),
        ("os:survival(event=dead)", "expected columns of times and of events"),
        ("os:survival(time=t,event=dead,censored=censored)", "expected columns of times and of events"),
        ("os:survival(time=t,event=dead,bins=4)", "bins=4 with loss=cox"),
        ("os:survival(time=t,event=dead,hazards,ties=efron)", "ties=efron with loss=hazards"),
        ("os:survival(time=t,event=dead,hazards,bins=one)", "bins of os is 'one', expected 2 or more"),
        ("os:survival(time=t,event=dead,at=1|soon)", "at of os is 'soon', expected times above 0"),
        ("os:survival(time=t,event=dead,at=0)", "at of os is '0', expected times above 0"),
        ("os:survival(time=tt,event=dead)", "no column 'tt', expected one of t, dead"),
    ],
)
def test_what_does_not_fit_is_told(text: str, message: str) -> None:
    with pytest.raises(HeadError, match=message):
        made(text)


def test_times_must_pass() -> None:
    with pytest.raises(HeadError, match="no time above 0 over 2 patients"):
        made("os:survival(time=t,event=e)", pd.DataFrame({"t": [0, 0], "e": [1, 0]}))
