"""A learner as Lightning wants it."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from histopress.core.fit_recipe import FitRecipe
from histopress.core.learner import Judgement, Learner

MOMENTUM = 0.9


class FitModule(pl.LightningModule):
    """Hands batches to a learner; gathers the losses of an epoch, and how the learner judges it.

    Of several processes each has a parameter that nothing uses: without any, torch prints a warning that the
    search for such parameters was in vain.
    """

    def __init__(self, learner: Learner, recipe: FitRecipe, processes: int = 1) -> None:
        super().__init__()
        self.learner = learner
        self.recipe = recipe
        self.idle = nn.Parameter(torch.zeros(1)) if processes > 1 else None
        self.train_losses: list[Tensor] = []
        self.tuning_losses: list[Tensor] = []
        self.judgement: Judgement | None = None

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Mean loss of a batch."""
        losses = self.learner.losses(batch)
        self.train_losses.append(losses.detach())
        return losses.mean()

    def validation_step(self, batch: Any, index: int) -> None:
        """Losses of a batch of the tuning part."""
        self.tuning_losses.append(self.learner.losses(batch))

    def on_validation_epoch_end(self) -> None:
        """Let the learner judge."""
        self.judgement = self.learner.judgement()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser, with weight decay where the learner wants it."""
        decayed = list(self.learner.decayed())
        chosen = {id(p) for p in decayed}
        free = [p for p in self.learner.parameters() if id(p) not in chosen]
        groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": self.recipe.weight_decay},
            {"params": free, "weight_decay": 0.0},
        ]
        return _optimizer(groups, self.recipe)

    def summed_up(self) -> tuple[float, int, float]:
        """Mean training loss and number of elements, over all processes, and mean tuning loss; once."""
        train, elements = torch.cat(self.train_losses).double(), sum(map(len, self.train_losses))
        tuning = float(torch.cat(self.tuning_losses).double().mean()) if self.tuning_losses else 0.0
        self.train_losses.clear()
        self.tuning_losses.clear()
        if self.trainer.world_size == 1:
            return float(train.mean()), elements, tuning
        total = self.trainer.strategy.reduce(
            torch.stack([train.sum(), train.new_tensor(elements)]), reduce_op="sum"
        )
        return float(total[0] / total[1]), int(total[1]), tuning


def _optimizer(groups: list[dict[str, Any]], recipe: FitRecipe) -> torch.optim.Optimizer:
    """The optimiser of a recipe; what it does not name is as torch has it."""
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=MOMENTUM)
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=recipe.lr, eps=recipe.eps)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=recipe.lr, eps=recipe.eps)
