"""Pooling against sums written out."""

from __future__ import annotations

import pytest
import torch

from histopress.core.errors import HeadError
from histopress.heads.head import Places
from histopress.heads.pooling import (
    ChannelMaxHead,
    GatedAttention,
    LogSumExpHead,
    MaxHead,
    MeanHead,
    ScoreHead,
    TopKHead,
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


def scores_of(head: ScoreHead) -> torch.Tensor:
    return CELLS @ head.linear.weight.T + head.linear.bias


def test_the_highest_score_decides_for_each_output() -> None:
    head = MaxHead(2, 3, hidden=0).eval()
    expected = torch.stack([scores_of(head)[:3].amax(dim=0), head.linear.bias, scores_of(head)[3]])
    torch.testing.assert_close(head.answer(CELLS, PLACES).logits, expected)


@pytest.mark.parametrize(("k", "count"), [(1.0, 1), (2.0, 2), (50.0, 3), (0.01, 1), (0.5, 2), (0.99, 3)])
def test_the_k_highest_scores_decide(k: float, count: int) -> None:
    head = TopKHead(2, 1, k=k, hidden=0).eval()
    highest = scores_of(head)[:3, 0].sort(descending=True)
    answer = head.answer(CELLS, PLACES)
    torch.testing.assert_close(answer.logits[0, 0], highest.values[:count].mean())
    assert answer.attention is not None
    shares = answer.attention[MASK][:3]
    torch.testing.assert_close(shares[highest.indices[:count]], torch.full((count,), 1 / count))


@pytest.mark.parametrize("k", [0.0, -1.0, 2.5])
def test_what_is_no_share_and_no_number_is_refused(k: float) -> None:
    with pytest.raises(HeadError, match="expected a share below 1 or a whole number"):
        TopKHead(2, 1, k=k)


def test_log_sum_exp_goes_from_the_mean_to_the_maximum() -> None:
    flat, sharp = LogSumExpHead(2, 1, sharpness=1e-3), LogSumExpHead(2, 1, sharpness=1e3)
    scores = torch.tensor([[0.2], [-0.5], [0.9]])
    torch.testing.assert_close(flat.pool(scores).logits, scores.mean(dim=0), rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(sharp.pool(scores).logits, scores.amax(dim=0), rtol=1e-2, atol=2e-3)
    one = LogSumExpHead(2, 1).pool(scores).logits
    torch.testing.assert_close(one, scores.exp().mean(dim=0).log())


def test_sharpness_is_learned_or_set() -> None:
    assert LogSumExpHead(2, 1).log_sharpness.requires_grad
    assert not LogSumExpHead(2, 1, learned=False).log_sharpness.requires_grad
    with pytest.raises(HeadError, match="sharpness is 0"):
        LogSumExpHead(2, 1, sharpness=0)


@pytest.mark.parametrize("kind", [MeanHead, MaxHead, TopKHead, LogSumExpHead])
def test_a_slide_without_cells_is_as_one_average_cell(kind: type[MeanHead]) -> None:
    head = kind(2, 3, hidden=4).eval()
    average = head.answer(torch.zeros(1, 2), Places.of(torch.ones(1, 1, 1, dtype=torch.bool)))
    torch.testing.assert_close(head.answer(CELLS, PLACES).logits[1], average.logits[0])


def test_a_hidden_layer_comes_before_pooling() -> None:
    head = MeanHead(2, 1, hidden=4).eval()
    expected = head.linear(mean_over_cells(head.embed(CELLS), PLACES))[[0, 2]]
    torch.testing.assert_close(head.answer(CELLS, PLACES).logits[[0, 2]], expected)


def test_dropout_leaves_out_the_same_channels_of_all_cells() -> None:
    torch.manual_seed(0)
    head = MaxHead(2, 1, hidden=0, dropout=0.5).train()
    scores = [2 * CELLS[:3, i] * head.linear.weight[0, i] for i in range(2)]
    possible = [torch.zeros(3), *scores, scores[0] + scores[1]]
    highest = torch.stack([(own + head.linear.bias).max() for own in possible])
    for _ in range(20):
        drawn = head.answer(CELLS, PLACES).logits[0]
        assert ((highest - drawn).abs() < 1e-5).any()


def test_the_largest_value_of_each_channel_decides() -> None:
    head = ChannelMaxHead(2, 1, hidden=3).eval()
    cells = torch.randn(int(MASK.sum()), 2)
    answer = head.answer(cells, PLACES)
    channels = torch.stack([own.amax(dim=0) for own in PLACES.split(head.embed(cells)) if len(own)])
    filled = torch.tensor(PLACES.counts) > 0
    torch.testing.assert_close(answer.logits[filled], head.linear(channels))
    assert answer.attention is not None
    torch.testing.assert_close(answer.attention.sum(dim=(1, 2)), filled.float())
    assert set((answer.attention.flatten() * 3).round().int().tolist()) <= {0, 1, 2, 3}
