"""Targets as they are written."""

from __future__ import annotations

import pytest

from histopress.core.errors import HeadError
from histopress.heads.objective_grammar import (
    OPTIONS,
    Target,
    parse_target,
    target_columns,
    target_groups,
)
from histopress.heads.objectives import KINDS


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("er", Target("er")),
        ("grade:multiclass", Target("grade", "multiclass")),
        ("a:b:regression", Target("a:b", "regression")),
        ("age (years):regression", Target("age (years)", "regression")),
        ("grade:ordinal(1<2<3)", Target("grade", "ordinal", {"order": "1<2<3"})),
        (
            "grade:ordinal(1<2<3,cumulative)",
            Target("grade", "ordinal", {"order": "1<2<3", "loss": "cumulative"}),
        ),
        ("er:binary( neg < pos )", Target("er", "binary", {"order": "neg < pos"})),
        ("score:regression(mse)", Target("score", "regression", {"loss": "mse"})),
        ("score:regression(loss=mse)", Target("score", "regression", {"loss": "mse"})),
        ("findings:multilabel", Target("findings", "multilabel")),
        ("f:multilabel(columns=a|b)", Target("f", "multilabel", {"columns": "a|b"})),
        (
            "os:survival(time=os_months,event=dead)",
            Target("os", "survival", {"time": "os_months", "event": "dead"}),
        ),
        (
            "os:survival(time=time (d), censored=censorship, at=12|36|60, hazards, bins=8)",
            Target(
                "os",
                "survival",
                {
                    "time": "time (d)",
                    "censored": "censorship",
                    "at": "12|36|60",
                    "loss": "hazards",
                    "bins": "8",
                },
            ),
        ),
    ],
)
def test_a_target_is_a_column_and_perhaps_a_kind_with_options(text: str, target: Target) -> None:
    assert parse_target(text) == (target,)


def test_several_targets_are_separated_outside_of_parentheses() -> None:
    targets = parse_target("grade:ordinal(1<2<3), er:binary,os:survival(time=t,event=e)")
    assert [t.column for t in targets] == ["grade", "er", "os"]
    assert target_columns(targets) == ("grade", "er", "t", "e")
    assert target_groups(targets) == (("grade",), ("er",), ("t", "e"))


def test_columns_of_yes_and_no_are_labels_of_their_own() -> None:
    targets = parse_target("f:multilabel(columns=a|b),a")
    assert target_columns(targets) == ("a", "b")
    assert target_groups(targets) == (("a",), ("b",), ("a",))
    assert targets[0].several("columns") == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected COLUMN"),
        (":binary", "expected COLUMN"),
        ("er,", "expected COLUMN"),
        ("er,er", "'er' stands twice"),
        ("time:survivl", r"kind of target is 'survivl', expected binary, .*did you mean 'survival'"),
        ("os:survival(time=t,evnt=e)", r"'evnt=e' in target .*expected time=TIME, .*did you mean 'event'"),
        (
            "os:survival(time=t,event=e,loss=coxx)",
            r"loss is 'coxx' .*expected cox or hazards; did you mean 'cox'",
        ),
        ("age:regression(mes)", r"'mes' .*expected loss=huber\|mse; did you mean 'mse'"),
        ("er:binary(pos)", r"'pos' .*expected LOW<HIGH"),
        ("er:multiclass(a<b)", r"'a<b' .*expected no options"),
        ("os:survival(time=a,time=b)", "gives time twice"),
        ("os:survival(time=", "unequal parentheses"),
        ("os:survival)time(", "unequal parentheses"),
    ],
)
def test_what_is_not_understood_is_told(text: str, message: str) -> None:
    with pytest.raises(HeadError, match=message):
        parse_target(text)


def test_every_kind_can_be_written() -> None:
    assert set(OPTIONS) == {*KINDS, "multilabel"}
