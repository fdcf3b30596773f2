"""Cells of label columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from histopress.core.errors import HeadError
from histopress.heads.objective_labels import column, events, flags, label_text, lists, numbers, some


def cells(*values: Any) -> pd.Series[Any]:
    return pd.Series(values, index=[f"p{i}" for i in range(len(values))], name="status", dtype=object)


def test_labels_are_names_and_missing_ones_are_empty() -> None:
    assert [label_text(v) for v in (1.0, 1, 0.5, " a ", True)] == ["1", "1", "0.5", "a", "True"]
    assert {label_text(v) for v in (None, float("nan"), np.float64("nan"), pd.NA, "", "n/a", "NaN")} == {""}


@pytest.mark.parametrize(
    ("happened", "open_"),
    [
        (1, 0),
        (1.0, 0.0),
        ("1", "0"),
        (True, False),
        ("TRUE", "False"),
        ("Dead", "Alive"),
        ("deceased", "living"),
        ("yes", "No"),
        ("event", "censored"),
        ("1:DECEASED", "0:LIVING"),
        ("1:Recurred/Progressed", "0:DiseaseFree"),
        ("Progressed", "event-free"),
    ],
)
def test_events_in_many_spellings(happened: Any, open_: Any) -> None:
    np.testing.assert_array_equal(events(cells(happened, open_, None), "os"), [1, 0, np.nan])


def test_a_column_of_censoring_says_the_opposite_but_words_keep_their_meaning() -> None:
    assert events(cells(1, 0, "yes", "no"), "os", censored=True).tolist() == [0, 1, 0, 1]
    assert events(cells("censored", "event", "dead", "alive"), "os", censored=True).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("word", [2, "lost", "0.5"])
def test_other_words_are_refused(word: Any) -> None:
    with pytest.raises(
        HeadError, match=rf"status of os is to be survival but holds {word} \(patient p1\), expected 1"
    ):
        events(cells(1, word), "os")


def test_lists_of_labels() -> None:
    found = lists(cells("a; b", "b|c", "a", "-", "", None))
    assert found == [{"a", "b"}, {"b", "c"}, {"a"}, set(), None, None]


def test_flags_and_numbers() -> None:
    np.testing.assert_array_equal(flags(cells("yes", 0, ""), "x"), [1, 0, np.nan])
    np.testing.assert_array_equal(numbers(cells("1.5", 2, ""), "x"), [1.5, 2, np.nan])


def test_columns_are_found_by_name() -> None:
    frame = pd.DataFrame({"grade": [1]})
    assert column(frame, "grade").tolist() == [1]
    with pytest.raises(HeadError, match="did you mean 'grade'"):
        column(frame, "Grade")
    assert some("abcdefg") == "a, b, c, d, e, ..."
