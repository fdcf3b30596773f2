"""What is trained: a module that knows its own loss, and may judge itself after each epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from histopress.core.curve import COLUMNS
from histopress.core.errors import RunError


@dataclass(frozen=True)
class Judgement:
    """What a learner says of an epoch once it has seen the tuning part.

    Attributes:
        tuning: what chooses the best epoch and ends the training; lower is better.
        parts: further numbers worth keeping, by name: columns of the log.
    """

    tuning: float
    parts: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if taken := sorted(set(COLUMNS) & set(self.parts)):
            raise RunError(f"parts of a judgement are called {taken}, as columns of the log are; rename them")


class Learner(nn.Module, ABC):
    """A module that knows its own loss, so that `fit` need not know what it learns."""

    @abstractmethod
    def losses(self, batch: Any) -> Tensor:
        """(elements,) loss of each element of a batch, differentiable.

        Training minimises their mean over a batch, tuning watches their mean over all batches.
        """

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Told in training mode before each epoch, counted from 0, of so many at most."""

    def judgement(self) -> Judgement | None:
        """Asked once after the tuning batches of each epoch, in evaluation mode and without gradients.

        Its number takes the place of the mean tuning loss; None leaves it there. It may use what the learner
        gathered in this epoch only: a resumed training brings back the weights and buffers, nothing else. Of
        several processes each sees all of the tuning part, and the first one's judgement holds.
        """
        return None

    def decayed(self) -> Iterable[nn.Parameter]:
        """The parameters that weight decay pulls towards zero: matrices and kernels, not biases or scales."""
        return (p for p in self.parameters() if p.ndim > 1)
