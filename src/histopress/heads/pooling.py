"""Pooling over tissue cells, and the honest baseline: the mean code of a slide and a linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from histopress.heads.head import Head, HeadOutput, Places


def mean_over_cells(cells: Tensor, places: Places) -> Tensor:
    """(cells, channels) -> (batch, channels) mean over the cells of each slide; 0 for a slide without any."""
    counts = places.lay(cells.new_ones(len(cells), 1)).sum(dim=(1, 2, 3)).clamp(min=1)
    return places.lay(cells).sum(dim=(2, 3)) / counts[:, None]


def softmax_over_cells(scores: Tensor, places: Places) -> Tensor:
    """(cells, 1) -> (batch, rows, cols) weights that sum to 1 over the cells of each slide, 0 elsewhere."""
    inside = places.lay(torch.ones_like(scores)).flatten(1) > 0
    laid = places.lay(scores).flatten(1).masked_fill(~inside, torch.finfo(scores.dtype).min)
    weights = laid.softmax(dim=1) * inside
    return weights.view(places.shape)


def weighted_sum(cells: Tensor, weights: Tensor, places: Places) -> Tensor:
    """(cells, channels) -> (batch, channels) sum by weights (batch, rows, cols)."""
    return (places.lay(cells) * weights[:, None]).sum(dim=(2, 3))


class GatedAttention(nn.Module):
    """Which cells matter, by a tanh and a sigmoid layer (Ilse et al., ICML 2018, arXiv 1802.04712)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.value = nn.Linear(channels, hidden)
        self.gate = nn.Linear(channels, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, cells: Tensor, places: Places) -> Tensor:
        """(cells, channels) -> (batch, rows, cols), see `softmax_over_cells`."""
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
