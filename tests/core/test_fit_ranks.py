"""Processes that train together: who takes what, and that they train as one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from histopress.core.errors import RunError
from histopress.core.fit import FitRecipe, FitResources, FitResult, Judgement, Learner, fit
from histopress.core.fit_ranks import dealt, epoch_seed, seed_loader
from histopress.core.fit_spawn import spawn
from histopress.core.progress import Progress

RECIPE = FitRecipe(epochs=4, patience=4, lr=0.02, weight_decay=0.01, seed=3, device="cpu")
TWO = FitResources(devices=2)


@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize("batch", [4, None])
def test_batches_are_dealt_alike_in_an_epoch_and_anew_in_the_next(
    own_generator: bool, batch: int | None
) -> None:
    def taken(rank: int, epoch: int) -> list[list[int]]:
        generator = torch.Generator() if own_generator else None
        elements = TensorDataset(torch.arange(21))
        loader = DataLoader(elements, batch_size=batch, shuffle=True, generator=generator)
        mine = dealt(loader, rank, 2)
        seed_loader(mine, 7, epoch, rank)
        batches = [b[0].reshape(-1).tolist() for b in mine]
        assert len(mine) == len(batches)
        return batches

    first, second = taken(0, 5), taken(1, 5)
    assert len(first) == len(second) == (3 if batch else 11)
    both = [b for pair in zip(first, second, strict=True) for b in pair]
    assert sorted(i for b in both[: 6 if batch else 21] for i in b) == list(range(21))
    assert taken(0, 5) == first
    assert taken(0, 6) != first


def test_what_is_dealt_comes_out_even() -> None:
    loader = DataLoader(TensorDataset(torch.arange(5)), batch_size=2)
    hands = [[b[0].tolist() for b in dealt(loader, rank, 4)] for rank in range(4)]
    assert hands == [[[0, 1]], [[2, 3]], [[4]], [[0, 1]]]
    assert dealt(loader, 0, 1) is loader


def test_each_process_draws_its_own() -> None:
    seeds = {epoch_seed(seed, epoch, rank) for seed in range(3) for epoch in range(3) for rank in range(3)}
    assert len(seeds) == 27
    assert epoch_seed(3, 1) == epoch_seed(3, 1, 0)


class Pair(Learner):
    """Dropout and batch norm unless plain, and a part that no batch uses."""

    def __init__(self, plain: bool, stop_at: int | None = None) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            middle = [nn.Tanh()] if plain else [nn.BatchNorm1d(8), nn.Dropout(0.3)]
            self.net = nn.Sequential(nn.Linear(5, 8), *middle, nn.Linear(8, 1))
            self.unused = nn.Linear(2, 2)
        self.steps = 0
        self.stop_at = stop_at

    def losses(self, batch: Any) -> Tensor:
        self.steps += self.training
        if self.training and self.steps == self.stop_at:
            raise RunError("pulled the plug")
        return (self.net(batch[0])[:, 0] - batch[1]).square()

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        self.epoch = epoch

    def judgement(self) -> Judgement | None:
        """The last epoch is the best; the weights, the buffers and the next draw of both processes."""
        if not torch.distributed.is_initialized():
            return Judgement(-self.epoch)
        weights = torch.cat([w.double().reshape(-1) for w in self.state_dict().values()])
        return Judgement(-self.epoch, {"weights": apart(weights), "draws": apart(torch.rand(3))})


def apart(mine: Tensor) -> float:
    """How far the same numbers of two processes differ."""
    both = [torch.empty_like(mine), torch.empty_like(mine)]
    torch.distributed.all_gather(both, mine)
    return float((both[0] - both[1]).abs().max())


def run(
    learner: Learner, folder: Path, batch: int, resources: FitResources, bar: Progress | None = None
) -> FitResult:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(32, 5, generator=generator)
    elements = TensorDataset(x, x[:, 0] - 2 * x[:, 3])
    train, tuning = DataLoader(elements, batch_size=batch), DataLoader(elements, batch_size=16)
    return fit(learner, train, tuning, RECIPE, folder, resources=resources, bar=bar, save_seconds=0.0)


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes find this module, and share two cores politely."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.usefixtures("importable")
def test_two_processes_train_as_one_with_batches_twice_as_large(tmp_path: Path) -> None:
    alone, together = Pair(plain=True), Pair(plain=True)
    expected = run(alone, tmp_path / "alone", 8, FitResources())
    got = run(together, tmp_path / "together", 4, TWO)
    assert together.steps == 0
    for one, other in zip(got.curve, expected.curve, strict=True):
        assert one.train == pytest.approx(other.train, rel=1e-4)
        assert one.parts["weights"] == 0.0
        assert one.parts["draws"] > 0
        assert one.speed > 0
    for mine, theirs in zip(together.state_dict().values(), alone.state_dict().values(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-3, atol=1e-4)


def as_torchrun_does(folder: Path, bar: Progress) -> None:
    """Train in a process that torchrun seems to have started."""
    os.environ.update(TORCHELASTIC_RUN_ID="1", WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", GROUP_RANK="0")
    with pytest.raises(RunError, match="2 processes were started"):
        run(Pair(plain=False), folder, 4, FitResources())
    run(Pair(plain=False), folder, 4, TWO, bar)


@pytest.mark.slow
@pytest.mark.usefixtures("importable")
def test_two_processes_that_were_stopped_go_on_as_if_they_had_not_been(tmp_path: Path) -> None:
    class Bar:
        done = 0

        def advance(self, amount: int = 1, note: str = "") -> None:
            self.done += amount

        def expect(self, total: int) -> None:
            raise AssertionError

    bar = Bar()
    whole, resumed = Pair(plain=False), Pair(plain=False)
    once = run(whole, tmp_path / "whole", 4, TWO, bar)
    assert bar.done == RECIPE.epochs
    assert [e.parts["weights"] for e in once.curve] == [0.0] * 4
    with pytest.raises(RunError, match="pulled the plug"):
        run(Pair(plain=False, stop_at=10), tmp_path / "broken", 4, TWO)
    with pytest.raises(RunError, match="devices x nodes = 2"):
        run(Pair(plain=False), tmp_path / "broken", 4, FitResources())
    assert run(resumed, tmp_path / "broken", 4, TWO) == once
    assert same(whole, resumed)
    again = Pair(plain=False)
    assert run(again, tmp_path / "broken", 4, FitResources()) == once
    assert same(whole, again)
    spawn(as_torchrun_does, tmp_path / "torchrun", 2, "gloo", bar)
    assert bar.done == 2 * RECIPE.epochs
    assert run(again, tmp_path / "torchrun", 4, TWO) == once
    assert same(whole, again)
