"""Several processes that train together: who is who, what each draws, and which batches it takes."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.utilities.seed import isolate_rng
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, Sampler


def launched() -> int:
    """How many processes torchrun or SLURM has started, this one among them; 1 where neither has."""
    if TorchElasticEnvironment.detect():
        return int(os.environ["WORLD_SIZE"])
    return int(os.environ["SLURM_NTASKS"]) if SLURMEnvironment.detect() else 1


def rank() -> int:
    """The number of this process among those that train together; 0 where it trains alone."""
    if TorchElasticEnvironment.detect():
        return int(os.environ["RANK"])
    return int(os.environ["SLURM_PROCID"]) if SLURMEnvironment.detect() else 0


def epoch_seed(seed: int, epoch: int, rank: int = 0) -> int:
    """The seed of all that a process draws in an epoch."""
    words = [seed, epoch, rank] if rank else [seed, epoch]
    return int(np.random.SeedSequence(words).generate_state(1)[0])


def seed_all(seed: int, generator: torch.Generator | None = None) -> None:
    """Seed everything random in this process, and a loader's own generator."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    if generator is not None:
        generator.manual_seed(seed)


def same_buffers(module: nn.Module) -> None:
    """Give every process the buffers of the first, such as running means; gradients keep weights the same."""
    for buffer in module.buffers():
        torch.distributed.broadcast(buffer, 0)


class DealtBatches(Sampler[Any]):
    """What a sampler draws, dealt to processes in turn: all draw the same, each takes its own.

    Each process gets the same number; where they do not come out even, the first ones are dealt once more.
    """

    def __init__(self, drawn: Any, rank: int, ranks: int, generator: torch.Generator | None = None) -> None:
        self.drawn, self.rank, self.ranks, self.generator = drawn, rank, ranks, generator
        self.seed = 0

    def __iter__(self) -> Iterator[Any]:
        with isolate_rng(include_cuda=False):
            seed_all(self.seed, self.generator)
            all_drawn = list(self.drawn)
        for turn in range(_rounds(all_drawn, self.ranks)):
            yield all_drawn[(turn * self.ranks + self.rank) % len(all_drawn)]

    def __len__(self) -> int:
        return _rounds(self.drawn, self.ranks)


def _rounds(drawn: Sized, ranks: int) -> int:
    return -(-len(drawn) // ranks)


def dealt(loader: DataLoader[Any], rank: int, ranks: int) -> DataLoader[Any]:
    """The loader of one of several processes; an iterable data set is expected to deal by itself."""
    if ranks == 1 or isinstance(loader.dataset, IterableDataset):
        return loader
    batched = loader.batch_sampler is not None
    drawn = DealtBatches(loader.batch_sampler or loader.sampler, rank, ranks, loader.generator)
    dealing: dict[str, Any] = {"batch_sampler": drawn} if batched else {"sampler": drawn, "batch_size": None}
    return DataLoader(
        loader.dataset,
        **dealing,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=loader.generator,
        prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers,
    )


def seed_loader(loader: DataLoader[Any], seed: int, epoch: int, rank: int) -> None:
    """Seed an epoch: the order of batches alike for all processes, all else for each of its own."""
    for sampler in (loader.sampler, loader.batch_sampler):
        if isinstance(sampler, DealtBatches):
            sampler.seed = epoch_seed(seed, epoch)
    generator = loader.generator if isinstance(loader.generator, torch.Generator) else None
    seed_all(epoch_seed(seed, epoch, rank), generator)
