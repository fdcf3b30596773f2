"""A number, learned on the scale of its own spread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histopress.core.errors import HeadError
from histopress.heads.objective import Objective
from histopress.heads.objective_labels import column, numbers, texts


@dataclass(frozen=True)
class Regression(Objective):
    """A number, brought to mean 0 and standard deviation 1 inside.

    Attributes:
        mean: of the training part.
        sd: of the training part.
        loss: huber (less moved by outliers) or mse; both are the square of small errors.
    """

    kind: ClassVar[str] = "regression"
    mean: float = 0.0
    sd: float = 1.0
    loss: Literal["huber", "mse"] = "huber"

    @property
    def outputs(self) -> int:
        """See `Objective.outputs`."""
        return 1

    @property
    def values(self) -> tuple[str, ...]:
        """See `Objective.values`."""
        return ("score",)

    def _numbers(self, labels: pd.DataFrame) -> NDArray[np.float64]:
        return numbers(column(labels, self.target), self.target)

    def learned(self, labels: pd.DataFrame) -> Self:
        """See `Objective.learned`."""
        values = self._numbers(labels)
        values = values[~np.isnan(values)]
        sd = float(values.std()) if len(values) else 0.0
        if sd == 0.0:
            raise HeadError(
                f"{self.target} does not vary over {len(values)} patients to train on, expected different "
                "numbers; add patients"
            )
        return replace(self, mean=float(values.mean()), sd=sd)

    def targets(self, labels: pd.DataFrame) -> Tensor:
        """See `Objective.targets`: in standard deviations from the mean."""
        return torch.from_numpy((self._numbers(labels) - self.mean) / self.sd).float()[:, None]

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.loss == "mse":
            return nn.functional.mse_loss(logits[:, 0], targets[:, 0], reduction="none")
        return 2 * nn.functional.huber_loss(logits[:, 0], targets[:, 0], reduction="none")

    def scores(self, logits: Tensor) -> NDArray[np.float64]:
        """See `Objective.scores`."""
        return (logits.detach().double().cpu() * self.sd + self.mean).numpy()

    def single(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Objective.single`."""
        return values[:, 0]

    def truth(self, labels: pd.DataFrame) -> list[str]:
        """See `Objective.truth`."""
        return texts(column(labels, self.target))

    def strata(self, labels: pd.DataFrame) -> pd.Series[Any]:
        """See `Objective.strata`."""
        return pd.Series(self._numbers(labels), index=labels.index)
