"""Large kernels over the grid, through masks: for grids of any size and shape, and for small cohorts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from histopress.core.errors import HeadError
from histopress.heads.head import Head, HeadOutput, Places
from histopress.heads.pooling import GatedAttention, max_over_cells, mean_over_cells, weighted_sum


class Block(nn.Module):
    """Looks at the cells around each tissue cell, channel by channel, then mixes channels; residual.

    Depthwise kernels run over the laid-out grid, which took a third to a half of the time of gathering
    neighbours where half of the cells are tissue. Every cell is normalised by itself, so that neither padding
    nor other slides have a say.
    """

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.neighbours = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
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
    Two blocks of 7 x 7 see 6 cells far, less than the gap between slides laid side by side.
    """

    def __init__(
        self,
        dim: int,
        outputs: int,
        *,
        width: int = 32,
        blocks: int = 2,
        kernel: int = 7,
        hidden: int = 16,
        dropout: float = 0.2,
        topk: int = 1,
    ) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            width: channels inside.
            blocks: each lets a cell see `kernel // 2` cells further.
            kernel: rows and cols that a block looks at, odd.
            hidden: units of the attention.
            dropout: before the last layer, 0 to 1.
            topk: how many of the largest values of a channel are averaged; 1 lets a single cell decide.

        Raises:
            HeadError: a kernel without a middle, or no values to average.
        """
        super().__init__(dim)
        if kernel < 1 or kernel % 2 == 0:
            raise HeadError(f"kernel is {kernel}, expected an odd number such as 3, 5 or 7")
        if topk < 1:
            raise HeadError(f"topk is {topk}, expected 1 or more")
        self.topk = topk
        self.narrow = nn.Linear(dim, width)
        self.blocks = nn.ModuleList(Block(width, kernel) for _ in range(blocks))
        self.attention = GatedAttention(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(dim + 2 * width, outputs)

    def seen(self, cells: Tensor, places: Places) -> Tensor:
        """(cells, dim) standardised codes -> (cells, width), each with what is around it."""
        seen: Tensor = self.narrow(cells)
        for block in self.blocks:
            seen = block(seen, places)
        return seen

    def answer(self, cells: Tensor, places: Places) -> HeadOutput:
        """See `Head.answer`."""
        seen = self.seen(cells, places)
        weights = self.attention(seen, places)
        pooled = (
            mean_over_cells(cells, places),
            weighted_sum(seen, weights, places),
            top_over_cells(seen, places, self.topk),
        )
        logits = self.linear(self.dropout(torch.cat(pooled, dim=1)))
        return HeadOutput(logits, places.lay(weights)[:, 0])


def top_over_cells(cells: Tensor, places: Places, count: int) -> Tensor:
    """(cells, channels) -> (batch, channels) mean of each slide's so many largest values; 0 without cells."""
    if count == 1:
        return max_over_cells(cells, places)
    none = cells.new_zeros(cells.shape[1])
    tops = (own.topk(min(count, len(own)), dim=0).values for own in places.split(cells))
    return torch.stack([top.mean(dim=0) if len(top) else none for top in tops])
