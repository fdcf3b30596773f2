"""The ring of a GPU, on a stand-in that writes down what it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histopress.encoders.engine_gpu import SLOTS, Cuda, Mark, Ring

TILE, BATCH = 6, 4


@dataclass
class Point:
    """A numbered point in a lane; waiting for it is written down."""

    number: int
    lane: str
    diary: list[tuple[str, int]]

    def synchronize(self) -> None:
        self.diary.append(("collected", self.number))


class StandIn:
    """The CPU, as a `Machine`; its memory is full of rubbish at first."""

    def __init__(self) -> None:
        self.diary: list[tuple[str, int]] = []
        self.lane = ""
        self.points = 0
        self.recorded = 0

    def host(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        return torch.full(tuple(shape), 77, dtype=dtype)

    place = host

    @contextmanager
    def _on(self, lane: str) -> Iterator[None]:
        self.lane = lane
        yield
        self.lane = ""

    def copying(self) -> AbstractContextManager[None]:
        return self._on("copying")

    def computing(self) -> AbstractContextManager[None]:
        return self._on("computing")

    def mark(self) -> Mark:
        assert self.lane
        self.points += 1
        self.diary.append((self.lane, self.points))
        return Point(self.points, self.lane, self.diary)

    def wait(self, mark: Mark) -> None:
        assert self.lane == "computing"
        assert isinstance(mark, Point)
        assert mark.lane == "copying"
        self.diary.append(("waited", mark.number))

    def settle(self) -> None:
        pass

    def capture(self, network: nn.Module, tiles: Tensor) -> Callable[[], Tensor]:
        self.recorded += 1
        return lambda: network(tiles)


class Sums(nn.Module):
    """Two sums of a tile; black tiles and rubbish give other codes."""

    def forward(self, tiles: Tensor) -> Tensor:
        numbers = tiles.float().flatten(1)
        return torch.stack([numbers.sum(1), (numbers * torch.arange(numbers.shape[1])).sum(1)], 1)


def ring(machine: StandIn, graph: bool = True) -> Ring:
    return Ring(machine, Sums(), (BATCH, TILE, TILE, 3), 2, graph=graph)


def random_tiles(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, TILE, TILE, 3), dtype=np.uint8)


def truth(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    codes: NDArray[np.float32] = Sums()(torch.from_numpy(tiles)).numpy()
    return codes


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("count", [0, 1, BATCH, BATCH + 1, SLOTS * BATCH, 2 * SLOTS * BATCH + 3])
def test_every_tile_gets_its_own_code(count: int, graph: bool) -> None:
    machine, tiles = StandIn(), random_tiles(count)
    encode = ring(machine, graph)
    assert np.array_equal(encode(tiles), truth(tiles))
    assert np.array_equal(encode(tiles[::-1].copy()), truth(tiles[::-1].copy()))
    assert machine.recorded == graph


def test_computation_waits_for_its_tiles_and_slots_for_their_codes() -> None:
    machine = StandIn()
    batches = 2 * SLOTS
    ring(machine)(random_tiles(batches * BATCH))
    copied = [n for what, n in machine.diary if what == "copying"]
    assert [n for what, n in machine.diary if what == "waited"] == copied
    computed = [n for what, n in machine.diary if what == "computing"]
    assert [n for what, n in machine.diary if what == "collected"] == computed
    for i in range(SLOTS, batches):
        reused = machine.diary.index(("copying", copied[i]))
        assert machine.diary.index(("collected", computed[i - SLOTS])) < reused
    first_wait = machine.diary.index(("collected", computed[0]))
    assert machine.diary.index(("computing", computed[SLOTS - 1])) < first_wait


def test_a_failed_call_leaves_nothing_for_the_next() -> None:
    encode, tiles = ring(StandIn()), random_tiles(2 * BATCH)

    compute, calls = encode.compute, iter(range(9))

    def fail_later() -> Tensor:
        if next(calls):
            raise RuntimeError("lost")
        return compute()

    encode.compute = fail_later
    with pytest.raises(RuntimeError, match="lost"):
        encode(tiles)
    encode.compute = compute
    assert np.array_equal(encode(tiles[:3]), truth(tiles[:3]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("graph", [True, False])
def test_a_real_gpu_does_the_same(graph: bool) -> None:
    device = torch.device("cuda:0")

    class Moved(Sums):
        def forward(self, tiles: Tensor) -> Tensor:
            numbers = tiles.float().flatten(1)
            weights = torch.arange(numbers.shape[1], device=tiles.device)
            return torch.stack([numbers.sum(1), (numbers * weights).sum(1)], 1)

    encode = Ring(Cuda(device), Moved(), (BATCH, TILE, TILE, 3), 2, graph=graph)
    tiles = random_tiles(7 * BATCH + 1)
    np.testing.assert_allclose(encode(tiles), truth(tiles), rtol=1e-6)
    assert np.array_equal(encode(tiles), encode(tiles))
