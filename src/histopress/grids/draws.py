"""Which cases make up each batch of an epoch, drawn from torch's random numbers alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Sampler

Draw = tuple[int, int]
"""A case, and the seed of its view."""

POOL = 16
"""Batches whose cases are sorted by size together: grids of a batch are alike, and batches still vary."""


class Draws(Sampler[list[Draw]]):
    """Batches of an epoch: all cases in random order, or as many drawn by chance, each with a seed.

    What is drawn depends on torch's random numbers in this process alone, however many others load. No batch
    holds a single case, unless there is but one: a loss that compares cases would learn nothing from it.
    """

    def __init__(
        self,
        cases: int,
        batch: int,
        *,
        chances: Tensor | None = None,
        sizes: Sequence[int] | None = None,
        rare: Tensor | None = None,
    ) -> None:
        """Draw from so many cases.

        Args:
            cases: how many there are.
            batch: cases of a batch; the last one has what is left.
            chances: (cases,) draw with replacement, each case this likely; without it each comes once.
            sizes: of every case; batches are made of cases of about the same size, to save padding.
            rare: (cases,) bool, those that every batch is to hold some of, such as events; where they are
                fewer than the batches, they come more than once. Sizes do not matter then.
        """
        self.cases, self.batch, self.chances = cases, batch, chances
        self.sizes = None if sizes is None else torch.tensor(sizes)
        mixed = rare is not None and bool(rare.any()) and not bool(rare.all())
        self.rare = rare.bool().cpu() if rare is not None and mixed else None

    def __len__(self) -> int:
        batches = -(-self.cases // self.batch)
        return batches - int(batches > 1 and self.cases % self.batch == 1)

    def __iter__(self) -> Iterator[list[Draw]]:
        if self.chances is None:
            order = torch.randperm(self.cases)
        else:
            order = torch.multinomial(self.chances, self.cases, replacement=True)
        for cases in self._batches(order):
            seeds = torch.randint(2**62, (len(cases),))
            yield list(zip(cases.tolist(), seeds.tolist(), strict=True))

    def _batches(self, order: Tensor) -> list[Tensor]:
        if self.rare is not None:
            return self._dealt(order, self.rare)
        if self.sizes is None:
            return self._cut(order)
        pools = torch.split(order, POOL * self.batch)
        batches = self._cut(torch.cat([pool[self.sizes[pool].argsort(stable=True)] for pool in pools]))
        return [batches[i] for i in torch.randperm(len(batches)).tolist()]

    def _cut(self, order: Tensor) -> list[Tensor]:
        starts = [self.batch * i for i in range(len(self))]
        return [order[a:b] for a, b in zip(starts, [*starts[1:], len(order)], strict=True)]

    def _dealt(self, order: Tensor, rare: Tensor) -> list[Tensor]:
        """Rare cases and the others dealt to all batches in turn."""
        some, others = order[rare[order]], order[~rare[order]]
        if 0 < len(some) < len(self):
            some = some.repeat(-(-len(self) // len(some)))[: len(self)]
        return [torch.cat([some[i :: len(self)], others[i :: len(self)]]) for i in range(len(self))]
