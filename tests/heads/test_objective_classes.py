"""Classes: positions, weights, probabilities; yes or no in lists and flags."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from histopress.core.errors import HeadError
from histopress.heads.objective_classes import Binary, Multiclass


def table(**columns: list[Any]) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=[f"p{i}" for i in range(count)])


BINARY = Binary("grade", ("high", "low")).learned(table(grade=["low"] * 6 + ["high"] * 2))
MULTICLASS = Multiclass("kind", ("a", "b", "c")).learned(table(kind=["a", "b", "b", "c", "c", "c"]))


def test_the_last_class_is_the_positive_one() -> None:
    assert BINARY.targets(table(grade=["low", "high"]))[:, 0].tolist() == [1.0, 0.0]
    scores = BINARY.scores(torch.tensor([[2.0], [-1.0]]))
    np.testing.assert_allclose(scores[:, 1], [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1))])
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    np.testing.assert_array_equal(BINARY.single(scores), scores[:, 1])
    assert BINARY.values == ("p:high", "p:low")


def test_numbers_name_classes_without_a_decimal_point() -> None:
    objective = Binary("x", ("0", "1"))
    labels = table(x=[0, 1, 1.0, np.int64(0), np.float64(1), "1"])
    assert objective.targets(labels)[:, 0].tolist() == [0, 1, 1, 0, 1, 1]
    assert objective.truth(labels) == ["0", "1", "1", "0", "1", "1"]


def test_missing_labels_stay_missing() -> None:
    labels = table(grade=["low", None, "", np.nan, "NA", pd.NA])
    assert BINARY.targets(labels).isnan()[:, 0].tolist() == [False] + [True] * 5
    assert BINARY.truth(labels) == ["low", "", "", "", "", ""]
    assert BINARY.labelled(labels).tolist() == [True] + [False] * 5


def test_binary_loss_is_the_weighted_cross_entropy() -> None:
    losses = BINARY.losses(torch.tensor([[0.3], [0.3]]), torch.tensor([[1.0], [0.0]]))
    p = 1 / (1 + math.exp(-0.3))
    assert losses.tolist() == pytest.approx([-math.log(p) * 8 / 12, -math.log(1 - p) * 8 / 4])


def test_multiclass_loss_is_the_weighted_cross_entropy() -> None:
    logits = torch.tensor([[0.1, 0.5, -1.0]])
    losses = MULTICLASS.losses(logits, MULTICLASS.targets(table(kind=["b"])))
    p = MULTICLASS.scores(logits)
    assert p.sum() == pytest.approx(1)
    assert float(losses) == pytest.approx(-math.log(p[0, 1]) * 6 / (3 * 2))
    assert np.isnan(MULTICLASS.single(p)).all()


def test_a_list_says_yes_of_the_labels_it_holds() -> None:
    objective = Binary("f=b", ("no", "yes"), reads="list", column="f", label="b")
    labels = table(f=["a;b", "b", "a | c", "-", "", None])
    assert objective.truth(labels) == ["yes", "yes", "no", "no", "", ""]
    assert objective.sources == ("f",)
    learned = objective.learned(labels)
    assert learned.weights == pytest.approx((1.0, 1.0))


def test_a_flag_says_yes_or_no() -> None:
    objective = Binary("f=b", ("no", "yes"), reads="flag", column="b")
    assert objective.truth(table(b=[1, 0.0, "true", "No", None])) == ["yes", "no", "yes", "no", ""]
    with pytest.raises(HeadError, match=r"b of f=b is to be multilabel but holds perhaps \(patient p1\)"):
        objective.truth(table(b=["1", "perhaps"]))


def test_a_class_that_vanished_is_named() -> None:
    with pytest.raises(HeadError, match=r"'c' of kind .*expected some of each of a, b, c"):
        MULTICLASS.learned(table(kind=["a", "b", "a"]))


def test_an_unknown_class_is_named_with_its_patients() -> None:
    with pytest.raises(
        HeadError, match=r"grade is 'lowe' \(patient p1\), expected high, low; did you mean 'low'"
    ):
        BINARY.targets(table(grade=["high", "lowe"]))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(HeadError, match=r"no column 'grade', expected one of grades; did you mean 'grades'"):
        BINARY.targets(table(grades=["high"]))
