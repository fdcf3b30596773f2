"""What columns mean."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from histopress.core.errors import HeadError
from histopress.heads.objectives import Binary, Cox, Joint, Multiclass, Ordinal, Regression
from histopress.heads.targets import Target, infer_kind, make_objective, parse_target


def table(**columns: list[Any]) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=[f"p{i}" for i in range(count)])


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["yes", "no", "no"], "binary"),
        (["yes", "no", "", None], "binary"),
        ([0, 1, 1, 0], "binary"),
        ([0.0, 1.0, float("nan")], "binary"),
        ([0.5, 1.5, 1.5], "binary"),
        (["a", "b", "c"] * 3, "multiclass"),
        (["0", "1+", "2+", "3+"] * 3, "multiclass"),
        ([0.5, 1.25, 3.0, 4.5], "regression"),
        (list(range(11)), "regression"),
        (["a;b", "b", "a", "a|b"], "multilabel"),
        ([f"{i}.5{'+' * (i % 2)}" for i in range(12)], "survival"),
    ],
)
def test_plain_cases_need_no_kind(labels: list[Any], kind: str) -> None:
    assert infer_kind("x", pd.Series(labels)) == kind


@pytest.mark.parametrize(
    "labels",
    [["a"] * 5, [1, 2, 3] * 4, [3.0, 3.0], [f"name {i}" for i in range(9)], [], [None, ""]],
)
def test_doubtful_cases_ask_for_a_kind(labels: list[Any]) -> None:
    with pytest.raises(
        HeadError, match=r"write grade:KIND with KIND one of binary, multiclass, ordinal, reg"
    ):
        infer_kind("grade", pd.Series(labels, dtype=object))


def test_classes_are_sorted_numbers_by_size() -> None:
    numbers = table(x=[10, 9, 2, 10])
    assert make_objective(Target("x", "multiclass"), numbers) == Multiclass("x", ("2", "9", "10"))
    assert make_objective(Target("x"), table(x=["b", "a", None])) == Binary("x", ("a", "b"))


def test_the_positive_class_can_be_stated() -> None:
    labels = table(er=["pos", "wild", "pos"])
    assert make_objective(parse_target("er:binary(pos<wild)"), labels) == Binary("er", ("pos", "wild"))
    assert make_objective(parse_target("er:binary(wild<pos)"), labels) == Binary("er", ("wild", "pos"))


@pytest.mark.parametrize(
    ("grades", "order"),
    [
        ([3, 1, 2], ("1", "2", "3")),
        ([0.0, -1.0, 2.0], ("-1", "0", "2")),
        (["G10", "G2", "G1"], ("G1", "G2", "G10")),
        (["grade III", "grade I", "grade IV"], ("grade I", "grade III", "grade IV")),
        (["2+", "0", "3+", "1+"], ("0", "1+", "2+", "3+")),
    ],
)
def test_grades_whose_names_tell_their_order(grades: list[Any], order: tuple[str, ...]) -> None:
    assert make_objective(Target("g", "ordinal"), table(g=grades)) == Ordinal("g", order)


@pytest.mark.parametrize("grades", [["low", "mid", "high"], ["G1", "T2", "G3"], ["I", "IIII", "II"]])
def test_other_grades_need_their_order_stated(grades: list[str]) -> None:
    with pytest.raises(HeadError, match=r"whose order their names do not tell; state it, .*g:ordinal\("):
        make_objective(Target("g", "ordinal"), table(g=grades))


def test_a_stated_order_holds() -> None:
    labels = table(g=["low", "high", "mid", "low"])
    objective = make_objective(parse_target("g:ordinal(low<mid<high,cumulative)"), labels)
    assert objective == Ordinal("g", ("low", "mid", "high"), loss="cumulative")
    with pytest.raises(
        HeadError, match=r"the order is lo<mid<high, expected every class once .*did you mean 'lo'"
    ):
        make_objective(parse_target("g:ordinal(lo<mid<high)"), labels)


def test_nothing_but_the_names_of_the_classes_is_learned_from_the_whole_cohort() -> None:
    one, other = table(x=[1, 0, 0, 0]), table(x=[0, 1, 1, 1])
    assert make_objective(Target("x"), one) == make_objective(Target("x"), other)
    numbers = table(x=[0.5, 2.5, 9.5])
    assert make_objective(Target("x"), numbers, "mse") == Regression("x", 0.0, 1.0, "mse")
    assert make_objective(parse_target("x:regression(huber)"), numbers, "mse") == Regression("x")


@pytest.mark.parametrize(
    ("kind", "labels"), [("binary", [1, 2, 3]), ("multiclass", ["a", "b"]), ("ordinal", [1, 2])]
)
def test_a_kind_that_does_not_fit_is_refused(kind: str, labels: list[Any]) -> None:
    with pytest.raises(HeadError, match=rf"to be {kind} but has {len(set(labels))} classes"):
        make_objective(Target("x", kind), table(x=labels))


def test_words_are_no_regression() -> None:
    with pytest.raises(HeadError, match=r"holds old \(patient p0, p1\), expected finite numbers"):
        make_objective(Target("age", "regression"), table(age=["old", "old"]))


def test_an_unknown_kind_or_column_is_refused() -> None:
    with pytest.raises(HeadError, match="kind of target is 'oracle'"):
        make_objective(Target("x", "oracle"), table(x=[1, 2]))
    with pytest.raises(HeadError, match="no column 'y'"):
        make_objective(Target("y"), table(x=[1, 2]))


def test_several_targets_are_one_objective() -> None:
    labels = table(grade=[1, 2, 3], er=["a", "b", None], t=[1.0, 2, 3], e=[1, 0, 1], f=["u;v", "u", "v"])
    text = "grade:ordinal,er,os:survival(time=t,event=e,at=2),f:multilabel(labels=u|v)"
    objective = make_objective(parse_target(text), labels)
    assert isinstance(objective, Joint)
    assert objective.target == "grade,er,os,f"
    assert [part.target for part in objective.parts] == ["grade", "er", "os", "f=u", "f=v"]
    assert isinstance(objective.parts[2], Cox)
    assert objective.values == (
        "p:1", "p:2", "p:3", "p:a", "p:b", "score", "s:2", "p:no", "p:yes", "p:no", "p:yes",
    )  # fmt: skip


def test_one_target_is_not_joint() -> None:
    assert isinstance(make_objective(parse_target("er"), table(er=["a", "b"])), Binary)
