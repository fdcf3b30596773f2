"""Labels to targets, logits to losses and back to the label's scale."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from histopress.core.errors import HeadError
from histopress.heads.objectives import KINDS, Binary, Multiclass, Objective, Regression, describe, restore

BINARY = Binary("grade", ("high", "low")).learned(["low"] * 6 + ["high"] * 2)
MULTICLASS = Multiclass("kind", ("a", "b", "c")).learned(["a", "b", "b", "c", "c", "c"])
REGRESSION = Regression("age").learned([10.0, 20.0, 60.0])


def test_the_last_class_is_the_positive_one() -> None:
    assert BINARY.targets(["low", "high"]).tolist() == [1.0, 0.0]
    scores = BINARY.scores(torch.tensor([[2.0], [-1.0]]))
    np.testing.assert_allclose(scores[:, 1], [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1))])
    np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_numbers_name_classes_without_a_decimal_point() -> None:
    objective = Binary("x", ("0", "1"))
    assert objective.targets([0, 1, 1.0, np.int64(0), np.float64(1), "1"]).tolist() == [0, 1, 1, 0, 1, 1]
    assert objective.truth(np.float64(1)) == objective.truth(1) == objective.truth("1") == "1"


@pytest.mark.parametrize("objective", [BINARY, MULTICLASS])
def test_all_classes_weigh_alike_and_one_on_average(objective: Binary | Multiclass) -> None:
    labels = ["low"] * 6 + ["high"] * 2 if objective is BINARY else ["a", "b", "b", "c", "c", "c"]
    targets = objective.targets(labels)
    weights = objective.balance(targets)
    assert float(weights.mean()) == pytest.approx(1)
    sums = [float(weights[targets == c].sum()) for c in targets.unique()]
    assert sums == pytest.approx([sums[0]] * len(sums))
    assert torch.equal(objective.unbalanced().balance(targets), torch.ones(len(targets)))


def test_binary_loss_is_the_weighted_cross_entropy() -> None:
    losses = BINARY.losses(torch.tensor([[0.3], [0.3]]), torch.tensor([1.0, 0.0]))
    p = 1 / (1 + math.exp(-0.3))
    assert losses.tolist() == pytest.approx([-math.log(p) * 8 / 12, -math.log(1 - p) * 8 / 4])


def test_multiclass_loss_is_the_weighted_cross_entropy() -> None:
    logits = torch.tensor([[0.1, 0.5, -1.0]])
    losses = MULTICLASS.losses(logits, MULTICLASS.targets(["b"]))
    p = MULTICLASS.scores(logits)[0]
    assert p.sum() == pytest.approx(1)
    assert float(losses) == pytest.approx(-math.log(p[1]) * 6 / (3 * 2))


def test_regression_answers_on_the_scale_of_the_label() -> None:
    targets = REGRESSION.targets([10.0, 20.0, 60.0])
    assert float(targets.mean()) == pytest.approx(0, abs=1e-6)
    assert float(targets.std(correction=0)) == pytest.approx(1)
    np.testing.assert_allclose(REGRESSION.scores(targets[:, None]), [[10], [20], [60]], rtol=1e-5)


def test_huber_minds_outliers_less_than_mse() -> None:
    logits, targets = torch.tensor([[0.5], [10.0]]), torch.zeros(2)
    huber, mse = (Regression("x", loss=kind).losses(logits, targets) for kind in ("huber", "mse"))
    assert huber[0] == pytest.approx(0.25)
    assert mse[0] == pytest.approx(0.5)
    assert huber[1] < mse[1] / 5


@pytest.mark.parametrize("objective", [BINARY, MULTICLASS, REGRESSION])
def test_losses_come_one_an_element_and_have_gradients(objective: Objective) -> None:
    logits = torch.randn(5, objective.outputs, requires_grad=True)
    labels = [(objective.columns or (1.0, 3.0))[i % 2] for i in range(5)]
    losses = objective.losses(logits, objective.targets(labels))
    assert losses.shape == (5,)
    losses.sum().backward()
    assert logits.grad is not None
    assert (logits.grad != 0).any(dim=1).all()
    assert objective.scores(logits).shape == (5, len(objective.columns) or 1)


@pytest.mark.parametrize("objective", [BINARY, MULTICLASS, REGRESSION])
def test_an_objective_comes_back_from_its_description(objective: Objective) -> None:
    assert restore(json.loads(json.dumps(describe(objective)))) == objective


def test_every_kind_knows_its_name() -> None:
    assert {name: kind.kind for name, kind in KINDS.items()} == {name: name for name in KINDS}


def test_a_class_that_vanished_is_named() -> None:
    with pytest.raises(HeadError, match=r"'c' of kind .*expected some of each of a, b, c"):
        MULTICLASS.learned(["a", "b", "a"])


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(HeadError, match=r"grade is 'middle', expected high, low"):
        BINARY.targets(["high", "middle"])


@pytest.mark.parametrize("labels", [[4.0, 4.0], []])
def test_numbers_that_do_not_vary_cannot_be_learned(labels: list[float]) -> None:
    with pytest.raises(HeadError, match="does not vary"):
        Regression("age").learned(labels)
