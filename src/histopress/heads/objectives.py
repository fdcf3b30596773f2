"""What a label means: which number is learned, with which loss, and what logits say on the label's scale."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histopress.core.errors import HeadError
from histopress.core.recipe import build, plain


@dataclass(frozen=True)
class Objective(ABC):
    """One target column as something to learn. Knows nothing of heads, grids or parts.

    Attributes:
        target: name of the column.
    """

    kind: ClassVar[str]
    target: str

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many logits it needs."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The classes whose probabilities `scores` gives, in order; empty where it gives one value."""
        return ()

    @abstractmethod
    def learned(self, labels: Sequence[Any]) -> Self:
        """The same with what is learned from the labels of the training part, one a patient.

        Raises:
            HeadError: these labels are not enough to learn from.
        """

    @abstractmethod
    def targets(self, labels: Sequence[Any]) -> Tensor:
        """Labels as numbers (labels,) for `losses`."""

    @abstractmethod
    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(batch, outputs) and (batch,) -> loss of each (batch,), about 1 on average before training."""

    def balance(self, targets: Tensor) -> Tensor:
        """(batch,) weight of each target, by which all classes count alike."""
        return torch.ones(len(targets), device=targets.device)

    def unbalanced(self) -> Self:
        """The same without weights of classes in the loss."""
        return self

    @abstractmethod
    def scores(self, logits: Tensor) -> NDArray[np.float64]:
        """(batch, outputs) -> probabilities (batch, classes), or values on the label's scale (batch, 1)."""

    @abstractmethod
    def truth(self, label: Any) -> str:
        """A label as it stands in a table of predictions."""


@dataclass(frozen=True)
class Classes(Objective):
    """Exclusive classes.

    Attributes:
        classes: names, sorted (numbers by size); of two the last is the positive one.
        weights: of each class in the loss: equal sums for all classes of the training part, 1 on average.
    """

    classes: tuple[str, ...]
    weights: tuple[float, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """See `Objective.columns`."""
        return self.classes

    def learned(self, labels: Sequence[Any]) -> Self:
        """See `Objective.learned`."""
        counts = np.bincount(self._positions(labels), minlength=len(self.classes))
        absent = [name for name, count in zip(self.classes, counts, strict=True) if not count]
        if absent:
            raise HeadError(
                f"no patient of class {', '.join(map(repr, absent))} of {self.target} is left to train on, "
                f"expected some of each of {', '.join(self.classes)}; leave the class out, or add patients"
            )
        weights = counts.sum() / (len(self.classes) * counts)
        return replace(self, weights=tuple(float(w) for w in weights))

    def _positions(self, labels: Sequence[Any]) -> NDArray[np.int64]:
        known = {name: i for i, name in enumerate(self.classes)}
        unknown = sorted({label_text(label) for label in labels} - known.keys())
        if unknown:
            raise HeadError(
                f"{self.target} is {', '.join(map(repr, unknown))}, expected {', '.join(self.classes)}"
            )
        return np.array([known[label_text(label)] for label in labels], dtype=np.int64)

    def unbalanced(self) -> Self:
        """See `Objective.unbalanced`."""
        return replace(self, weights=())

    def balance(self, targets: Tensor) -> Tensor:
        """See `Objective.balance`."""
        weights = self.weights or (1.0,) * len(self.classes)
        return torch.tensor(weights, device=targets.device)[targets.long()]

    def truth(self, label: Any) -> str:
        """See `Objective.truth`."""
        return label_text(label)


@dataclass(frozen=True)
class Binary(Classes):
    """Two classes: one logit, binary cross-entropy."""

    kind = "binary"

    @property
    def outputs(self) -> int:
        """See `Objective.outputs`."""
        return 1

    def targets(self, labels: Sequence[Any]) -> Tensor:
        """See `Objective.targets`."""
        return torch.from_numpy(self._positions(labels)).float()

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """See `Objective.losses`."""
        losses = nn.functional.binary_cross_entropy_with_logits(
            logits[:, 0].float(), targets, reduction="none"
        )
        return losses * self.balance(targets)

    def scores(self, logits: Tensor) -> NDArray[np.float64]:
        """See `Objective.scores`."""
        positive = logits[:, 0].detach().double().cpu().sigmoid().numpy()
        return np.stack([1 - positive, positive], axis=1)


@dataclass(frozen=True)
class Multiclass(Classes):
    """Three or more classes: a logit each, cross-entropy."""

    kind = "multiclass"

    @property
    def outputs(self) -> int:
        """See `Objective.outputs`."""
        return len(self.classes)

    def targets(self, labels: Sequence[Any]) -> Tensor:
        """See `Objective.targets`."""
        return torch.from_numpy(self._positions(labels))

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """See `Objective.losses`."""
        losses = nn.functional.cross_entropy(logits.float(), targets, reduction="none")
        return losses * self.balance(targets)

    def scores(self, logits: Tensor) -> NDArray[np.float64]:
        """See `Objective.scores`."""
        return logits.detach().double().cpu().softmax(dim=1).numpy()


@dataclass(frozen=True)
class Regression(Objective):
    """A number, brought to mean 0 and standard deviation 1 inside.

    Attributes:
        mean: of the training part.
        sd: of the training part.
        loss: huber (less moved by outliers) or mse.
    """

    kind = "regression"
    mean: float = 0.0
    sd: float = 1.0
    loss: Literal["huber", "mse"] = "huber"

    @property
    def outputs(self) -> int:
        """See `Objective.outputs`."""
        return 1

    def learned(self, labels: Sequence[Any]) -> Self:
        """See `Objective.learned`."""
        values = np.asarray(labels, dtype=np.float64)
        sd = float(values.std()) if len(values) else 0.0
        if sd == 0.0:
            raise HeadError(
                f"{self.target} does not vary over {len(values)} patients to train on, expected different "
                "numbers; add patients"
            )
        return replace(self, mean=float(values.mean()), sd=sd)

    def targets(self, labels: Sequence[Any]) -> Tensor:
        """See `Objective.targets`."""
        values = np.asarray(labels, dtype=np.float64)
        return torch.from_numpy((values - self.mean) / self.sd).float()

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """See `Objective.losses`."""
        lossy = nn.functional.huber_loss if self.loss == "huber" else nn.functional.mse_loss
        return 2 * lossy(logits[:, 0].float(), targets, reduction="none")

    def scores(self, logits: Tensor) -> NDArray[np.float64]:
        """See `Objective.scores`."""
        return (logits.detach().double().cpu() * self.sd + self.mean).numpy()

    def truth(self, label: Any) -> str:
        """See `Objective.truth`."""
        return repr(label.item() if isinstance(label, np.generic) else label)


KINDS: dict[str, type[Objective]] = {"binary": Binary, "multiclass": Multiclass, "regression": Regression}
"""The kind of a target, as it is typed -> what it means. New kinds are added here."""


def label_text(label: Any) -> str:
    """A label as the name of a class; whole numbers without a decimal point."""
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)


def restore(settings: Mapping[str, Any]) -> Objective:
    """An objective from what `describe` gave."""
    values = dict(settings)
    return build(kind_named(str(values.pop("kind", ""))), values, where="objective")


def describe(objective: Objective) -> dict[str, Any]:
    """An objective as plain values."""
    return {"kind": objective.kind, **plain(objective)}


def kind_named(kind: str) -> type[Objective]:
    """The class of a kind.

    Raises:
        HeadError: there is none of this name.
    """
    if kind not in KINDS:
        raise HeadError(f"kind of target is {kind!r}, expected {', '.join(KINDS)}; write COLUMN:KIND")
    return KINDS[kind]
