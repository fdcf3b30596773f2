"""The one training entry: a thin layer on Lightning that stops early, keeps the best weights and resumes.

Everything random in an epoch follows from the seed and the number of the epoch alone, and the learning rate
from the curve so far; so a training that was stopped goes on as if it had never been.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.seed import isolate_rng
from torch.utils.data import DataLoader

from histopress.core.curve import Epoch, best
from histopress.core.errors import RunError
from histopress.core.fit_keeper import LOG_FILE, Keeper
from histopress.core.fit_logs import check_logs
from histopress.core.fit_module import FitModule
from histopress.core.fit_pace import Feed
from histopress.core.fit_ranks import dealt, launched, rank
from histopress.core.fit_recipe import FitRecipe, FitResources
from histopress.core.fit_spawn import Mute, spawn
from histopress.core.fit_state import STATE_FILE, FitState
from histopress.core.learner import Judgement, Learner
from histopress.core.manners import deterministic_kernels, interruptible, quiet
from histopress.core.progress import Progress, progress

__all__ = [
    "LOG_FILE",
    "STATE_FILE",
    "FitRecipe",
    "FitResources",
    "FitResult",
    "Judgement",
    "Learner",
    "fit",
]


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
    resources: FitResources | None = None,
    bar: Progress | None = None,
    save_seconds: float = 10.0,
) -> FitResult:
    """Train, and leave the weights of the best epoch in the learner.

    Keeps `last.pt` (to resume from) and `log.csv` (the curve) in the folder. Called again, it goes on where
    it was stopped, that is after the last whole epoch; called after the end, it only loads the best weights.
    The caller's random numbers stay as they were.

    Args:
        learner: on the CPU, with the weights to start from.
        train_loader: a generator of its own, if it has one, is seeded anew in every epoch. With workers that
            persist, what they draw would not be.
        tuning_loader: chooses the best epoch and ends the training; without it the last epoch is kept.
        recipe: how to train.
        folder: belongs to this training alone.
        resources: what to train on; without them one process.
        bar: told of every epoch, `recipe.epochs` in all, and within long ones how far they have come; without
            it one is shown.
        save_seconds: the state is written no more often than this, and at the end.

    Raises:
        RunError: the loss is no finite number, the folder holds the state of another training, or there are
            not the devices that are asked for.
        MissingExtraError: a log is asked for that cannot be written.
    """
    resources = resources or FitResources()
    _check(recipe, resources)
    if bar is None and rank() == 0:
        with progress("training", recipe.epochs, "epochs") as own:
            return fit(
                learner, train_loader, tuning_loader, recipe, folder,
                resources=resources, bar=own, save_seconds=save_seconds,
            )  # fmt: skip
    work = _Work(learner, train_loader, tuning_loader, recipe, folder, resources, save_seconds)
    shown = bar or Mute()
    state = work.state()
    shown.advance(len(state.curve))
    if not state.finished:
        state = work.done(state, shown)
    shown.advance(recipe.epochs - len(state.curve))
    learner.load_state_dict(state.best_weights)
    return FitResult(best(state.curve, state.tuned), tuple(state.curve))


def _check(recipe: FitRecipe, resources: FitResources) -> None:
    """Find out before the training whether it can be done as asked."""
    check_logs(resources.logs)
    gpus, wanted = torch.cuda.device_count(), f"devices = {resources.devices}, nodes = {resources.nodes}"
    if min(resources.devices, resources.nodes, recipe.accumulate) < 1:
        raise RunError(f"{wanted}, accumulate = {recipe.accumulate}: expected at least 1 of each")
    if recipe.precision == "16-mixed" and not _on_gpu(recipe):
        raise RunError("precision 16-mixed needs a GPU and there is none in use; take bf16-mixed or 32-true")
    if _on_gpu(recipe) and resources.devices > gpus:
        raise RunError(f"{wanted}, and this machine has {gpus} GPUs; ask for so many, or set device to cpu")
    if resources.nodes > 1 and launched() == 1:
        raise RunError(f"{wanted}: start a training on several machines with torchrun or SLURM")
    if launched() not in (1, resources.processes):
        raise RunError(f"{wanted}, and {launched()} processes were started; expected their product")


def _on_gpu(recipe: FitRecipe) -> bool:
    return recipe.device == "gpu" or (recipe.device == "auto" and torch.cuda.is_available())


@dataclass(frozen=True)
class _Work:
    """All that a process needs to train, alone or with others; pickles."""

    learner: Learner
    train_loader: DataLoader[Any]
    tuning_loader: DataLoader[Any] | None
    recipe: FitRecipe
    folder: Path
    resources: FitResources
    save_seconds: float

    def state(self) -> FitState:
        """As it lies in the folder, or that of a training not yet begun."""
        state = FitState(self.recipe, self.resources.processes, self.tuning_loader is not None)
        state.load(self.folder, self.learner)
        return state

    def done(self, state: FitState, bar: Progress) -> FitState:
        """Train from a state to the end."""
        if self.resources.processes == 1 or launched() > 1:
            _train(self, state, bar)
            return state
        spawn(_train_among, self, self.resources.processes, "nccl" if _on_gpu(self.recipe) else "gloo", bar)
        return self.state()


def _train_among(work: _Work, bar: Progress) -> None:
    """Train as one of several processes on this machine.

    The weights arrive in memory that all processes share, so each takes a copy of its own.
    """
    state = work.state()
    own = _Work(**{**vars(work), "learner": copy.deepcopy(work.learner)})
    _train(own, state, bar)


def _train(work: _Work, state: FitState, bar: Progress) -> None:
    """Train from a state to the end, in this process."""
    if state.weights:
        work.learner.load_state_dict(state.weights)
    with isolate_rng(), deterministic_kernels(), quiet(), interruptible():
        trainer = _trainer(work, len(state.curve))
        feed = Feed(dealt(work.train_loader, trainer.global_rank, trainer.world_size))
        keeper = Keeper(
            learner=work.learner,
            feed=feed,
            state=state,
            resources=work.resources,
            folder=work.folder,
            bar=bar,
            seconds=work.save_seconds,
        )
        trainer.callbacks.append(keeper)  # type: ignore[attr-defined]
        module = FitModule(work.learner, work.recipe, trainer.world_size)
        trainer.fit(module, feed, work.tuning_loader)


def _trainer(work: _Work, done: int) -> pl.Trainer:
    recipe, resources = work.recipe, work.resources
    alone = resources.processes == 1
    return pl.Trainer(
        max_epochs=recipe.epochs - done,
        accelerator=recipe.device,
        devices=resources.devices,
        num_nodes=resources.nodes,
        # a batch need not use all of a learner, for example not every task of several
        strategy="auto" if alone else DDPStrategy(find_unused_parameters=True),
        plugins=None if alone or launched() > 1 else [LightningEnvironment()],
        precision=recipe.precision,
        gradient_clip_val=recipe.clip or None,
        accumulate_grad_batches=recipe.accumulate,
        use_distributed_sampler=False,
        inference_mode=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
