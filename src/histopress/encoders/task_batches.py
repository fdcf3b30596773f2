"""Batches out of several patch sets at once: which task, which class, which tile, balanced as asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from histopress.core.errors import PatchError
from histopress.data.patch_task import Part
from histopress.data.patches import PatchSet
from histopress.encoders.train_encoder_recipe import Balance


class TaskBatch(NamedTuple):
    """Tiles of several tasks.

    Attributes:
        tiles: (n, tile, tile, 3) uint8.
        tasks: (n,) index of the task of each tile.
        targets: (n, widest) float32; the first entries are those of the tile's own task.
    """

    tiles: Tensor
    tasks: Tensor
    targets: Tensor


class TaskTiles(Dataset[TaskBatch]):
    """Several patch sets as one; an index is a whole batch of (task, row) pairs."""

    def __init__(self, sets: Sequence[PatchSet]) -> None:
        self.sets = sets
        self.targets = [s.targets.reshape(len(s.targets), -1) for s in sets]
        self.widest = max(t.shape[1] for t in self.targets)

    def __getitem__(self, pairs: NDArray[np.int64]) -> TaskBatch:
        side = self.sets[0].tiles.shape[1]
        tiles = np.empty((len(pairs), side, side, 3), np.uint8)
        targets = np.full((len(pairs), self.widest), np.nan, np.float32)
        for task in np.unique(pairs[:, 0]):
            mine = pairs[:, 0] == task
            rows, known = pairs[mine, 1], self.targets[task]
            tiles[mine] = self.sets[task].tiles[rows]
            targets[np.flatnonzero(mine)[:, None], np.arange(known.shape[1])] = known[rows]
        return TaskBatch(
            torch.from_numpy(tiles), torch.from_numpy(pairs[:, 0].copy()), torch.from_numpy(targets)
        )


def task_shares(sizes: Sequence[int], balance: Balance, temperature: float) -> NDArray[np.float64]:
    """Share of each task in a batch.

    Args:
        sizes: training tiles of each task.
        balance: equal shares; by size; or by size to the power of 1 / temperature, which lies between.
        temperature: 1 is by size, infinity is equal.
    """
    power = {"equal": 0.0, "size": 1.0, "temperature": 1 / temperature}[balance]
    shares = np.asarray(sizes, np.float64) ** power
    return np.asarray(shares / shares.sum())


def tile_shares(
    found: PatchSet, class_balance: float, unlabelled: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The training tiles of a set, and how often each is drawn.

    Args:
        found: the set.
        class_balance: 1 draws all classes alike, 0 draws all tiles alike.
        unlabelled: tiles without a label are drawn too, as a class of their own.

    Raises:
        PatchError: no tile of the training part has a label.
    """
    rows = found.rows("train")
    known = found.targets.reshape(len(found.targets), -1)[rows]
    labelled = ~np.isnan(known).all(1)
    if not unlabelled:
        rows, known = rows[labelled], known[labelled]
    if not len(rows):
        raise PatchError(f"{found.task.name} has no labelled tile to train on; look at its parts and labels")
    shares: NDArray[np.float64] = np.ones(len(rows))
    if found.task.kind in ("binary", "multiclass", "ordinal"):
        _, which, counts = np.unique(
            known[:, 0], return_inverse=True, return_counts=True
        )  # NaN counts as one
        shares = np.asarray(counts[which] ** -float(class_balance))
    return rows, shares / shares.sum()


@dataclass(frozen=True)
class Mixture:
    """What a batch is made of.

    Attributes:
        balance: between tasks, see `task_shares`.
        temperature: of it.
        class_balance: within a task, see `tile_shares`.
        unlabelled: tiles without a label are drawn too.
    """

    balance: Balance = "equal"
    temperature: float = 2.0
    class_balance: float = 1.0
    unlabelled: bool = False


class TaskSampler(Sampler[NDArray[np.int64]]):
    """Draws batches with replacement, so many of them an epoch, from its generator alone."""

    def __init__(
        self,
        sets: Sequence[PatchSet],
        mixture: Mixture,
        *,
        batch: int,
        updates: int,
        generator: torch.Generator,
    ) -> None:
        drawn = [tile_shares(s, mixture.class_balance, mixture.unlabelled) for s in sets]
        shares = task_shares([len(rows) for rows, _ in drawn], mixture.balance, mixture.temperature)
        pairs = [np.stack([np.full(len(rows), t), rows], 1) for t, (rows, _) in enumerate(drawn)]
        self.pairs = np.concatenate(pairs)
        chances = np.concatenate([s * share for s, (_, share) in zip(shares, drawn, strict=True)])
        self.edges = np.cumsum(chances)
        self.batch, self.updates, self.generator = batch, updates, generator

    def __len__(self) -> int:
        return self.updates

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        for _ in range(self.updates):
            chances = torch.rand(self.batch, generator=self.generator, dtype=torch.float64).numpy()
            found = np.searchsorted(self.edges, chances * self.edges[-1], side="right")
            yield self.pairs[np.minimum(found, len(self.pairs) - 1)]


class InOrder(Sampler[NDArray[np.int64]]):
    """Every labelled tile of a part once, task by task."""

    def __init__(self, sets: Sequence[PatchSet], part: Part, batch: int) -> None:
        rows = [s.rows(part) for s in sets]
        pairs = np.concatenate([np.stack([np.full(len(r), t), r], 1) for t, r in enumerate(rows)])
        self.batches = [pairs[i : i + batch] for i in range(0, len(pairs), batch)]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        return iter(self.batches)


def train_loader(
    sets: Sequence[PatchSet], mixture: Mixture, *, batch: int, updates: int, workers: int = 0
) -> DataLoader[TaskBatch]:
    """Batches to train on; `fit` seeds its generator anew in every epoch."""
    generator = torch.Generator()
    sampler = TaskSampler(sets, mixture, batch=batch, updates=updates, generator=generator)
    return DataLoader(
        TaskTiles(sets), batch_size=None, sampler=sampler, generator=generator, num_workers=workers
    )


def part_loader(sets: Sequence[PatchSet], part: Part, batch: int = 128) -> DataLoader[TaskBatch]:
    """Every tile of a part once."""
    return DataLoader(TaskTiles(sets), batch_size=None, sampler=InOrder(sets, part, batch))
