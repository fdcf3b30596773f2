"""Convolutions over the grid, through masks: for grids of any size and shape, and for small cohorts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from histopress.heads.head import Head, HeadOutput, Places
from histopress.heads.pooling import GatedAttention, max_over_cells, mean_over_cells, weighted_sum


class Block(nn.Module):
    """Looks at the 3 x 3 cells around each tissue cell, channel by channel, then mixes channels; residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.neighbours = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.mix = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, cells: Tensor, places: Places) -> Tensor:
        """(cells, width) -> (cells, width); cells without tissue count as 0."""
        mixed: Tensor = self.mix(places.take(self.neighbours(places.lay(cells))))
        return cells + mixed


class GridCNN(Head):
    """Codes are narrowed, seen with their neighbours, and pooled in three ways, then linear.

    The mean code tells what the slide is like as a whole; gated attention weighs the convolved cells; the
    largest value of every channel lets a single cell decide, which attention that starts out even among
    thousands never learns. Only the branches of the blocks are normalised, each cell by itself: so a cell
    that stands out keeps doing so, and neither the other slides of a batch nor padding change an answer.
    """

    def __init__(
        self,
        dim: int,
        outputs: int,
        *,
        width: int = 32,
        blocks: int = 2,
        hidden: int = 16,
        dropout: float = 0.2,
    ) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            width: channels inside.
            blocks: each lets a cell see one cell further.
            hidden: units of the attention.
            dropout: before the last layer, 0 to 1.
        """
        super().__init__(dim)
        self.narrow = nn.Linear(dim, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.attention = GatedAttention(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(dim + 2 * width, outputs)

    def answer(self, cells: Tensor, places: Places) -> HeadOutput:
        """See `Head.answer`."""
        seen = self.narrow(cells)
        for block in self.blocks:
            seen = block(seen, places)
        weights = self.attention(seen, places)
        pooled = (
            mean_over_cells(cells, places),
            weighted_sum(seen, weights, places),
            max_over_cells(seen, places),
        )
        logits = self.linear(self.dropout(torch.cat(pooled, dim=1)))
        return HeadOutput(logits, places.lay(weights)[:, 0])
