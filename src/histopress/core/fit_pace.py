"""How fast a training goes, and how much of the time it waits for its data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import DataLoader


class Feed:
    """A loader that takes the time of an epoch: how long it lasted, and how long its batches were waited for.

    Before each epoch it calls `begin`. On a GPU work goes on while the next batch is fetched, so waiting is
    the most that could be saved.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.loader = loader
        self.begin: Callable[[], None] = lambda: None
        self.begun = self.ended = 0.0
        self.waited = 0.0

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        self.begin()
        self.begun = asked = time.perf_counter()
        self.waited = 0.0
        for batch in self.loader:
            self.waited += time.perf_counter() - asked
            yield batch
            asked = time.perf_counter()
        self.waited += time.perf_counter() - asked

    def stamp(self) -> None:
        """A step has ended."""
        self.ended = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Length of the epoch, up to its last step."""
        return max(self.ended - self.begun, 1e-9)

    @property
    def waiting(self) -> float:
        """0 to 1, the share of the epoch that was spent waiting for batches."""
        return min(self.waited / self.seconds, 1.0)
