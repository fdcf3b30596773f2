"""Pooling over tissue cells, and the heads that are nothing else; the mean is the baseline to beat.

`mean` pools codes: the mean code of a slide, then a linear layer. The others pool scores: a small network
gives every cell a score for every output, and a slide has the highest, the mean of the highest, or the
log-sum-exp of them all. Without their hidden layer they mostly stay at chance: few cells ever get a gradient.
A slide without cells is answered as if all its codes were average.
"""

from __future__ import annotations

from abc import abstractmethod
from math import ceil, log
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from histopress.core.errors import HeadError
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

    def __init__(self, dim: int, outputs: int, *, hidden: int = 0, dropout: float = 0.0) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            hidden: units of a layer before the mean; 0 for none.
            dropout: before the last layer, 0 to 1.
        """
        super().__init__(dim)
        self.embed = hidden_layer(dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden or dim, outputs)

    def answer(self, cells: Tensor, places: Places) -> HeadOutput:
        """See `Head.answer`."""
        filled, whole = at_least_one(cells, places)
        return HeadOutput(self.linear(self.dropout(mean_over_cells(self.embed(filled), whole))))


class ChannelMaxHead(Head):
    """The largest value of every channel, then linear; attention is the share of channels that a cell wins.

    Each channel learns from a cell of its own, where the highest score alone leaves all to one cell.
    """

    def __init__(self, dim: int, outputs: int, *, hidden: int = 32, dropout: float = 0.0) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            hidden: channels, of a linear layer before the maximum.
            dropout: before the last layer, 0 to 1.
        """
        super().__init__(dim)
        self.embed = nn.Linear(dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, outputs)

    def answer(self, cells: Tensor, places: Places) -> HeadOutput:
        """See `Head.answer`."""
        filled, whole = at_least_one(cells, places)
        channels = self.embed(filled)
        won = [own.argmax(dim=0).bincount(minlength=len(own)) for own in whole.split(channels)]
        shares = [own / channels.shape[1] for own, count in zip(won, places.counts, strict=True) if count]
        attention = torch.cat([channels.new_zeros(0), *shares])[:, None]
        logits = self.linear(self.dropout(max_over_cells(channels, whole)))
        return HeadOutput(logits, places.lay(attention)[:, 0])


class Pooled(NamedTuple):
    """Scores of one slide, pooled.

    Attributes:
        logits: (outputs,).
        shares: (tiles, outputs) of every cell in each, summing to 1 over the cells.
    """

    logits: Tensor
    shares: Tensor


class ScoreHead(Head):
    """A score for each cell and output, pooled; its attention is the share of each cell, mean over outputs.

    Dropout leaves out the same channels of all cells, so that no cell wins by a lucky draw.
    """

    def __init__(self, dim: int, outputs: int, *, hidden: int = 32, dropout: float = 0.0) -> None:
        super().__init__(dim)
        self.embed = hidden_layer(dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden or dim, outputs)

    def answer(self, cells: Tensor, places: Places) -> HeadOutput:
        """See `Head.answer`."""
        filled, whole = at_least_one(cells, places)
        kept = self.dropout(torch.ones_like(self.linear.weight[:1]))
        scores = functional.linear(self.embed(filled), self.linear.weight * kept, self.linear.bias)
        pooled = [self.pool(own) for own in whole.split(scores)]
        shares = [own.shares.mean(dim=1) for own, count in zip(pooled, places.counts, strict=True) if count]
        attention = torch.cat([scores.new_zeros(0), *shares])[:, None]
        return HeadOutput(torch.stack([own.logits for own in pooled]), places.lay(attention)[:, 0])

    @abstractmethod
    def pool(self, scores: Tensor) -> Pooled:
        """(tiles, outputs) of one slide, which has at least one cell."""


class TopKHead(ScoreHead):
    """The mean of the k highest scores, for each output."""

    def __init__(
        self, dim: int, outputs: int, *, k: float = 10.0, hidden: int = 32, dropout: float = 0.0
    ) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            k: from 1 on a number of cells, below 1 a share of those of the slide.
            hidden: units of a layer before the scores; 0 for none.
            dropout: of the channels that are scored, 0 to 1.
        """
        super().__init__(dim, outputs, hidden=hidden, dropout=dropout)
        if k <= 0 or (k > 1 and k != int(k)):
            raise HeadError(f"topk: k is {k}, expected a share below 1 or a whole number of cells")
        self.k = k

    def pool(self, scores: Tensor) -> Pooled:
        """See `ScoreHead.pool`."""
        count = min(len(scores), int(self.k) if self.k >= 1 else ceil(self.k * len(scores)))
        highest, where = scores.topk(count, dim=0)
        return Pooled(highest.mean(dim=0), torch.zeros_like(scores).scatter(0, where, 1 / count))


class MaxHead(TopKHead):
    """The highest score, for each output."""

    def __init__(self, dim: int, outputs: int, *, hidden: int = 32, dropout: float = 0.0) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            hidden: units of a layer before the scores; 0 for none.
            dropout: of the channels that are scored, 0 to 1.
        """
        super().__init__(dim, outputs, k=1.0, hidden=hidden, dropout=dropout)


class LogSumExpHead(ScoreHead):
    """A soft maximum: log of the mean of exp(r x score), over r (Pinheiro and Collobert, arXiv 1411.6228)."""

    def __init__(
        self,
        dim: int,
        outputs: int,
        *,
        sharpness: float = 1.0,
        learned: bool = True,
        hidden: int = 32,
        dropout: float = 0.0,
    ) -> None:
        """With random weights.

        Args:
            dim: length of the codes.
            outputs: how many logits.
            sharpness: r; near 0 it is the mean, large the maximum.
            learned: whether training changes it.
            hidden: units of a layer before the scores; 0 for none.
            dropout: of the channels that are scored, 0 to 1.
        """
        super().__init__(dim, outputs, hidden=hidden, dropout=dropout)
        if sharpness <= 0:
            raise HeadError(f"lse: sharpness is {sharpness}, expected a number above 0")
        self.log_sharpness = nn.Parameter(torch.tensor(log(sharpness)), requires_grad=learned)

    def pool(self, scores: Tensor) -> Pooled:
        """See `ScoreHead.pool`."""
        sharpness = self.log_sharpness.exp()
        sharp = scores * sharpness
        return Pooled((sharp.logsumexp(dim=0) - log(len(scores))) / sharpness, sharp.softmax(dim=0))


def hidden_layer(dim: int, hidden: int) -> nn.Module:
    """(cells, dim) -> (cells, hidden), or the cells as they are where hidden is 0."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.ReLU()) if hidden else nn.Identity()


def at_least_one(cells: Tensor, places: Places) -> tuple[Tensor, Places]:
    """The same with one cell of zeros, the average code, for every slide that has none.

    The places that come with them tell which cells belong together, not where they lie.
    """
    none = cells.new_zeros(1, cells.shape[1])
    filled = torch.cat([own if len(own) else none for own in places.split(cells)])
    counts = tuple(max(1, count) for count in places.counts)
    at = torch.arange(len(filled), device=cells.device)
    return filled, Places(at, counts, (len(counts), 1, max(counts)))
