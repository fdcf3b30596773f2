"""Pooling over tissue cells, and the honest baseline: the mean code of a slide and a linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from histopress.heads.head import Head, HeadOutput


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the cells of a mask; 0 where it is empty.

    Args:
        values: (batch, channels, rows, cols), 0 outside of the mask.
        mask: (batch, rows, cols) bool.

    Returns:
        (batch, channels).
    """
    cells = mask.sum(dim=(1, 2)).clamp(min=1)
    return values.sum(dim=(2, 3)) / cells[:, None]


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the cells of a mask; 0 outside of it, and everywhere where it is empty.

    Args:
        scores: (batch, rows, cols).
        mask: (batch, rows, cols) bool.
    """
    lowest = torch.finfo(scores.dtype).min
    weights = scores.masked_fill(~mask, lowest).flatten(1).softmax(dim=1).view(scores.shape)
    return weights * mask


class MeanHead(Head):
    """Mean over tissue cells, then linear."""

    def __init__(self, dim: int, outputs: int, dropout: float = 0.0) -> None:
        super().__init__(dim)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(dim, outputs)

    def answer(self, codes: Tensor, mask: Tensor) -> HeadOutput:
        """See `Head.answer`."""
        return HeadOutput(self.linear(self.dropout(masked_mean(codes, mask))))
