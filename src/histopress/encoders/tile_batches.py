"""Unlabelled tiles -> batches of uint8, copied by whole arrays, in an order that fit can repeat."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, SequentialSampler

from histopress.core.errors import PatchError
from histopress.data.unlabelled import UnlabelledTiles


class RowBatch(NamedTuple):
    """Rows of tiles.

    Attributes:
        tiles: (batch, slots, tile, tile, 3) uint8; slots is 2 with neighbours, 1 without.
        sources: (batch,) int64, the slide that each row comes from.
    """

    tiles: Tensor
    sources: Tensor


class SingleTiles(Dataset[Tensor]):
    """Every tile by itself, neighbours too; asked with a list of indices, gives (batch, tile, tile, 3)."""

    def __init__(self, tiles: UnlabelledTiles, rows: NDArray[np.int64]) -> None:
        self.tiles, self.rows = tiles, rows

    def __len__(self) -> int:
        return len(self.rows) * self.tiles.slots

    def __getitem__(self, indices: list[int]) -> Tensor:
        rows, slots = np.divmod(np.asarray(indices), self.tiles.slots)
        return torch.from_numpy(self.tiles.take(self.rows[rows], slots))


class Rows(Dataset[RowBatch]):
    """Tiles with their neighbours; asked with a list of indices."""

    def __init__(self, tiles: UnlabelledTiles, rows: NDArray[np.int64]) -> None:
        self.tiles, self.rows = tiles, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, indices: list[int]) -> RowBatch:
        rows = self.rows[indices]
        return RowBatch(torch.from_numpy(self.tiles.take(rows)), torch.from_numpy(self.tiles.sources[rows]))


def tile_loader(
    tiles: UnlabelledTiles,
    rows: NDArray[np.int64],
    batch: int,
    *,
    pairs: bool,
    train: bool,
    workers: int = 0,
) -> DataLoader[Any]:
    """Batches for a learner.

    Args:
        tiles: where from.
        rows: indices of the rows that are used.
        batch: elements in a batch, or all where there are fewer.
        pairs: give `RowBatch`es rather than single tiles.
        train: in random order by a generator of its own, and without what is left over at the end, as batch
            norm wants batches of one size; otherwise everything in order.
        workers: processes that copy; 0 is fast enough for all but the largest batches.

    Raises:
        PatchError: there are no rows, or pairs are to be drawn from rows of one source without neighbours.
    """
    sources = len(np.unique(tiles.sources[rows]))
    if not len(rows) or (pairs and tiles.slots == 1 and sources < 2):
        raise PatchError(
            f"{len(rows)} rows of {sources} sources {'with' if tiles.slots > 1 else 'without'} neighbours, "
            f"expected {'neighbours or two sources' if pairs else 'some'}; sample more slides"
        )
    data: Dataset[Any] = Rows(tiles, rows) if pairs else SingleTiles(tiles, rows)
    elements = len(rows) * (1 if pairs else tiles.slots)
    generator = torch.Generator()
    order = (
        RandomSampler(range(elements), generator=generator) if train else SequentialSampler(range(elements))
    )
    batches = BatchSampler(order, min(batch, elements), drop_last=train)
    return DataLoader(
        data,
        sampler=batches,
        batch_size=None,
        generator=generator,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
