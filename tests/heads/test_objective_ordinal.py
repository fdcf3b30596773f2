"""Grades: probabilities that are probabilities, and losses that are their logarithms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from histopress.heads.objective_ordinal import LINKS, Link, Ordinal

GRADES = ("1", "2", "3", "4", "5")
LINK_NAMES: list[Link] = list(LINKS)


@pytest.fixture(params=LINK_NAMES)
def ordinal(request: pytest.FixtureRequest) -> Ordinal:
    return Ordinal("grade", GRADES, loss=request.param)


@pytest.mark.parametrize("scale", [0.1, 3.0, 50.0, 1e4])
def test_probabilities_are_valid_whatever_the_logits(ordinal: Ordinal, scale: float) -> None:
    logits = scale * torch.randn(300, 4, generator=torch.Generator().manual_seed(1))
    p = ordinal.scores(logits)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    rank = ordinal.single(p)
    assert (rank >= 0).all()
    assert (rank <= 4).all()


def test_logits_of_zero_know_nothing(ordinal: Ordinal) -> None:
    np.testing.assert_allclose(ordinal.scores(torch.zeros(2, 4)), 0.2, atol=1e-7)
    assert ordinal.single(ordinal.scores(torch.zeros(1, 4))) == pytest.approx([2.0])


def test_the_loss_is_the_logarithm_of_the_probability(ordinal: Ordinal) -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    targets = torch.arange(5.0)[:, None]
    p = ordinal.scores(logits)
    np.testing.assert_allclose(ordinal.losses(logits, targets), -np.log(np.diag(p)), rtol=1e-4)


def test_the_cumulative_link_subtracts_falling_sigmoids() -> None:
    ordinal = Ordinal("grade", GRADES, loss="cumulative")
    p = ordinal.scores(torch.randn(40, 4, generator=torch.Generator().manual_seed(5)))
    above = 1 - np.cumsum(p, axis=1)[:, :-1]
    odds = np.log(above / (1 - above))
    assert (np.diff(odds, axis=1) < 0).all()
    shifted = torch.zeros(1, 4)
    shifted[0, 0] = 1.7
    moved, still = (1 - np.cumsum(ordinal.scores(x), axis=1)[0, :-1] for x in (shifted, torch.zeros(1, 4)))
    np.testing.assert_allclose(np.log(moved / (1 - moved)) - np.log(still / (1 - still)), 1.7, rtol=1e-6)


def test_corn_is_the_sum_of_its_conditional_questions() -> None:
    """Question k is asked of cases that are above k - 1: is this one above k?"""
    ordinal = Ordinal("grade", GRADES, loss="corn")
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(3))
    odds = logits + torch.tensor([np.log(4), np.log(3), np.log(2), np.log(1)])
    for grade in range(5):
        asked = [k for k in range(4) if grade > k - 1]
        questions = [
            torch.nn.functional.binary_cross_entropy_with_logits(
                odds[grade, k], torch.tensor(float(grade > k))
            )
            for k in asked
        ]
        loss = ordinal.losses(logits[grade : grade + 1], torch.tensor([[float(grade)]]))
        assert float(loss) == pytest.approx(float(torch.stack(questions).sum()), rel=1e-4)


def test_weights_make_grades_count_alike(ordinal: Ordinal) -> None:
    labels = pd.DataFrame({"grade": [1] * 8 + [2] * 4 + [3, 4, 5]})
    learned = ordinal.learned(labels)
    losses = learned.losses(torch.zeros(15, 4), learned.targets(labels))
    sums = [float(losses[labels["grade"].to_numpy() == g].sum()) for g in range(1, 6)]
    assert sums == pytest.approx([sums[0]] * 5, rel=1e-4)
    assert learned.truth(labels)[-1] == "5"
