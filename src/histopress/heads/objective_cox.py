"""Proportional hazards: one logit a case, compared with those of all who were still at risk."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histopress.heads.objective_survival import Survival

Ties = Literal["efron", "breslow"]


@dataclass(frozen=True)
class Cox(Survival):
    """Cox's partial likelihood: the logit is the logarithm of the hazard, up to a constant.

    A case is compared with the cases of its batch: batches must be large and hold events, and a loss over a
    part is that over all its cases at once.

    Attributes:
        loss: cox.
        ties: how events at the same time are counted.
        share: of events among the cases to train on.
        centre: mean logit of the train part, whose risk is 0.
        baseline: cumulative hazard at the times `at` where the risk is 0 (Breslow); empty before training.
    """

    loss: Literal["cox"] = "cox"
    ties: Ties = "efron"
    share: float = 1.0
    centre: float = 0.0
    baseline: tuple[float, ...] = ()

    @property
    def outputs(self) -> int:
        """See `Objective.outputs`."""
        return 1

    @property
    def compares(self) -> bool:
        """See `Objective.compares`."""
        return True

    def _learned(self, times: NDArray[np.float64], happened: NDArray[np.bool_]) -> Self:
        return replace(self, share=float(happened.mean()))

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        terms = cox_terms(logits[:, 0], targets[:, 0], targets[:, 1] == 1, self.ties)
        return terms / (self.share * _expected(len(terms)))

    def settled(self, logits: Tensor, targets: Tensor) -> Self:
        """See `Objective.settled`: keeps the baseline hazard."""
        known = ~torch.isnan(targets).any(dim=1)
        risks = logits[known, 0].detach().double().cpu()
        times, happened = targets[known].cpu().unbind(dim=1)
        centre = float(risks.mean()) if len(risks) else 0.0
        hazard = breslow(risks - centre, times, happened == 1, torch.tensor(self.at, dtype=times.dtype))
        return replace(self, centre=centre, baseline=tuple(float(h) for h in hazard))

    def scores(self, logits: Tensor) -> NDArray[np.float64]:
        """See `Objective.scores`: log hazard ratio to the mean of the train part, and chances."""
        risk = logits[:, :1].detach().double().cpu().numpy() - self.centre
        baseline = np.array(self.baseline or (np.nan,) * len(self.at))
        with np.errstate(over="ignore"):
            hazards = np.where(baseline == 0, 0.0, baseline * np.exp(risk))
        return np.concatenate([risk, np.exp(-hazards)], axis=1)


def cox_terms(log_hazards: Tensor, times: Tensor, events: Tensor, ties: Ties = "efron") -> Tensor:
    """What each case adds to the negative logarithm of the partial likelihood; nothing if censored.

    Everything stays a logarithm, so no size of a logit overflows. Events at one time share their terms alike.

    Args:
        log_hazards: (cases,), up to a constant.
        times: (cases,).
        events: (cases,) bool.
        ties: Efron's or Breslow's approximation (Efron 1977, Breslow 1974).
    """
    at = events.nonzero()[:, 0]
    own, when = log_hazards[at], times[at]
    terms = log_at_risk(log_hazards, times, when)
    if ties == "efron" and len(at):
        tied = when[:, None] == when
        many = tied.sum(dim=1)
        gone = tied.tril(-1).sum(dim=1) / many
        together = torch.logsumexp(own.expand(tied.shape).masked_fill(~tied, -math.inf), dim=1)
        left = torch.log1p(-gone * torch.exp(together - terms).clamp(max=1.0))
        terms = terms + (tied.to(left) @ left) / many
    return log_hazards.new_zeros(len(log_hazards)).index_copy(0, at, terms - own)


def log_at_risk(log_hazards: Tensor, times: Tensor, when: Tensor) -> Tensor:
    """(moments,) logarithm of the sum of hazards of those whose time is not before each moment `when`."""
    at_risk = times >= when[:, None]
    return torch.logsumexp(log_hazards.expand(at_risk.shape).masked_fill(~at_risk, -math.inf), dim=1)


def breslow(log_hazards: Tensor, times: Tensor, events: Tensor, at: Tensor) -> Tensor:
    """(times,) cumulative baseline hazard: events add 1 by the sum of hazards at risk (Breslow 1972)."""
    steps = torch.exp(-log_at_risk(log_hazards, times, times[events]))
    return (times[events] <= at[:, None]).to(steps) @ steps


def _expected(cases: int) -> float:
    """Mean term of an event where nothing is known, by how many cases are compared (no ties or censoring)."""
    return max(math.lgamma(cases + 1) / max(cases, 1), math.log(2) / 2)
