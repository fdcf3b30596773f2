"""Processes on one machine: what they tell, and what becomes of their errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from histopress.core.errors import GridError, RunError
from histopress.core.fit_spawn import spawn
from histopress.core.progress import Progress


class Bar:
    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.told.append((amount, note))

    def expect(self, total: int) -> None:
        raise AssertionError


def work(what: str, bar: Progress) -> None:
    """Tell the sum of the ranks, then end as asked."""
    rank = torch.distributed.get_rank()
    total = torch.tensor(rank + 1)
    torch.distributed.all_reduce(total)
    bar.advance(int(total), f"rank {rank} of {torch.distributed.get_world_size()}")
    torch.distributed.barrier()
    if what == "raises":
        raise GridError("no grid")
    if what == "is interrupted" and rank == 1:
        raise KeyboardInterrupt
    if what == "dies" and rank == 1:
        os._exit(7)


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("raises", GridError, "^no grid$"),
        ("is interrupted", KeyboardInterrupt, None),
        ("dies", RunError, "process 1 of the training died"),
    ],
)
def test_what_processes_tell_and_raise_arrives(
    monkeypatch: pytest.MonkeyPatch, what: str, error: Any, message: str | None
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))
    bar = Bar()
    with pytest.raises(error, match=message):
        spawn(work, what, 2, "gloo", bar)
    assert bar.told == [(3, "rank 0 of 2")]


def test_work_that_cannot_be_sent_is_told_with_a_remedy() -> None:
    with pytest.raises(RunError, match="in a module, or start the training with torchrun"):
        spawn(work, lambda: None, 2, "gloo", Bar())
