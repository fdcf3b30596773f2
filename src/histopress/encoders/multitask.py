"""One trunk, many labelled patch tasks: an encoder that learns from all of them at once.

Tiles of all tasks share a batch and the trunk; each task has a head of its own on the code. A single task is
plain supervised training. Extends Tellez et al., Extending Unsupervised Neural Image Compression With
Supervised Multitask Learning, MIDL 2020, arXiv 2004.07041.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from histopress.core.learner import Judgement
from histopress.data.patch_task import PatchTask
from histopress.data.patches import PatchSet
from histopress.encoders.encoder import NetworkEncoder
from histopress.encoders.network import ImageNetwork, scaled
from histopress.encoders.task_batches import TaskBatch
from histopress.encoders.task_kinds import KINDS
from histopress.encoders.tile_learner import Augment, TileLearner
from histopress.encoders.train_encoder_recipe import Weighting


@dataclass(frozen=True)
class MultitaskRecipe:
    """How the losses of several tasks become one.

    Attributes:
        weighting: equal; or uncertainty, where the loss of each task is divided by a variance that is
            learned with it (Kendall, Gal and Cipolla, CVPR 2018).
        hidden: units of a hidden layer in each head; 0 for linear heads: codes then end linearly separable.
        consistency: weight of 1 - cosine between the codes of a tile and of that tile turned or mirrored.
        teaching: weight of the squared error to the codes of a teacher, standardised.
    """

    weighting: Weighting = "equal"
    hidden: int = 0
    consistency: float = 0.0
    teaching: float = 1.0


class MultitaskLearner(TileLearner):
    """A trunk with one head a task.

    Args:
        network: the trunk; learns in place.
        sets: the tasks; only their descriptions and training targets are looked at.
        recipe: how the losses of several tasks become one.
        augment: alters images in training, which may already be means of blocks: see `blocks_before`.
        teacher: an encoder for tiles of the same size and spacing, whose codes are learned as well: of tiles
            in any orientation, so that the mean over orientations is what can be learned of them.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        network: ImageNetwork,
        sets: Sequence[PatchSet],
        recipe: MultitaskRecipe,
        augment: Augment | None = None,
        teacher: NetworkEncoder | None = None,
    ) -> None:
        super().__init__(network, augment)
        self.recipe = recipe
        self.tasks = [s.task for s in sets]
        self.heads = nn.ModuleList(_head(network.dim, recipe.hidden, t.outputs) for t in self.tasks)
        self.log_variances = nn.Parameter(torch.zeros(len(sets)), recipe.weighting == "uncertainty")
        mean, deviation = zip(*(_scale_of(s) for s in sets), strict=True)
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))
        self.pupil = None if teacher is None else _Pupil(network.dim, teacher)
        self.shrunk = blocks_before(network, teacher)
        self.answers: list[tuple[TaskBatch, Tensor]] = []
        self.spent: list[list[Tensor]] = [[] for _ in sets]

    def losses(self, batch: TaskBatch) -> Tensor:
        """(n,) loss of each tile of a batch of any tasks; without a label it only serves the other losses."""
        images = batch.tiles.permute(0, 3, 1, 2).float() / 255
        if self.shrunk > 1:
            images = F.avg_pool2d(images, self.shrunk)
        if self.training and self.augment is not None:
            images = self.augment(images, generator=self.draws())
        codes = self.network.codes(scaled(images, self.network.pixels, self.shrunk))
        losses, answers = self._task_losses(codes, batch)
        if not self.training:
            self.answers.append((batch, answers.float()))
            return losses
        if self.recipe.consistency:
            losses = losses + self.recipe.consistency * self._turned_apart(images, codes)
        if self.pupil is not None:
            losses = losses + self.recipe.teaching * self.pupil(images, codes, self.shrunk)
        return losses

    def _task_losses(self, codes: Tensor, batch: TaskBatch) -> tuple[Tensor, Tensor]:
        """(n,) losses, and (n, widest) answers of the head of each tile's own task."""
        losses = codes.new_zeros(len(codes), dtype=torch.float32)
        answers = codes.new_zeros(len(codes), max(t.outputs for t in self.tasks), dtype=torch.float32)
        for t, (task, head) in enumerate(zip(self.tasks, self.heads, strict=True)):
            mine = (batch.tasks == t).nonzero()[:, 0]
            if not len(mine):
                continue
            answer = head(codes[mine]).float()
            targets = self._targets(t, batch.targets[mine])
            known = _known(targets)
            loss = KINDS[task.kind].loss(answer[known], targets[known])
            answers[mine, : task.outputs] = answer
            losses[mine[known]] = self._weighted(t, loss)
            if self.training:
                self.spent[t].append(loss.detach())
        return losses, answers

    def _targets(self, t: int, targets: Tensor) -> Tensor:
        task = self.tasks[t]
        if task.kind == "multilabel":
            return targets[:, : task.outputs]
        return (targets[:, 0] - self.mean[t]) / self.deviation[t]

    def _weighted(self, t: int, loss: Tensor) -> Tensor:
        if not self.log_variances.requires_grad:
            return loss
        return loss * torch.exp(-self.log_variances[t]) + self.log_variances[t] / 2

    def _turned_apart(self, images: Tensor, codes: Tensor) -> Tensor:
        """1 - cosine between codes of images and of the same images in another orientation."""
        which = int(torch.randint(1, 8, ()))
        other = torch.rot90(images.flip(3) if which >= 4 else images, which % 4, (2, 3))
        apart: Tensor = 1 - F.cosine_similarity(
            self.network.codes(scaled(other, self.network.pixels, self.shrunk)).float(), codes.float()
        )
        return apart

    def judgement(self) -> Judgement | None:
        """1 - the mean over tasks of their tuning scores; and loss and score of each task."""
        scores = self.scores()
        known = [s for s in scores.values() if not math.isnan(s)]
        parts = {}
        for t, task in enumerate(self.tasks):
            losses, self.spent[t] = self.spent[t], []
            parts[f"{task.name} train loss"] = float(torch.cat(losses).mean()) if losses else math.nan
            parts[f"{task.name} {KINDS[task.kind].scored_by}"] = scores[task.name]
        return Judgement(1 - sum(known) / len(known), parts) if known else None

    def scores(self) -> dict[str, float]:
        """The score of each task over the batches seen since the last call, outside of training."""
        seen, self.answers = self.answers, []
        found = {}
        for t, task in enumerate(self.tasks):
            mine = [(b.tasks == t, b.targets, a) for b, a in seen]
            answers = torch.cat([a[m][:, : task.outputs] for m, _, a in mine])
            targets = self._targets(t, torch.cat([targets[m] for m, targets, _ in mine]))
            known = _known(targets)
            found[task.name] = KINDS[task.kind].score(answers[known], targets[known])
        return found


class _Pupil(nn.Module):
    """Reads the codes of a teacher from codes."""

    def __init__(self, dim: int, teacher: NetworkEncoder) -> None:
        super().__init__()
        assert isinstance(teacher.network, ImageNetwork)
        self.teacher = [teacher.network.eval()]  # in a list: its weights are not part of what is learned
        self.read = nn.Linear(dim, teacher.card.dim)
        self.standard = nn.BatchNorm1d(teacher.card.dim, affine=False)

    def forward(self, images: Tensor, codes: Tensor, shrunk: int) -> Tensor:
        """(n,) mean squared error to the standardised codes of the teacher."""
        teacher = self.teacher[0].to(images.device)
        with torch.no_grad():
            wanted = teacher.codes(scaled(images, teacher.pixels, shrunk))
        errors: Tensor = (self.read(codes).float() - self.standard(wanted.float())).square().mean(1)
        return errors


def blocks_before(network: ImageNetwork, teacher: NetworkEncoder | None) -> int:
    """Side of the blocks of px that may be averaged before tiles are altered, which saves most of the work.

    An augmentation for tiles of full size must be told: `AugmentRecipe.shrunk`.
    """
    if teacher is None:
        return network.pixels.shrink
    assert isinstance(teacher.network, ImageNetwork)
    return math.gcd(network.pixels.shrink, teacher.network.pixels.shrink)


def _known(targets: Tensor) -> Tensor:
    """(n,) whether anything is known of a tile, from (n,) or (n, classes) targets."""
    return ~(targets.isnan() if targets.ndim == 1 else targets.isnan().all(1))


def _head(dim: int, hidden: int, outputs: int) -> nn.Module:
    if not hidden:
        return nn.Linear(dim, outputs)
    return nn.Sequential(
        nn.Linear(dim, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, outputs)
    )


def _scale_of(found: PatchSet) -> tuple[float, float]:
    """Mean and deviation of numbers in the training part; 0 and 1 for classes."""
    task: PatchTask = found.task
    if task.kind != "regression":
        return 0.0, 1.0
    known = found.targets[found.rows("train")]
    known = known[~np.isnan(known)]
    return float(known.mean()), float(known.std()) or 1.0
