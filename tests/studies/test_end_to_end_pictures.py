"""Batches of pictures: classes alike, the same on any number of workers, drawn once where there is room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from histopress.studies.end_to_end_pictures import GB, Batches
from histopress.studies.end_to_end_recipe import EndToEndResources
from histopress.studies.pictures import Sample

DRAWN: list[int] = []


@dataclass(frozen=True)
class Rare:
    """A tenth of the pictures is of class 2, a fifth of class 1."""

    count: int = 100
    identity: str = "rare"
    shape: tuple[int, int, int] = (16, 24, 3)
    o2i: float = 0.0

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(3), [self.count * 7 // 10, self.count // 5, self.count // 10])

    def __len__(self) -> int:
        return self.count

    def draw(self, index: int) -> Sample:
        DRAWN.append(index)
        picture = np.random.default_rng(index).integers(0, 256, self.shape, np.uint8)
        return Sample(picture, int(self.labels[index]), np.zeros((0, 4), np.int64))


def batches(workers: int = 0, cache_gb: float = 1.0) -> Batches:
    return Batches(EndToEndResources(workers=workers, cache_gb=cache_gb))


def test_classes_are_drawn_alike() -> None:
    torch.manual_seed(0)
    found = batches()
    labels = torch.cat([batch[1] for batch in found.drawn(found.rows(Rare()), 32, 3000)])
    assert len(labels) == 3000
    assert (torch.bincount(labels) - 1000).abs().max() < 100


def test_the_random_state_decides_and_workers_do_not() -> None:
    taken = []
    for seed, workers in ((1, 0), (1, 2), (2, 0)):
        torch.manual_seed(seed)
        found = batches(workers)
        taken.append([batch[0] for batch in found.drawn(found.rows(Rare()), 8, 20)])
    one, same, other = (torch.cat(pictures) for pictures in taken)
    assert [len(pictures) for pictures in taken[0]] == [8, 8, 4]
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("cache_gb", [0.0, 1.0])
def test_pictures_are_as_the_set_draws_them_and_drawn_once_where_there_is_room(cache_gb: float) -> None:
    DRAWN.clear()
    found, pictures = batches(cache_gb=cache_gb), Rare(20)
    rows = found.rows(pictures)
    for _ in range(2):
        batch = torch.cat([b[0] for b in found.ordered(rows, 6, [3, 19, 3, 7, 0, 1, 2])])
    assert len(DRAWN) == (14 if cache_gb == 0 else 6)
    assert np.array_equal(batch[1].numpy(), pictures.draw(19).picture)
    assert torch.equal(batch[0], batch[2])
    assert batch.dtype == torch.uint8


def test_room_is_shared_and_workers_have_none() -> None:
    size = 20 * 16 * 24 * 3
    found = batches(cache_gb=1.5 * size / GB)
    assert found.rows(Rare(20)).kept is not None
    assert found.rows(Rare(20)).kept is None
    assert found.rows(Rare(10)).kept is not None
    assert batches(workers=1).rows(Rare(20)).kept is None
