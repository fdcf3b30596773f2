"""What each kind of patch label means to a network: its loss, and the score that tuning watches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from histopress.data.patch_task import Kind

Loss = Callable[[Tensor, Tensor], Tensor]
"""(n, outputs) answers, targets as in a PatchSet without NaN -> (n,) losses."""

Score = Callable[[Tensor, Tensor], float]
"""The same -> a score, higher is better; NaN where it does not exist, such as AUROC of a single class."""


@dataclass(frozen=True)
class TaskKind:
    """A loss, a score and its name."""

    loss: Loss
    score: Score
    scored_by: str


def auroc(answers: Tensor, positive: Tensor) -> float:
    """Area under the ROC curve of (n,) answers, ties counted half; NaN unless both classes are there."""
    positive = positive.bool()
    yes, no = int(positive.sum()), int((~positive).sum())
    if not yes or not no:
        return float("nan")
    _, inverse, counts = torch.unique(answers, sorted=True, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2).double()[inverse]
    return float((ranks[positive].sum() - yes * (yes + 1) / 2) / (yes * no))


def spearman(answers: Tensor, targets: Tensor) -> float:
    """Rank correlation of (n,) answers and targets; NaN where either is constant."""
    first, second = (_centred_ranks(values.flatten()) for values in (answers, targets))
    scale = first.norm() * second.norm()
    return float(first @ second / scale) if scale > 0 else float("nan")


def _centred_ranks(values: Tensor) -> Tensor:
    _, inverse, counts = torch.unique(values, sorted=True, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2).double()[inverse]
    centred: Tensor = ranks - ranks.mean()
    return centred


def _binary_loss(answers: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(answers[:, 0], targets, reduction="none")


def _class_loss(answers: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(answers, targets.long(), reduction="none")


def _class_score(answers: Tensor, targets: Tensor) -> float:
    """Mean over classes of the AUROC of one against the rest."""
    shares = answers.softmax(1)
    return _mean([auroc(shares[:, c], targets == c) for c in range(answers.shape[1])])


def _label_loss(answers: Tensor, targets: Tensor) -> Tensor:
    """Mean over the labels that are known."""
    known = ~targets.isnan()
    losses = F.binary_cross_entropy_with_logits(answers, targets.nan_to_num(), reduction="none")
    return (losses * known).sum(1) / known.sum(1).clamp(min=1)


def _label_score(answers: Tensor, targets: Tensor) -> float:
    known = ~targets.isnan()
    columns = [(answers[k, c], targets[k, c] > 0.5) for c, k in enumerate(known.T)]
    return _mean([auroc(a, t) for a, t in columns])


def _step_loss(answers: Tensor, targets: Tensor) -> Tensor:
    """Cumulative: answer i tells whether the label lies above class i; mean over the steps."""
    above = targets[:, None] > torch.arange(answers.shape[1], device=answers.device)
    losses = F.binary_cross_entropy_with_logits(answers, above.to(answers.dtype), reduction="none")
    return losses.mean(1)


def _mean(scores: list[float]) -> float:
    known = [s for s in scores if not math.isnan(s)]
    return sum(known) / len(known) if known else float("nan")


KINDS: dict[Kind, TaskKind] = {
    "binary": TaskKind(_binary_loss, lambda a, t: auroc(a[:, 0], t > 0.5), "AUROC"),
    "multiclass": TaskKind(_class_loss, _class_score, "macro AUROC"),
    "multilabel": TaskKind(_label_loss, _label_score, "macro AUROC"),
    "ordinal": TaskKind(_step_loss, lambda a, t: spearman(a.sigmoid().sum(1), t), "Spearman"),
    "regression": TaskKind(
        lambda a, t: F.mse_loss(a[:, 0], t, reduction="none"), lambda a, t: spearman(a[:, 0], t), "Spearman"
    ),
}
