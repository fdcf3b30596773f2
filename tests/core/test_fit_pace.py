"""The time of an epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from torch import arange
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from histopress.core.fit_pace import Feed


class Slow(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        for i in range(4):
            time.sleep(0.02)
            yield i


def test_waiting_is_time_in_the_loader_and_nothing_else() -> None:
    feed = Feed(DataLoader(Slow(), batch_size=None))
    for _ in range(2):
        start = time.perf_counter()
        for _ in feed:
            time.sleep(0.03)
            feed.stamp()
        lasted = time.perf_counter() - start
        assert 4 * 0.02 <= feed.waited <= lasted - 4 * 0.03
        assert 0 < feed.seconds <= lasted
        assert 0 < feed.waiting < 1


def test_it_yields_what_the_loader_does() -> None:
    loader = DataLoader(TensorDataset(arange(7)), batch_size=3)
    feed = Feed(loader)
    assert [b[0].tolist() for b in feed] == [b[0].tolist() for b in loader]
    assert len(feed) == 3
    with pytest.raises(TypeError):
        len(Feed(DataLoader(Slow(), batch_size=None)))
