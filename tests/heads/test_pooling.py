"""Pooling against sums written out."""

from __future__ import annotations

import torch

from histopress.heads.head import Places
from histopress.heads.pooling import (
    GatedAttention,
    MeanHead,
    max_over_cells,
    mean_over_cells,
    softmax_over_cells,
    weighted_sum,
)

MASK = torch.tensor(
    [[[1, 1, 0], [0, 1, 0]], [[0, 0, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 0]]], dtype=torch.bool
)
PLACES = Places.of(MASK)
CELLS = torch.tensor([[1.0, 10.0], [2.0, 20.0], [6.0, 30.0], [5.0, -1.0]])


def test_the_mean_is_over_the_cells_of_each_slide() -> None:
    expected = torch.tensor([[3.0, 20.0], [0.0, 0.0], [5.0, -1.0]])
    torch.testing.assert_close(mean_over_cells(CELLS, PLACES), expected)


def test_the_maximum_is_over_the_cells_of_each_slide() -> None:
    expected = torch.tensor([[6.0, 30.0], [0.0, 0.0], [5.0, -1.0]])
    torch.testing.assert_close(max_over_cells(CELLS, PLACES), expected)


def test_the_softmax_is_over_the_cells_of_each_slide() -> None:
    scores = torch.tensor([[0.0], [1.0], [-900.0], [1e30]])
    weights = softmax_over_cells(scores, PLACES)[:, 0]
    torch.testing.assert_close(weights[:2], torch.tensor([0.0, 1.0]).softmax(0))
    assert weights[2:].tolist() == [0, 1]


def test_a_weighted_sum_weighs() -> None:
    weights = torch.tensor([[0.0], [0.25], [0.75], [2.0]])
    expected = torch.tensor([[5.0, 27.5], [0.0, 0.0], [10.0, -2.0]])
    torch.testing.assert_close(weighted_sum(CELLS, weights, PLACES), expected)


def test_attention_prefers_some_cells_after_all() -> None:
    torch.manual_seed(0)
    weights = GatedAttention(2, 4)(CELLS, PLACES)
    assert weights[0] != weights[1]


def test_the_mean_head_is_linear_in_the_mean_code() -> None:
    head = MeanHead(2, 1).eval()
    dense = PLACES.lay(CELLS)
    expected = mean_over_cells(CELLS, PLACES) @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(head(dense, MASK).logits, expected)
