"""A network under test as `fit` trains it, and what it answers."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from histopress.core.fit_recipe import Precision
from histopress.core.learner import Judgement, Learner
from histopress.studies.end_to_end_pictures import Batch
from histopress.studies.end_to_end_recipe import EndToEndRecipe
from histopress.studies.end_to_end_result import Answers
from histopress.studies.patchnets import Patchnet, prepare

MIXED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class PictureLearner(Learner):
    """Cross-entropy of a network, judged by how many pictures of the tuning part it gets wrong.

    The judgement is that number plus what is left of its mean loss when squeezed into 0 to 1: the fewer wrong
    the better, and among as many wrong the lower loss. It is below n + 1 if and only if n or fewer are wrong.

    Args:
        net: that learns.
        recipe: settings. With quirks, losses in training are a share smaller, as the published ones were.
    """

    def __init__(self, net: Patchnet, recipe: EndToEndRecipe) -> None:
        super().__init__()
        self.net = net
        self.share = recipe.together / recipe.accumulate if recipe.quirks else 1.0
        self.train_right: list[Tensor] = []
        self.tuning_right: list[Tensor] = []
        self.tuning_losses: list[Tensor] = []
        net.checkpointing = recipe.checkpointing
        if recipe.compile:
            torch.compiler.reset()  # networks before this one count against its limit of variants
            net.compile(dynamic=False)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Forget the epoch before."""
        for gathered in (self.train_right, self.tuning_right, self.tuning_losses):
            gathered.clear()

    def losses(self, batch: Batch) -> Tensor:
        """(batch,) cross-entropies."""
        pictures, labels = batch
        logits = self.net(prepare(pictures, self.net.recipe)).float()
        losses = F.cross_entropy(logits, labels, reduction="none")
        right = logits.detach().argmax(1) == labels
        if self.training:
            self.train_right.append(right)
            return losses * self.share
        self.tuning_right.append(right)
        self.tuning_losses.append(losses)
        return losses

    def judgement(self) -> Judgement:
        """See the class; the train accuracy is that of the pictures just trained with, while training."""
        right, loss = torch.cat(self.tuning_right), float(torch.cat(self.tuning_losses).double().mean())
        wrong = len(right) - int(right.sum())
        told = {
            "train_accuracy": float(torch.cat(self.train_right).double().mean()),
            "tuning_accuracy": 1 - wrong / len(right),
            "tuning_loss": loss,
        }
        return Judgement(wrong + loss / (1 + loss), told)


@torch.no_grad()
def answers(net: Patchnet, batches: Iterable[Batch], device: torch.device, precision: Precision) -> Answers:
    """What a network says of pictures, in evaluation mode, on a device and as precisely as it was trained."""
    net.to(device).eval()
    found, truth = [], []
    with torch.autocast(device.type, MIXED.get(precision), enabled=precision in MIXED):
        for pictures, labels in batches:
            logits = net(prepare(pictures.to(device), net.recipe))
            found.append(logits.float().softmax(1).cpu())
            truth.append(labels)
    return Answers(torch.cat(truth).numpy(), torch.cat(found).double().numpy())
