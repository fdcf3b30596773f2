"""Bags: the cells of one grid at a time, and what all heads that take them so have in common.

Heads answer bag by bag, so nothing is padded and no bag can touch the answer for another.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from histopress.core.errors import HeadError
from histopress.heads.head import Head, HeadOutput, Places, SideLogits


@dataclass(frozen=True)
class Bag:
    """The tissue cells of one grid; for a grid without any, one cell that is average in everything.

    Attributes:
        cells: (tiles, dim) standardised codes, at least one.
        at: (tiles, 2) row and col of each in the smallest box around them all, row by row.
    """

    cells: Tensor
    at: Tensor

    @property
    def places(self) -> Places:
        """Of the cells in their box, a batch of one."""
        rows, cols = (self.at.amax(dim=0) + 1).tolist()
        return Places(self.at[:, 0] * cols + self.at[:, 1], (len(self.at),), (1, rows, cols))


def bags_of(cells: Tensor, places: Places) -> list[Bag]:
    """The bag of each element of a batch, from all cells (cells, dim)."""
    return [
        Bag(own, at - at.amin(dim=0))
        if len(own)
        else Bag(cells.new_zeros(1, cells.shape[1]), at.new_zeros(1, 2))
        for own, at in zip(places.split(cells), places.split(places.rows_cols), strict=True)
    ]


class BagAnswer(NamedTuple):
    """What a head says of one bag.

    Attributes:
        logits: (outputs,).
        attention: (tiles,) summing to 1, or none.
        side: (n, outputs) logits that are to be learned too, if any: of pseudo-bags, of a second stream.
        seen: (tiles, width) the cells as they were pooled, where a loss needs them.
    """

    logits: Tensor
    attention: Tensor | None = None
    side: Tensor | None = None
    seen: Tensor | None = None


class BagHead(Head):
    """A head that answers bag by bag, in 32 bits whatever the rest computes in."""

    def answer(self, cells: Tensor, places: Places) -> HeadOutput:
        """See `Head.answer`."""
        self.extra_loss = None
        return self.joined(self.answers(cells, places), places)

    def answers(self, cells: Tensor, places: Places) -> list[BagAnswer]:
        """What it says of each element of a batch."""
        with torch.autocast(cells.device.type, enabled=False):
            return [self.answer_bag(bag) for bag in bags_of(cells, places)]

    @abstractmethod
    def answer_bag(self, bag: Bag) -> BagAnswer:
        """Answer for one bag."""

    def joined(self, answers: Sequence[BagAnswer], places: Places) -> HeadOutput:
        """The answers as one."""
        self.side = _side(answers) if self.training else None
        logits = torch.stack([answer.logits for answer in answers])
        return HeadOutput(logits, _laid([answer.attention for answer in answers], places))


def embedding(dim: int, width: int) -> nn.Sequential:
    """(..., dim) -> (..., width): a linear layer and a rectifier, cell by cell."""
    return nn.Sequential(nn.Linear(dim, width), nn.ReLU())


def last_layer(width: int, outputs: int, dropout: float) -> nn.Sequential:
    """(..., width) -> (..., outputs)."""
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(width, outputs))


def check_heads(width: int, heads: int) -> None:
    """Refuse a width that attention heads cannot share.

    Raises:
        HeadError: it is no multiple of them.
    """
    if width % heads:
        raise HeadError(f"width is {width}, expected a multiple of heads, {heads}; change one of them")


def _side(answers: Sequence[BagAnswer]) -> SideLogits | None:
    own = [(i, answer.side) for i, answer in enumerate(answers) if answer.side is not None]
    if not own:
        return None
    logits = torch.cat([side for _, side in own])
    counts = torch.tensor([len(side) for _, side in own])
    element = torch.tensor([i for i, _ in own]).repeat_interleave(counts)
    return SideLogits(logits, element.to(logits.device))


def _laid(attention: Sequence[Tensor | None], places: Places) -> Tensor | None:
    """Weights of each bag -> (batch, rows, cols); the cell that stands in for none has no place there."""
    known = [own for own in attention if own is not None]
    if not known:
        return None
    real = [own for own, count in zip(known, places.counts, strict=True) if count]
    return places.lay(torch.cat([known[0].new_zeros(0), *real])[:, None])[:, 0]
