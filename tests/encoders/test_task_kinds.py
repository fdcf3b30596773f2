from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from histopress.encoders.task_kinds import KINDS, auroc, spearman

DRAWN = np.random.default_rng(3)


def test_auroc_is_that_of_scikit_learn_with_ties() -> None:
    answers, labels = DRAWN.integers(0, 5, 200), DRAWN.integers(0, 2, 200)
    found = auroc(torch.tensor(answers), torch.tensor(labels))
    assert found == pytest.approx(roc_auc_score(labels, answers))


def test_auroc_of_one_class_does_not_exist() -> None:
    assert math.isnan(auroc(torch.rand(4), torch.ones(4)))


def test_spearman_is_that_of_scipy_with_ties() -> None:
    first, second = DRAWN.integers(0, 9, 100), DRAWN.normal(size=100)
    found = spearman(torch.tensor(first), torch.tensor(second))
    assert found == pytest.approx(spearmanr(first, second).statistic)


def test_class_score_is_the_macro_auroc() -> None:
    answers, labels = DRAWN.normal(size=(90, 3)), DRAWN.integers(0, 3, 90)
    shares = np.exp(answers) / np.exp(answers).sum(1, keepdims=True)
    found = KINDS["multiclass"].score(torch.tensor(answers), torch.tensor(labels))
    assert found == pytest.approx(roc_auc_score(labels, shares, multi_class="ovr"))


def test_missing_labels_cost_nothing() -> None:
    answers = torch.tensor([[2.0, -1.0]])
    known, half = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, math.nan]])
    first = torch.nn.functional.binary_cross_entropy_with_logits(answers[:, :1], known[:, :1])
    assert KINDS["multilabel"].loss(answers, half) == pytest.approx(float(first))
    assert KINDS["multilabel"].loss(answers, known) != pytest.approx(float(first))


def test_steps_of_an_ordinal_label() -> None:
    """Three classes: two answers, whether the label lies above the first, and above the second."""
    surely = torch.tensor([[9.0, -9.0]])
    losses = [float(KINDS["ordinal"].loss(surely, torch.tensor([float(c)]))) for c in range(3)]
    assert losses[1] < 1e-3
    assert losses[0] == pytest.approx(losses[2], rel=1e-3)
    assert KINDS["ordinal"].score(
        torch.tensor([[-1.0, -2], [1, -1], [2, 1]]), torch.arange(3)
    ) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "ordinal", "regression"])
def test_a_loss_a_tile(kind: str) -> None:
    outputs = {"binary": 1, "regression": 1, "ordinal": 2}.get(kind, 3)
    answers = torch.randn(7, outputs, requires_grad=True)
    targets = (
        torch.randint(0, 2, (7, 3)).float() if kind == "multilabel" else torch.randint(0, 2, (7,)).float()
    )
    losses = KINDS[kind].loss(answers, targets)  # type: ignore[index]
    assert losses.shape == (7,)
    losses.sum().backward()
    assert answers.grad is not None
    assert torch.isfinite(answers.grad).all()
