from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from histopress.data.predictions_survival import (
    horizon,
    horizon_columns,
    is_survival,
    survival_text,
    survival_times,
)


@pytest.mark.parametrize(
    ("text", "time", "event"),
    [("34.2", 34.2, True), ("34.2+", 34.2, False), ("0", 0.0, True), (" 7. +".replace(" ", ""), 7.0, False)],
)
def test_truths_are_read_as_r_prints_them(text: str, time: float, event: bool) -> None:
    times, events = survival_times([text])
    assert (times[0], events[0]) == (time, event)
    assert is_survival(text)


@pytest.mark.parametrize("text", ["", "dead", "-1", "3++", "+3", "nan", "inf", "1,5"])
def test_anything_else_is_no_truth(text: str) -> None:
    times, events = survival_times([text])
    assert math.isnan(times[0])
    assert not events[0]
    assert not is_survival(text)


def test_written_and_read_again_times_and_events_are_the_same() -> None:
    rng = np.random.default_rng(0)
    times, events = np.round(rng.exponential(40, 50), 4), rng.random(50) < 0.5
    again = survival_times([survival_text(t, e) for t, e in zip(times, events, strict=True)])
    np.testing.assert_array_equal(again[0], times)
    np.testing.assert_array_equal(again[1], events)


def test_horizons_are_sorted_by_time_not_by_text() -> None:
    table = pd.DataFrame(
        {"target": ["os", "dfs"], "s:100": [0.1, 0.1], "s:12": [0.5, None], "s:6": [0.9, None]}
    )
    assert horizon_columns(table, "os") == ["s:6", "s:12", "s:100"]
    assert horizon_columns(table, "dfs") == ["s:100"]
    assert horizon("s:12.5") == 12.5
    assert math.isnan(horizon("s:soon"))
