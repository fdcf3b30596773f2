"""What a column means."""

from __future__ import annotations

from typing import Any

import pytest

from histopress.core.errors import HeadError
from histopress.heads.objectives import Binary, Multiclass, Regression
from histopress.heads.targets import Target, infer_kind, make_objective, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("label", Target("label")),
        ("grade:multiclass", Target("grade", "multiclass")),
        ("a:b:regression", Target("a:b", "regression")),
    ],
)
def test_a_target_is_a_column_and_perhaps_a_kind(text: str, target: Target) -> None:
    assert parse_target(text) == target


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(HeadError, match=r"'survival', expected binary, multiclass, regression"):
        parse_target("time:survival")


@pytest.mark.parametrize("text", ["", ":binary"])
def test_a_target_needs_a_column(text: str) -> None:
    with pytest.raises(HeadError, match="COLUMN"):
        parse_target(text)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["yes", "no", "no"], "binary"),
        ([0, 1, 1, 0], "binary"),
        ([0.5, 1.5, 1.5], "binary"),
        (["a", "b", "c"] * 3, "multiclass"),
        ([0.5, 1.25, 3.0, 4.5], "regression"),
        (list(range(11)), "regression"),
    ],
)
def test_plain_cases_need_no_kind(labels: list[Any], kind: str) -> None:
    assert infer_kind("x", labels) == kind


@pytest.mark.parametrize(
    "labels",
    [["a"] * 5, [1, 2, 3] * 4, [3.0, 3.0], [f"name {i}" for i in range(9)], []],
)
def test_doubtful_cases_ask_for_a_kind(labels: list[Any]) -> None:
    with pytest.raises(HeadError, match=r"write grade:KIND with KIND one of binary, multiclass, regression"):
        infer_kind("grade", labels)


def test_classes_are_sorted_numbers_by_size() -> None:
    assert make_objective(Target("x", "multiclass"), [10, 9, 2, 10]) == Multiclass("x", ("2", "9", "10"))
    assert make_objective(Target("x"), ["b", "a"]) == Binary("x", ("a", "b"))


def test_nothing_but_the_names_of_the_classes_is_learned_from_the_whole_cohort() -> None:
    assert make_objective(Target("x"), [1, 0, 0, 0]) == make_objective(Target("x"), [0, 1, 1, 1])
    assert make_objective(Target("x"), [0.5, 2.5, 9.5], "mse") == Regression("x", 0.0, 1.0, "mse")


@pytest.mark.parametrize(("kind", "labels"), [("binary", [1, 2, 3]), ("multiclass", ["a", "b"])])
def test_a_kind_that_does_not_fit_is_refused(kind: str, labels: list[Any]) -> None:
    with pytest.raises(HeadError, match=rf"to be {kind} but has {len(set(labels))} classes"):
        make_objective(Target("x", kind), labels)


def test_words_are_no_regression() -> None:
    with pytest.raises(HeadError, match="old, expected finite numbers"):
        make_objective(Target("age", "regression"), ["old", "old"])
