"""Pooling over tissue cells, and the honest baseline: the mean code of a slide and a linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from histopress.heads.head import Head, HeadOutput, Places


def mean_over_cells(cells: Tensor, places: Places) -> Tensor:
    """(cells, channels) -> (batch, channels) mean over the cells of each slide; 0 for a slide without any."""
    return torch.stack([own.sum(dim=0) / max(1, len(own)) for own in places.split(cells)])


def max_over_cells(cells: Tensor, places: Places) -> Tensor:
    """(cells, channels) -> (batch, channels) largest value of each slide; 0 for a slide without cells."""
    none = cells.new_zeros(cells.shape[1])
    return torch.stack([own.amax(dim=0) if len(own) else none for own in places.split(cells)])


def softmax_over_cells(scores: Tensor, places: Places) -> Tensor:
    """(cells, 1) -> (cells, 1) weights that sum to 1 over the cells of each slide."""
    return torch.cat([own.softmax(dim=0) for own in places.split(scores)])


def weighted_sum(cells: Tensor, weights: Tensor, places: Places) -> Tensor:
    """(cells, channels) and (cells, 1) -> (batch, channels) sum over each slide by weight."""
    return torch.stack([own.sum(dim=0) for own in places.split(cells * weights)])


class GatedAttention(nn.Module):
    """Which cells matter, by a tanh and a sigmoid layer (Ilse et al., ICML 2018, arXiv 1802.04712)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.value = nn.Linear(channels, hidden)
        self.gate = nn.Linear(channels, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, cells: Tensor, places: Places) -> Tensor:
        """(cells, channels) -> (cells, 1), see `softmax_over_cells`."""
        return softmax_over_cells(self.score(self.value(cells).tanh() * self.gate(cells).sigmoid()), places)


class MeanHead(Head):
    """Mean over tissue cells, then linear."""

    def __init__(self, dim: int, outputs: int, dropout: float = 0.0) -> None:
        super().__init__(dim)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(dim, outputs)

    def answer(self, cells: Tensor, places: Places) -> HeadOutput:
        """See `Head.answer`."""
        return HeadOutput(self.linear(self.dropout(mean_over_cells(cells, places))))
