"""Hazards in bins of time: a logit for every bin, no comparison with other cases.

The likelihood of Brown (1975) and of Gensheimer and Narasimhan (2019, doi 10.7717/peerj.6257), but for one
thing: who is censored within a bin has survived the share of it that was lived, not all of it or nothing.
Where in a bin an event fell is not used, so chances in a wide last bin with few patients are coarse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histopress.heads.objective_survival import Survival


@dataclass(frozen=True)
class Hazards(Survival):
    """The probability of an event within each bin of time, for those who reach it.

    Attributes:
        loss: hazards.
        bins: at most so many; their inner edges are quantiles of the times of events.
        edges: where each bin ends; the last at the end of follow-up of the train part.
        usual: log odds of an event in each bin in the train part, which logits of 0 stand for.
        unit: mean loss of the train part where all logits are 0.
    """

    loss: Literal["hazards"] = "hazards"
    bins: int = 8
    edges: tuple[float, ...] = ()
    usual: tuple[float, ...] = ()
    unit: float = 1.0

    @property
    def outputs(self) -> int:
        """See `Objective.outputs`."""
        return len(self.edges) or self.bins

    def _learned(self, times: NDArray[np.float64], happened: NDArray[np.bool_]) -> Self:
        inner = np.quantile(times[happened], np.arange(1, self.bins) / self.bins)
        ends = np.unique(np.append(inner, times.max()).astype(np.float32))
        edges = tuple(float(end) for end in ends)
        targets = torch.from_numpy(np.stack([times, happened], axis=1)).float()
        lived, died = _lived_and_died(targets, torch.tensor(edges))
        chance = (died.sum(dim=0) + 0.5) / (died.sum(dim=0) + lived.sum(dim=0) + 1)
        usual = tuple(float(odds) for odds in torch.logit(chance))
        fitted = replace(self, edges=edges, usual=usual, unit=1.0)
        nothing = fitted.losses(torch.zeros(len(targets), len(edges)), targets)
        return replace(fitted, unit=float(nothing.mean()))

    def _log_odds(self, logits: Tensor) -> Tensor:
        return logits + logits.new_tensor(self.usual or (0.0,) * self.outputs)

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        lived, died = _lived_and_died(targets, targets.new_tensor(self._ends))
        odds = self._log_odds(logits)
        terms = lived * nn.functional.softplus(odds) + died * nn.functional.softplus(-odds)
        return terms.sum(dim=1) / self.unit

    @property
    def _ends(self) -> tuple[float, ...]:
        return self.edges or tuple(float(end) for end in range(1, self.bins + 1))

    def scores(self, logits: Tensor) -> NDArray[np.float64]:
        """See `Objective.scores`: the share of the follow-up expected to be lost to the event, and chances.

        Within a bin the logarithm of the chance to be event-free falls in a straight line; beyond the last
        edge it stays.
        """
        stay = -nn.functional.softplus(self._log_odds(logits.detach().double().cpu())).numpy()
        ends = torch.tensor(self._ends, dtype=torch.float64)
        lived = share_lived(torch.tensor(self.at, dtype=torch.float64), ends).numpy()
        chances = np.exp(stay @ lived.T)
        widths = np.diff(ends.numpy(), prepend=0.0)
        begin = np.exp(np.cumsum(stay, axis=1) - stay)
        within = np.where(stay == 0, 1.0, np.expm1(stay) / np.where(stay == 0, 1.0, stay))
        lost = 1 - (begin * within) @ widths / widths.sum()
        return np.concatenate([lost[:, None], chances], axis=1)


def share_lived(times: Tensor, edges: Tensor) -> Tensor:
    """(times, bins) the share of every bin that lies before each time; bins end at `edges`."""
    begins = torch.cat([edges.new_zeros(1), edges[:-1]])
    return ((times[:, None] - begins) / (edges - begins)).clamp(0, 1)


def _lived_and_died(targets: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """(cases, bins) the share of each bin that was survived, and (cases, bins) 1 where an event ended it."""
    times, happened = targets[:, 0].contiguous(), targets[:, 1:]
    last = torch.bucketize(times, edges).clamp(max=len(edges) - 1)
    died = nn.functional.one_hot(last, len(edges)) * happened
    return share_lived(times, edges) * (1 - died), died
