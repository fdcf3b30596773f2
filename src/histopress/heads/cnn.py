"""Convolutions over the grid, through masks: for grids of any size and shape, and for small cohorts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from histopress.heads.head import Head, HeadOutput, Places
from histopress.heads.pooling import GatedAttention, mean_over_cells, weighted_sum


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
    """Codes are narrowed, seen with their neighbours, and pooled in two ways, then linear.

    The mean code of the slide tells what it is like as a whole, and gated attention over the convolved cells
    lets a few of them decide. Nothing is normalised over a batch or over cells, so neither the other slides
    of a batch nor padding change an answer.
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
        self.narrow = nn.Sequential(nn.Linear(dim, width), nn.LayerNorm(width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.attention = GatedAttention(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(dim + width, outputs)

    def answer(self, cells: Tensor, places: Places) -> HeadOutput:
        """See `Head.answer`."""
        seen = self.narrow(cells)
        for block in self.blocks:
            seen = block(seen, places)
        seen = self.norm(seen)
        attention = self.attention(seen, places)
        pooled = torch.cat([mean_over_cells(cells, places), weighted_sum(seen, attention, places)], dim=1)
        return HeadOutput(self.linear(self.dropout(pooled)), attention)
