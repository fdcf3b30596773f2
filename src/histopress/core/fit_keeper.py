"""What happens around the epochs of a training: seeds, learning rate, curve, best weights, state, end."""

from __future__ import annotations

import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from histopress.core.curve import Epoch, as_csv, best, learning_rate
from histopress.core.errors import RunError
from histopress.core.files import write_whole
from histopress.core.fit_logs import Events
from histopress.core.fit_module import FitModule
from histopress.core.fit_pace import Feed
from histopress.core.fit_ranks import same_buffers, seed_loader
from histopress.core.fit_recipe import FitResources
from histopress.core.fit_state import FitState
from histopress.core.learner import Judgement, Learner
from histopress.core.progress import Progress

LOG_FILE = "log.csv"
NOTE_SECONDS = 1.0


class Keeper(pl.Callback):
    """Seeds every epoch, sets its learning rate, writes down the curve, keeps the best weights, stops."""

    def __init__(
        self,
        *,
        learner: Learner,
        feed: Feed,
        state: FitState,
        resources: FitResources,
        folder: Path,
        bar: Progress,
        seconds: float,
    ) -> None:
        self.learner, self.feed, self.state, self.bar = learner, feed, state, bar
        self.resources, self.folder, self.seconds = resources, folder, seconds
        self.saved = self.noted = time.monotonic()
        self.events: Events | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Have every epoch seeded as its first batch is asked for, which is before any hook of an epoch."""
        self.feed.begin = partial(self._seed, trainer.global_rank)
        if trainer.is_global_zero and "tensorboard" in self.resources.logs:
            self.events = Events(self.folder, len(self.state.curve))

    def _seed(self, rank: int) -> None:
        """Seed the epoch to come."""
        seed_loader(self.feed.loader, self.state.recipe.seed, len(self.state.curve), rank)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take up the optimiser where it was."""
        if self.state.optimizer:
            trainer.optimizers[0].load_state_dict(self.state.optimizer)
            trainer.precision_plugin.load_state_dict(self.state.scaler)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the learning rate, and tell the learner."""
        recipe, curve = self.state.recipe, self.state.curve
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = learning_rate(recipe.schedule, recipe.lr, recipe.epochs, curve, recipe.milestones)
        self.learner.begin_epoch(len(curve), recipe.epochs)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the time, and tell now and then how far a long epoch has come."""
        if trainer.is_last_batch and pl_module.device.type == "cuda":
            torch.cuda.synchronize()
        self.feed.stamp()
        if time.monotonic() - self.noted >= NOTE_SECONDS:
            self.noted = time.monotonic()
            self.bar.advance(0, self._note(batch_idx + 1, trainer.num_training_batches))

    def _note(self, done: int, batches: float) -> str:
        """How far a long epoch has come."""
        epoch = len(self.state.curve) + 1
        if not math.isfinite(batches):
            return f"epoch {epoch}, batch {done}"
        left = self.feed.seconds / done * (batches - done)
        return f"epoch {epoch}, batch {done} of {batches}, {left:.0f} s to its end"

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let all processes judge the same network."""
        if trainer.world_size > 1:
            same_buffers(self.learner)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the epoch down, keep the weights if they are the best."""
        assert isinstance(pl_module, FitModule)
        if trainer.world_size > 1:
            same_buffers(self.learner)
        state = self.state
        state.curve.append(trainer.strategy.broadcast(self._epoch(trainer, pl_module)))
        self._check(state.curve[-1])
        state.weights = {n: w.detach().to("cpu", copy=True) for n, w in self.learner.state_dict().items()}
        state.optimizer = trainer.optimizers[0].state_dict()
        state.scaler = trainer.precision_plugin.state_dict()
        if best(state.curve, state.tuned) is state.curve[-1]:
            state.best_weights = state.weights
        if trainer.is_global_zero:
            self._write_down(state.curve[-1])
        trainer.should_stop = state.finished

    def _epoch(self, trainer: pl.Trainer, module: FitModule) -> Epoch:
        """What this process knows of the epoch that has ended; what the first one knows holds."""
        train, elements, tuning = module.summed_up()
        judged = module.judgement or Judgement(tuning if self.state.tuned else train)
        return Epoch(
            epoch=len(self.state.curve),
            train=train,
            tuning=float(judged.tuning),
            lr=float(trainer.optimizers[0].param_groups[0]["lr"]),
            parts={name: float(value) for name, value in judged.parts.items()},
            waiting=self.feed.waiting,
            speed=elements / self.feed.seconds,
        )

    def _check(self, epoch: Epoch) -> None:
        if not (math.isfinite(epoch.train) and math.isfinite(epoch.tuning)):
            raise RunError(
                f"the loss is {epoch.train} (training) and {epoch.tuning} (tuning) in epoch "
                f"{epoch.epoch + 1}, expected finite numbers; look for extreme values in the input, or use a "
                f"lower lr than {epoch.lr:g}"
            )

    def _write_down(self, epoch: Epoch) -> None:
        if self.events is not None:
            self.events.add(epoch)
        if time.monotonic() - self.saved >= self.seconds:
            self.save()
        self.noted = time.monotonic()
        self.bar.advance(1, f"tuning loss {epoch.tuning:.3f}")

    def save(self) -> None:
        """Write the state and the curve."""
        self.state.save(self.folder)
        if "csv" in self.resources.logs:
            write_whole(self.folder / LOG_FILE, as_csv(self.state.curve))
        self.saved = time.monotonic()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save; nobody goes on before the first process has."""
        if trainer.is_global_zero:
            self.save()
        self._close()
        trainer.strategy.barrier()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave whole logs behind."""
        self._close()

    def _close(self) -> None:
        if self.events is not None:
            self.events.close()
            self.events = None
