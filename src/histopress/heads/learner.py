"""A head with an objective, as something to fit."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from histopress.core.fit import Judgement, Learner
from histopress.grids.batches import CellBatch
from histopress.heads.head import Head, SideLogits
from histopress.heads.objectives import Objective


def mean_over_views(values: Tensor, batch: CellBatch) -> Tensor:
    """(views, n) -> (cases, n), cases in ascending order: the mean over the views of each by share."""
    cases, position = torch.unique(batch.case, return_inverse=True)
    sums = values.new_zeros(len(cases), values.shape[1])
    return sums.index_add(0, position, values * batch.share[:, None])


class HeadLearner(Learner):
    """Learns from cases; judges an epoch by the loss of the whole tuning part at once.

    A loss that compares cases, as that of survival, would tell little of one tuning case after the other.
    """

    def __init__(self, head: Head, objective: Objective) -> None:
        super().__init__()
        self.head = head
        self.objective = objective
        self._tuned: list[tuple[Tensor, Tensor, Tensor]] = []

    def losses(self, batch: CellBatch) -> Tensor:
        """(cases,) loss of each case; its answer is the mean over its views."""
        targets = batch.target if self.training else None
        answer = self.head.of_cells(batch.features, batch.places, targets)
        logits = mean_over_views(answer.logits.float(), batch)
        first = _first_view(batch)
        target, weight = batch.target[first], batch.weight[first]
        if not self.training:
            self._tuned.append((logits.detach(), target, weight))
        losses = self.objective.losses(logits, target) * weight
        if not self.training:
            return losses
        if self.head.side is not None:
            losses = losses + self._side_losses(self.head.side, batch)
        return losses if self.head.extra_loss is None else losses + self.head.extra_loss

    def _side_losses(self, side: SideLogits, batch: CellBatch) -> Tensor:
        """(cases,) mean loss of the logits that a head gives beside those of its cases."""
        element, views = side.element, len(batch.case)
        losses = self.objective.losses(side.logits.float(), batch.target[element]) * batch.weight[element]
        shares = losses / element.bincount(minlength=views)[element]
        return mean_over_views(shares.new_zeros(views, 1).index_add(0, element, shares[:, None]), batch)[:, 0]

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """See `Learner.begin_epoch`."""
        self._tuned.clear()

    def judgement(self) -> Judgement | None:
        """See `Learner.judgement`."""
        if not self._tuned:
            return None
        logits, target, weight = (torch.cat(parts) for parts in zip(*self._tuned, strict=True))
        self._tuned.clear()
        return Judgement(float((self.objective.losses(logits, target) * weight).double().mean()))

    def decayed(self) -> Iterable[nn.Parameter]:
        """See `Head.decayed`."""
        return self.head.decayed()


def _first_view(batch: CellBatch) -> Tensor:
    """(cases,) position of the first view of each case, in the order of `mean_over_views`."""
    cases, position = torch.unique(batch.case, return_inverse=True)
    first = position.new_full((len(cases),), len(position))
    views: Tensor = torch.arange(len(position), device=position.device)
    return torch.scatter_reduce(first, 0, position, views, "amin")
