"""Exclusive classes: two with one logit, or several with a logit each."""

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
from histopress.heads.objective_labels import closest, column, flags, lists, some, texts


@dataclass(frozen=True)
class Classes(Objective):
    """Exclusive classes.

    Attributes:
        classes: names in order; of two the last is the positive one.
        weights: of each class in the loss: equal sums for all classes of the training part, 1 on average.
    """

    classes: tuple[str, ...]
    weights: tuple[float, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """See `Objective.values`."""
        return tuple(f"p:{name}" for name in self.classes)

    def truth(self, labels: pd.DataFrame) -> list[str]:
        """See `Objective.truth`."""
        (source,) = self.sources
        return texts(column(labels, source))

    def strata(self, labels: pd.DataFrame) -> pd.Series[Any]:
        """See `Objective.strata`."""
        return pd.Series(self.truth(labels), index=labels.index, dtype=str)

    def targets(self, labels: pd.DataFrame) -> Tensor:
        """See `Objective.targets`: the position of the class."""
        known = {name: float(i) for i, name in enumerate(self.classes)}
        names = self.truth(labels)
        unknown = sorted({name for name in names if name} - known.keys())
        if unknown:
            who = [str(p) for p, name in zip(labels.index, names, strict=True) if name in unknown]
            raise HeadError(
                f"{self.target} is {some(map(repr, unknown))} (patient {some(who)}), expected "
                f"{', '.join(self.classes)}{closest(unknown[0], self.classes)}"
            )
        return torch.tensor([[known.get(name, np.nan)] for name in names], dtype=torch.float32).reshape(-1, 1)

    def learned(self, labels: pd.DataFrame) -> Self:
        """See `Objective.learned`."""
        positions = self.targets(labels)[:, 0].numpy()
        counts = np.bincount(positions[~np.isnan(positions)].astype(np.int64), minlength=len(self.classes))
        absent = [name for name, count in zip(self.classes, counts, strict=True) if not count]
        if absent:
            raise HeadError(
                f"no patient of class {', '.join(map(repr, absent))} of {self.target} is left to train on, "
                f"expected some of each of {', '.join(self.classes)}; leave the class out, or add patients"
            )
        weights = counts.sum() / (len(self.classes) * counts)
        return replace(self, weights=tuple(float(w) for w in weights))

    def unbalanced(self) -> Self:
        """See `Objective.unbalanced`."""
        return replace(self, weights=())

    def balance(self, targets: Tensor) -> Tensor:
        """See `Objective.balance`."""
        weights = torch.tensor(self.weights or (1.0,) * len(self.classes), device=targets.device)
        missing = torch.isnan(targets[:, 0])
        return weights[targets[:, 0].nan_to_num().long()].masked_fill(missing, 0.0)


@dataclass(frozen=True)
class Binary(Classes):
    """Two classes: one logit, binary cross-entropy.

    Attributes:
        reads: a cell of the column names the class (`class`), says yes or no (`flag`), or lists the labels
            that apply, of which `label` is the one in question (`list`). The latter two have classes no, yes.
        column: that is read, where it is not named as the target.
        label: that is looked for in a list.
    """

    kind: ClassVar[str] = "binary"
    reads: Literal["class", "flag", "list"] = "class"
    column: str = ""
    label: str = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """See `Objective.sources`."""
        return (self.column or self.target,)

    @property
    def outputs(self) -> int:
        """See `Objective.outputs`."""
        return 1

    def truth(self, labels: pd.DataFrame) -> list[str]:
        """See `Objective.truth`."""
        if self.reads == "class":
            return super().truth(labels)
        cells = column(labels, *self.sources)
        if self.reads == "flag":
            told = flags(cells, self.target)
        else:
            told = np.array(
                [np.nan if own is None else self.label in own for own in lists(cells)], np.float64
            )
        return ["" if np.isnan(yes) else self.classes[int(yes)] for yes in told]

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        cross_entropy = nn.functional.binary_cross_entropy_with_logits
        return cross_entropy(logits[:, 0], targets[:, 0], reduction="none") * self.balance(targets)

    def scores(self, logits: Tensor) -> NDArray[np.float64]:
        """See `Objective.scores`."""
        positive = logits[:, 0].detach().double().cpu().sigmoid().numpy()
        return np.stack([1 - positive, positive], axis=1)

    def single(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Objective.single`: the probability of the positive class."""
        return values[:, -1]


@dataclass(frozen=True)
class Multiclass(Classes):
    """Three or more classes without an order: a logit each, cross-entropy."""

    kind: ClassVar[str] = "multiclass"

    @property
    def outputs(self) -> int:
        """See `Objective.outputs`."""
        return len(self.classes)

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        losses = nn.functional.cross_entropy(logits, targets[:, 0].long(), reduction="none")
        return losses * self.balance(targets)

    def scores(self, logits: Tensor) -> NDArray[np.float64]:
        """See `Objective.scores`."""
        return logits.detach().double().cpu().softmax(dim=1).numpy()

    def single(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Objective.single`: there is none."""
        return np.full(len(values), np.nan)
