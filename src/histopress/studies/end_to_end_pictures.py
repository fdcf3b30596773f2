"""Pictures in batches: classes alike and with replacement to train with, in order to judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler

from histopress.studies.end_to_end_recipe import EndToEndResources
from histopress.studies.pictures import Pictures

Batch = tuple[Tensor, Tensor]
"""(batch, height, width, channels) uint8 pictures, (batch,) int64 labels."""

GB = 10**9


class PictureRows(Dataset[Batch]):
    """Pictures of a set with their labels, many at once.

    Args:
        pictures: the set.
        keep: keep what was drawn in memory, since it is always the same.
    """

    def __init__(self, pictures: Pictures, keep: bool = False) -> None:
        self.pictures = pictures
        self.labels: NDArray[np.int64] = pictures.labels
        self.kept: NDArray[np.uint8] | None = None
        if keep:
            self.kept = np.empty((len(pictures), *pictures.shape), np.uint8)
            self.drawn = np.zeros(len(pictures), np.bool_)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        """The pictures of these numbers; what torch asks instead of one after the other."""
        wanted = np.asarray(rows, np.int64)
        return torch.from_numpy(self._pictures(wanted)), torch.from_numpy(self.labels[wanted])

    def _pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        if self.kept is None:
            return np.stack([self.pictures.draw(row).picture for row in rows.tolist()])
        for row in np.unique(rows[~self.drawn[rows]]).tolist():
            self.kept[row] = self.pictures.draw(row).picture
        self.drawn[rows] = True
        return self.kept[rows]


class Batches:
    """Loaders over sets of pictures that share the room for what is kept.

    Args:
        resources: workers and room.
        gpu: whether the batches go to a GPU.
    """

    def __init__(self, resources: EndToEndResources, gpu: bool = False) -> None:
        self.workers, self.gpu = resources.workers, gpu
        self.room = 0 if resources.workers else int(resources.cache_gb * GB)

    def rows(self, pictures: Pictures) -> PictureRows:
        """A set as batches are taken from it; kept, where all of it has room."""
        size = len(pictures) * int(np.prod(pictures.shape))
        keep = size <= self.room
        self.room -= size * keep
        return PictureRows(pictures, keep)

    def drawn(self, rows: PictureRows, batch: int, draws: int) -> DataLoader[Batch]:
        """So many pictures an epoch, with replacement, classes alike; follows torch's random state."""
        _, kinds, counts = np.unique(rows.labels, return_inverse=True, return_counts=True)
        sampler = WeightedRandomSampler((1 / counts[kinds]).tolist(), draws)
        return self._loader(rows, batch, sampler)

    def ordered(self, rows: PictureRows, batch: int, which: Sequence[int] | None = None) -> DataLoader[Batch]:
        """Every picture once, or those of these numbers."""
        return self._loader(rows, batch, range(len(rows)) if which is None else which)

    def _loader(
        self, rows: PictureRows, batch: int, order: Sequence[int] | WeightedRandomSampler
    ) -> DataLoader[Batch]:
        return DataLoader(
            rows,
            batch_size=batch,
            sampler=order,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            pin_memory=self.gpu,
        )


def _as_it_is(batch: Any) -> Any:
    """The set hands out whole batches."""
    return batch
