"""The contract of what is learned: labels to numbers, logits to losses and back to the label's scale."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Objective(ABC):
    """One target, or several at once, as something to learn. Knows nothing of heads, grids or parts.

    Tables of labels have one row a patient and are indexed by patient. Patients without a label cost nothing
    and teach nothing.

    Attributes:
        target: its name in tables of predictions.
    """

    kind: ClassVar[str]
    target: str

    @property
    def width(self) -> int:
        """How many numbers `targets` gives for a case."""
        return 1

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the cohort that hold the labels."""
        return (self.target,)

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many logits it needs."""

    @property
    def parts(self) -> tuple[Objective, ...]:
        """The targets it is made of, each with rows of its own in tables of predictions."""
        return (self,)

    @property
    @abstractmethod
    def values(self) -> tuple[str, ...]:
        """What `scores` gives, as columns of a table of predictions: `p:CLASS`, `score`, `s:TIME`."""

    @property
    def compares(self) -> bool:
        """Whether the loss of a case depends on the other cases in its batch."""
        return False

    @abstractmethod
    def learned(self, labels: pd.DataFrame) -> Self:
        """The same with what is learned from the labels of the training part.

        Raises:
            HeadError: these labels are not enough to learn from.
        """

    @abstractmethod
    def targets(self, labels: pd.DataFrame) -> Tensor:
        """Labels as numbers for `losses`: (patients, width) float32, NaN where there is none.

        Raises:
            HeadError: a label means nothing here.
        """

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(cases, outputs) and (cases, width) -> loss of each (cases,), about 1 on average before training.

        Cases without a label have loss 0, and no gradient comes from them.
        """
        at = _labelled(targets).nonzero()[:, 0]
        losses = self._losses(logits[at].float(), targets[at])
        return losses.new_zeros(len(targets)).index_copy(0, at, losses)

    @abstractmethod
    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """`losses` of cases that all have a label."""

    def balance(self, targets: Tensor) -> Tensor:
        """(cases, width) -> (cases,) weight of each by which all classes count alike; 0 without a label."""
        return _labelled(targets).float()

    def unbalanced(self) -> Self:
        """The same without weights of classes in the loss."""
        return self

    def rare(self, targets: Tensor) -> Tensor | None:
        """(cases, width) -> (cases,) True for those that every batch should hold some of; None: no matter."""
        return None

    def settled(self, logits: Tensor, targets: Tensor) -> Self:
        """The same with what is learned, once after training, from what the head says of the train part.

        Args:
            logits: (cases, outputs), one case a patient.
            targets: (cases, width).
        """
        return self

    @abstractmethod
    def scores(self, logits: Tensor) -> NDArray[np.float64]:
        """(cases, outputs) -> (cases, values): probabilities, or values on the label's scale."""

    @abstractmethod
    def single(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(cases, values) -> (cases,) as one number; NaN where no number tells all."""

    def apart(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """(cases, values) -> those of each part."""
        ends = np.cumsum([len(part.values) for part in self.parts])[:-1]
        return np.split(values, ends, axis=1)

    @abstractmethod
    def truth(self, labels: pd.DataFrame) -> list[str]:
        """Labels as they stand in a table of predictions, "" where there is none."""

    def labelled(self, labels: pd.DataFrame) -> NDArray[np.bool_]:
        """(patients,) whether there is any label to learn from."""
        known: NDArray[np.bool_] = np.any([[t != "" for t in p.truth(labels)] for p in self.parts], axis=0)
        return known

    @abstractmethod
    def strata(self, labels: pd.DataFrame) -> pd.Series[Any]:
        """(patients,) what splits are stratified by: texts as they are, floats by their quantiles."""


def _labelled(targets: Tensor) -> Tensor:
    """(cases,) True where no number of the target is missing."""
    return ~torch.isnan(targets).any(dim=1)
