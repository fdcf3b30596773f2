"""Labels that come together."""

from __future__ import annotations

import logging

import pandas as pd
import pytest

from histopress.core.errors import HeadError
from histopress.heads.objective_grammar import parse_target
from histopress.heads.objective_multilabel import make_multilabel

LABELS = pd.DataFrame(
    {
        "findings": ["necrosis;mitoses", "mitoses", "-", "all|rare", ""] + ["necrosis|mitoses", "ulcer"] * 6,
        "a": [1, 0, 1] + [0] * 14,
        "b": ["yes", "no", ""] + ["no"] * 14,
    }
)


def made(text: str) -> list[tuple[str, ...]]:
    (target,) = parse_target(text)
    return [(part.target, *part.truth(LABELS)[:5]) for part in make_multilabel(target, LABELS)]


def test_every_label_of_a_list_is_a_target(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        told = made("findings:multilabel")
    assert told == [
        ("findings=mitoses", "yes", "yes", "no", "no", ""),
        ("findings=necrosis", "yes", "no", "no", "no", ""),
        ("findings=ulcer", "no", "no", "no", "no", ""),
    ]
    assert "too few patients have or lack are left out: all, rare" in caplog.text


def test_labels_can_be_named() -> None:
    assert [name for name, *_ in made("findings:multilabel(labels=rare|ulcer)")] == [
        "findings=rare",
        "findings=ulcer",
    ]


def test_columns_of_yes_and_no_are_targets() -> None:
    assert made("f:multilabel(columns=a|b)") == [
        ("f=a", "yes", "no", "yes", "no", "no"),
        ("f=b", "yes", "no", "", "no", "no"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "findings:multilabel(labels=ulcers)",
            "no patient has label 'ulcers' of findings, .*did you mean 'ulcer'",
        ),
        ("f:multilabel(columns=a|c)", "no column 'c'"),
        ("f:multilabel(columns=findings)", "findings of f is to be multilabel but holds"),
        ("f:multilabel(columns=a,labels=b)", "has labels and columns"),
        ("b:multilabel(labels=)", "expected labels="),
    ],
)
def test_what_does_not_fit_is_told(text: str, message: str) -> None:
    with pytest.raises(HeadError, match=message):
        made(text)


def test_nothing_that_comes_back_is_nothing_to_learn() -> None:
    (target,) = parse_target("x:multilabel")
    with pytest.raises(HeadError, match="no label that at least 5 of 2 patients have"):
        make_multilabel(target, pd.DataFrame({"x": ["a;b", "c"]}))
