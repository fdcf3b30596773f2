"""Several targets at once, from one head: each has its own logits, and counts alike in the loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from histopress.heads.objective import Objective

LEAST = 10
"""A stratum is divided by one more target as long as every piece has so many patients."""

BINS = 4
"""Numbers are stratified by so many quantile bins."""


@dataclass(frozen=True)
class Joint(Objective):
    """Several targets; a patient may have labels for only some of them.

    The loss of a case is the sum of those of its labels, by the number of targets. One label counts like any
    other, so a target with few labels counts less in all.

    Attributes:
        members: the targets, none of them joint.
    """

    kind: ClassVar[str] = "joint"
    members: tuple[Objective, ...]

    @property
    def width(self) -> int:
        """See `Objective.width`."""
        return sum(member.width for member in self.members)

    @property
    def sources(self) -> tuple[str, ...]:
        """See `Objective.sources`."""
        return tuple(dict.fromkeys(name for member in self.members for name in member.sources))

    @property
    def outputs(self) -> int:
        """See `Objective.outputs`."""
        return sum(member.outputs for member in self.members)

    @property
    def parts(self) -> tuple[Objective, ...]:
        """See `Objective.parts`."""
        return self.members

    @property
    def values(self) -> tuple[str, ...]:
        """See `Objective.values`: those of its parts, one after the other."""
        return tuple(name for member in self.members for name in member.values)

    @property
    def compares(self) -> bool:
        """See `Objective.compares`."""
        return any(member.compares for member in self.members)

    def learned(self, labels: pd.DataFrame) -> Self:
        """See `Objective.learned`."""
        return replace(self, members=tuple(member.learned(labels) for member in self.members))

    def unbalanced(self) -> Self:
        """See `Objective.unbalanced`."""
        return replace(self, members=tuple(member.unbalanced() for member in self.members))

    def settled(self, logits: Tensor, targets: Tensor) -> Self:
        """See `Objective.settled`."""
        rows = zip(self.members, *self._split(logits, targets), strict=True)
        return replace(self, members=tuple(member.settled(own, wanted) for member, own, wanted in rows))

    def _split(self, logits: Tensor, targets: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        outputs = [member.outputs for member in self.members]
        return list(torch.split(logits, outputs, dim=1)), self._targets_of(targets)

    def _targets_of(self, targets: Tensor) -> list[Tensor]:
        return list(torch.split(targets, [member.width for member in self.members], dim=1))

    def targets(self, labels: pd.DataFrame) -> Tensor:
        """See `Objective.targets`."""
        return torch.cat([member.targets(labels) for member in self.members], dim=1)

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """See `Objective.losses`."""
        rows = zip(self.members, *self._split(logits, targets), strict=True)
        return torch.stack([member.losses(own, wanted) for member, own, wanted in rows]).mean(dim=0)

    _losses = losses

    def balance(self, targets: Tensor) -> Tensor:
        """See `Objective.balance`: the mean over its parts."""
        rows = zip(self.members, self._targets_of(targets), strict=True)
        return torch.stack([member.balance(own) for member, own in rows]).mean(dim=0)

    def rare(self, targets: Tensor) -> Tensor | None:
        """See `Objective.rare`: what is rare in any of its parts."""
        told = [member.rare(own) for member, own in zip(self.members, self._targets_of(targets), strict=True)]
        found = [rare for rare in told if rare is not None]
        return reduce(torch.logical_or, found) if found else None

    def scores(self, logits: Tensor) -> NDArray[np.float64]:
        """See `Objective.scores`."""
        outputs = [member.outputs for member in self.members]
        rows = zip(self.members, torch.split(logits, outputs, dim=1), strict=True)
        return np.concatenate([member.scores(own) for member, own in rows], axis=1)

    def single(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Objective.single`: there is none; ask its parts."""
        return np.full(len(values), np.nan)

    def truth(self, labels: pd.DataFrame) -> list[str]:
        """See `Objective.truth`: all its parts in one text, for listings; ask the parts for tables."""
        told = [[f"{m.target}={text}" if text else "" for text in m.truth(labels)] for m in self.members]
        return ["; ".join(filter(None, row)) for row in zip(*told, strict=True)]

    def strata(self, labels: pd.DataFrame) -> pd.Series[Any]:
        """See `Objective.strata`: by the target with the rarest class, and by more where numbers allow."""
        told = [member.strata(labels) for member in self.members]
        names = [member.target for member in self.members]
        first, *others = (
            _texts(names[at], told[at]) for at in np.argsort([*map(_rarest, told)], kind="stable")
        )
        strata = _without_few_missing(first)
        for other in others:
            finer = strata + ", " + other
            sizes = finer.map(finer.value_counts())
            strata = finer.where(sizes.groupby(strata).transform("min") >= LEAST, strata)
        return strata


def _rarest(strata: pd.Series[Any]) -> int:
    """Patients of the rarest class; numbers have no classes, and come last."""
    counts = strata[strata != ""].value_counts()
    numbers = pd.api.types.is_float_dtype(strata.dtype)
    return len(strata) if numbers or counts.empty else int(counts.min())


def _texts(target: str, strata: pd.Series[Any]) -> pd.Series[str]:
    """Strata of one target as text, "" where the label is missing."""
    if pd.api.types.is_float_dtype(strata.dtype):
        quarters = strata.rank(method="first", pct=True).mul(BINS)
        strata = quarters.map(lambda number: "" if np.isnan(number) else f"quarter {np.ceil(number):.0f}")
    return strata.map(lambda text: f"{target} {text}" if text else "").astype(str)


def _without_few_missing(strata: pd.Series[str]) -> pd.Series[str]:
    """A few patients without a label are dealt with the commonest stratum."""
    missing = strata == ""
    if missing.all() or missing.sum() >= LEAST:
        return strata
    return strata.mask(missing, str(strata[~missing].value_counts().index[0]))
