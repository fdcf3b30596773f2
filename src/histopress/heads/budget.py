"""What a training will take, told before it starts: a batch is tried, and the rest is arithmetic."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from histopress.heads.fold import FoldTraining

TRIED = 2
"""Batches of the first fold that are tried; the first one only warms up where there are more."""


@dataclass(frozen=True)
class Budget:
    """Time and memory to expect.

    Attributes:
        heads: to be trained.
        epochs: of each at most.
        seconds: of an epoch, by the batches that were timed.
        grids_gb: what all grids of a train part take in memory.
        kept_gb: so much of them is kept there.
        batch_gb: the codes of the largest batch that was tried; a head takes several times as much.
    """

    heads: int
    epochs: int
    seconds: float
    grids_gb: float
    kept_gb: float
    batch_gb: float

    @property
    def text(self) -> str:
        """For people."""
        most = self.seconds * self.epochs * self.heads
        kept = "all" if self.kept_gb >= self.grids_gb else f"{self.kept_gb:.2g} GB"
        heads = f"{self.heads} heads" if self.heads > 1 else "1 head"
        return (
            f"{heads} of at most {self.epochs} epochs, about {_time(self.seconds)} each: "
            f"{_time(most)} at most; grids of {self.grids_gb:.2g} GB, {kept} kept in memory; "
            f"codes of a batch {self.batch_gb:.2g} GB"
        )


def budget(trainings: Sequence[FoldTraining]) -> Budget:
    """Try a few batches of the first fold; nothing of it is kept.

    Args:
        trainings: all that is to be trained, of one recipe.
    """
    first = trainings[0]
    recipe = first.recipe
    learner, loader, tuned = first.trial()
    size, seconds, started = 0, [], time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        for number, batch in enumerate(loader):
            torch.autograd.backward(learner.train().losses(batch).mean())
            seconds.append(time.perf_counter() - started)
            size, started = max(size, batch.features.nbytes), time.perf_counter()
            if number + 1 == TRIED:
                break
    a_case = seconds[-1] * len(loader) / max(1, len(first.survey.sizes))
    grids = first.survey.nbytes / 2**30
    return Budget(
        heads=len(trainings) * (1 + recipe.search),
        epochs=recipe.epochs,
        seconds=seconds[-1] * len(loader) + a_case / 3 * tuned,
        grids_gb=grids,
        kept_gb=min(grids, first.resources.cache_gb),
        batch_gb=size / 2**30,
    )


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
