"""Classes in an order: K - 1 logits, each asking whether a case is above one more grade.

Two ways to make probabilities of grades of them, both valid for any logits (0 to 1, sum 1), both uniform
where all logits are 0, and both fitted by the logarithm of the probability of the true grade:

- cumulative (McCullagh 1980): P(above grade k) = sigmoid(threshold k), and every threshold lies below the one
  before it, by a gap that is a softplus.
- corn (Shi, Cao and Raschka 2023, arXiv 2111.08851): P(above k, given above k - 1) = sigmoid(logit k), and
  probabilities are products. The cross-entropies of the conditional questions that concern a case sum up to
  the logarithm of its probability.

Both rank cases alike well; corn overfits less where there are few cases, so it is the default.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histopress.heads.objective_classes import Classes

Link = Literal["cumulative", "corn"]


@dataclass(frozen=True)
class Ordinal(Classes):
    """Three grades or more, the lowest first.

    Attributes:
        loss: how logits become probabilities: corn or cumulative.
    """

    kind: ClassVar[str] = "ordinal"
    loss: Link = "corn"

    @property
    def outputs(self) -> int:
        """See `Objective.outputs`."""
        return len(self.classes) - 1

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        chances = LINKS[self.loss](logits)
        own = chances.gather(1, targets.long())[:, 0]
        return -own * self.balance(targets)

    def scores(self, logits: Tensor) -> NDArray[np.float64]:
        """See `Objective.scores`."""
        return LINKS[self.loss](logits.detach().double().cpu()).softmax(dim=1).numpy()

    def single(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Objective.single`: the expected rank, 0 for the lowest grade."""
        return values @ np.arange(len(self.classes), dtype=np.float64)


def cumulative(logits: Tensor) -> Tensor:
    """(cases, grades - 1) -> (cases, grades) logarithms of probabilities."""
    levels = _uniform(logits, lambda above, grades: above / grades)
    gaps = torch.log(torch.expm1(levels[:-1] - levels[1:])) + logits[:, 1:]
    falls = torch.cumsum(nn.functional.softplus(gaps), dim=1)
    first = levels[0] + logits[:, :1]
    above = torch.cat([first, first - falls], dim=1)
    # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), and a - b is a softplus
    between = nn.functional.logsigmoid(gaps)
    over, under = nn.functional.logsigmoid(above), nn.functional.logsigmoid(-above)
    return torch.cat([under[:, :1], over[:, :-1] + under[:, 1:] + between, over[:, -1:]], dim=1)


def corn(logits: Tensor) -> Tensor:
    """(cases, grades - 1) -> (cases, grades) logarithms of probabilities."""
    asked = logits + _uniform(logits, lambda above, _: above / (above + 1))
    over = torch.cumsum(nn.functional.logsigmoid(asked), dim=1)
    stay = nn.functional.logsigmoid(-asked)
    return torch.cat([stay[:, :1], over[:, :-1] + stay[:, 1:], over[:, -1:]], dim=1)


def _uniform(logits: Tensor, chance: Callable[[int, int], float]) -> Tensor:
    """(grades - 1,) log odds of a chance that depends on how many of the grades are above."""
    grades = logits.shape[1] + 1
    chances = [chance(grades - 1 - k, grades) for k in range(grades - 1)]
    return logits.new_tensor([math.log(p / (1 - p)) for p in chances])


LINKS: dict[Link, Callable[[Tensor], Tensor]] = {"cumulative": cumulative, "corn": corn}
"""Name -> logits (cases, grades - 1) to logarithms of probabilities (cases, grades)."""
