"""The one training entry: a thin layer on Lightning that stops early, keeps the best weights and resumes.

Everything random in an epoch follows from the seed and the number of the epoch alone, and the learning rate
from the curve so far; so a training that was stopped goes on as if it had never been.
"""

from __future__ import annotations

import math
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.utils.data import DataLoader

from histopress.core.curve import Epoch, Schedule, as_csv, best, finished, learning_rate
from histopress.core.errors import RunError
from histopress.core.files import whole, write_whole
from histopress.core.manners import deterministic_kernels, interruptible, quiet
from histopress.core.progress import Progress, progress

STATE_FILE = "last.pt"
LOG_FILE = "log.csv"


class Learner(nn.Module, ABC):
    """A module that knows its own loss, so that `fit` need not know what it learns."""

    @abstractmethod
    def losses(self, batch: Any) -> Tensor:
        """(elements,) loss of each element of a batch, differentiable.

        Training minimises their mean over a batch, tuning watches their mean over all batches.
        """

    def decayed(self) -> Iterable[nn.Parameter]:
        """The parameters that weight decay pulls towards zero: matrices and kernels, not biases or scales."""
        return (p for p in self.parameters() if p.ndim > 1)


@dataclass(frozen=True)
class FitRecipe:
    """How to train.

    Attributes:
        epochs: at most this many passes over the training part.
        patience: stop after this many epochs without a lower tuning loss.
        lr: highest learning rate.
        weight_decay: of the optimiser; decoupled for adamw, an L2 penalty for adam.
        seed: of everything random.
        optimizer: adamw or adam.
        schedule: of the learning rate, see `curve.learning_rate`.
        clip: largest norm of the gradient; 0 for no limit.
        precision: 32-true or bf16-mixed.
        device: auto (a GPU where there is one), cpu or gpu.
    """

    epochs: int
    patience: int
    lr: float
    weight_decay: float
    seed: int
    optimizer: Literal["adamw", "adam"] = "adamw"
    schedule: Schedule = "cosine"
    clip: float = 1.0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    device: Literal["auto", "cpu", "gpu"] = "auto"


@dataclass(frozen=True)
class FitResult:
    """What came of it.

    Attributes:
        best: the epoch whose weights were kept.
        curve: all epochs in order.
    """

    best: Epoch
    curve: tuple[Epoch, ...]


def fit(
    learner: Learner,
    train_loader: DataLoader[Any],
    tuning_loader: DataLoader[Any] | None,
    recipe: FitRecipe,
    folder: Path,
    *,
    bar: Progress | None = None,
    save_seconds: float = 10.0,
) -> FitResult:
    """Train, and leave the weights of the best epoch in the learner.

    Keeps `last.pt` (to resume from) and `log.csv` (the curve) in the folder. Called again, it goes on where
    it was stopped; called after the end, it only loads the best weights. The caller's random numbers stay
    as they were.

    Args:
        learner: on the CPU, with the weights to start from.
        train_loader: a generator of its own, if it has one, is seeded anew in every epoch.
        tuning_loader: chooses the best epoch and ends the training; without it the last epoch is kept.
        recipe: how to train.
        folder: belongs to this training alone.
        bar: told of every epoch, `recipe.epochs` in all; without it one is shown.
        save_seconds: the state is written no more often than this, and at the end.

    Raises:
        RunError: the loss is no finite number, or the folder holds the state of another training.
    """
    if bar is None:
        with progress("training", recipe.epochs, "epochs") as own:
            return fit(
                learner, train_loader, tuning_loader, recipe, folder, bar=own, save_seconds=save_seconds
            )
    keeper = _Keeper(learner, train_loader, recipe, folder, bar)
    keeper.tuned, keeper.seconds = tuning_loader is not None, save_seconds
    keeper.resume()
    if not keeper.finished:
        with isolate_rng(), deterministic_kernels(), quiet(), interruptible():
            _trainer(recipe, keeper).fit(_Module(learner, recipe), train_loader, tuning_loader)
        keeper.save()
    bar.advance(recipe.epochs - len(keeper.curve))
    learner.load_state_dict(keeper.best_weights)
    return FitResult(best(keeper.curve, keeper.tuned), tuple(keeper.curve))


def _trainer(recipe: FitRecipe, keeper: _Keeper) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=recipe.epochs - len(keeper.curve),
        accelerator=recipe.device,
        devices=1,
        precision=recipe.precision,
        gradient_clip_val=recipe.clip or None,
        callbacks=[keeper],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )


class _Module(pl.LightningModule):
    """A learner as Lightning wants it; gathers the losses of an epoch."""

    def __init__(self, learner: Learner, recipe: FitRecipe) -> None:
        super().__init__()
        self.learner = learner
        self.recipe = recipe
        self.train_losses: list[Tensor] = []
        self.tuning_losses: list[Tensor] = []

    def training_step(self, batch: Any, index: int) -> Tensor:
        losses = self.learner.losses(batch)
        self.train_losses.append(losses.detach())
        return losses.mean()

    def validation_step(self, batch: Any, index: int) -> None:
        self.tuning_losses.append(self.learner.losses(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        decayed = list(self.learner.decayed())
        chosen = {id(p) for p in decayed}
        free = [p for p in self.learner.parameters() if id(p) not in chosen]
        groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": self.recipe.weight_decay},
            {"params": free, "weight_decay": 0.0},
        ]
        kinds: dict[str, type[torch.optim.Optimizer]] = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
        return kinds[self.recipe.optimizer](groups, lr=self.recipe.lr)  # type: ignore[call-arg]


class _Keeper(pl.Callback):
    """Seeds every epoch, sets its learning rate, writes down the curve, keeps the best weights, stops."""

    def __init__(
        self, learner: Learner, loader: DataLoader[Any], recipe: FitRecipe, folder: Path, bar: Progress
    ) -> None:
        self.learner, self.loader, self.recipe, self.folder, self.bar = learner, loader, recipe, folder, bar
        self.tuned = True
        self.seconds = 0.0
        self.curve: list[Epoch] = []
        self.weights: dict[str, Tensor] = {}
        self.best_weights: dict[str, Tensor] = {}
        self.optimizer: dict[str, Any] = {}
        self.saved = time.monotonic()

    @property
    def finished(self) -> bool:
        return finished(self.curve, self.recipe.epochs, self.recipe.patience, self.tuned)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.optimizer:
            trainer.optimizers[0].load_state_dict(self.optimizer)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._seed()

    def _seed(self) -> None:
        """Seed the epoch to come; Lightning starts to load its batches before any hook of that epoch."""
        seed = int(np.random.SeedSequence([self.recipe.seed, len(self.curve)]).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        if isinstance(self.loader.generator, torch.Generator):
            self.loader.generator.manual_seed(seed)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        lr = learning_rate(self.recipe.schedule, self.recipe.lr, self.recipe.epochs, self.curve)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = lr

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, _Module)
        optimizer = trainer.optimizers[0]
        self._add(pl_module, float(optimizer.param_groups[0]["lr"]))
        self.weights = {n: w.detach().to("cpu", copy=True) for n, w in self.learner.state_dict().items()}
        self.optimizer = optimizer.state_dict()
        if best(self.curve, self.tuned) is self.curve[-1]:
            self.best_weights = self.weights
        if time.monotonic() - self.saved >= self.seconds:
            self.save()
        self.bar.advance(1, f"tuning loss {self.curve[-1].tuning:.3f}")
        trainer.should_stop = self.finished
        self._seed()

    def _add(self, module: _Module, lr: float) -> None:
        train = _mean(module.train_losses)
        tuning = _mean(module.tuning_losses) if self.tuned else train
        self.curve.append(Epoch(len(self.curve), train, tuning, lr))
        if not (math.isfinite(train) and math.isfinite(tuning)):
            raise RunError(
                f"the loss is {train} (training) and {tuning} (tuning) in epoch {len(self.curve)}, expected "
                f"finite numbers; look for extreme values in the input, or use a lower lr than {lr:g}"
            )

    def save(self) -> None:
        """Write the state and the curve."""
        state = {
            "recipe": asdict(self.recipe),
            "curve": [asdict(e) for e in self.curve],
            "weights": self.weights,
            "best_weights": self.best_weights,
            "optimizer": self.optimizer,
        }
        with whole(self.folder / STATE_FILE) as partial:
            torch.save(state, partial)
        write_whole(self.folder / LOG_FILE, as_csv(self.curve))
        self.saved = time.monotonic()

    def resume(self) -> None:
        """Take up the state in the folder, if there is one."""
        path = self.folder / STATE_FILE
        if not path.exists():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        fits = _shapes(state["weights"]) == _shapes(self.learner.state_dict())
        if not fits or state["recipe"] != asdict(self.recipe):
            raise RunError(f"{path} is the state of another training; delete it to train anew")
        self.curve = [Epoch(**e) for e in state["curve"]]
        self.weights, self.best_weights = state["weights"], state["best_weights"]
        self.optimizer = state["optimizer"]
        self.learner.load_state_dict(self.weights)
        self.bar.advance(len(self.curve))


def _mean(losses: list[Tensor]) -> float:
    """Mean over the elements of all batches; empties the list."""
    mean = float(torch.cat(losses).double().mean())
    losses.clear()
    return mean


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in weights.items()}
