"""A GPU kept busy: tiles travel from a ring of pinned buffers on one stream while another computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

SLOTS = 3
"""Batches under way: one is filled, one travels, one is computed."""


class Mark(Protocol):
    """A point in the work of a lane."""

    def synchronize(self) -> None:
        """Wait until the lane has passed it."""


class Machine(Protocol):
    """What the ring needs of a GPU: two lanes of work that run beside each other."""

    def host(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Memory of the host that the GPU can fetch from by itself."""

    def place(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Memory of the GPU."""

    def copying(self) -> AbstractContextManager[Any]:
        """What is asked within runs on the lane for copies."""

    def computing(self) -> AbstractContextManager[Any]:
        """What is asked within runs on the lane for networks."""

    def mark(self) -> Mark:
        """The point that the lane entered last has reached; to be called within it."""

    def wait(self, mark: Mark) -> None:
        """Let the lane entered last wait for a point of the other; to be called within it."""

    def settle(self) -> None:
        """Wait until everything that was asked is done."""

    def capture(self, network: nn.Module, tiles: Tensor) -> Callable[[], Tensor]:
        """The network on these very tiles, recorded once and replayed at every call."""


class Cuda:
    """The `Machine` that is a CUDA GPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.copies, self.computations = _stream(device), _stream(device)

    def host(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Pinned memory."""
        return torch.empty(tuple(shape), dtype=dtype, pin_memory=True)

    def place(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Memory of the GPU."""
        return torch.empty(tuple(shape), dtype=dtype, device=self.device)

    def copying(self) -> AbstractContextManager[Any]:
        """The stream for copies."""
        return torch.cuda.stream(self.copies)

    def computing(self) -> AbstractContextManager[Any]:
        """The stream for networks."""
        return torch.cuda.stream(self.computations)

    def mark(self) -> Mark:
        """An event of the current stream."""
        event: Mark = torch.cuda.current_stream(self.device).record_event()
        return event

    def wait(self, mark: Mark) -> None:
        """Let the current stream wait for an event."""
        torch.cuda.current_stream(self.device).wait_event(mark)  # type: ignore[arg-type]

    def settle(self) -> None:
        """Wait for all streams."""
        torch.cuda.synchronize(self.device)

    def capture(self, network: nn.Module, tiles: Tensor) -> Callable[[], Tensor]:
        """A CUDA graph, after a few runs that let libraries make themselves ready."""
        with self.computing():
            for _ in range(3):
                network(tiles)
        self.settle()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.computations):
            codes: Tensor = network(tiles)

        def replay() -> Tensor:
            graph.replay()
            return codes

        return replay


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@dataclass
class Slot:
    """One batch under way.

    Attributes:
        pixels: (batch, tile, tile, 3) uint8 on the host.
        tiles: the same on the GPU.
        codes: (batch, dim) float32 on the host.
        rows: places of its codes among all; none while the slot is free.
        done: when the codes have arrived.
    """

    pixels: Tensor
    tiles: Tensor
    codes: Tensor
    rows: slice | None = None
    done: Mark | None = field(default=None)


class Ring:
    """Encodes any number of tiles in batches of one size.

    Args:
        machine: where.
        network: uint8 tiles -> codes float32, on the machine.
        shape: of a batch: (batch, tile, tile, 3); the last batch is filled up with black tiles.
        dim: length of a code.
        graph: record the network once and replay it, rather than launch its kernels one by one.
    """

    def __init__(
        self, machine: Machine, network: nn.Module, shape: tuple[int, ...], dim: int, *, graph: bool
    ) -> None:
        self.machine, self.batch, self.dim = machine, shape[0], dim
        self.slots = [
            Slot(
                machine.host(shape, torch.uint8).zero_(),
                machine.place(shape, torch.uint8).zero_(),
                machine.host((shape[0], dim), torch.float32),
            )
            for _ in range(SLOTS)
        ]
        self.input = machine.place(shape, torch.uint8).zero_()
        machine.settle()
        with torch.inference_mode(), exact_kernels():
            self.compute = machine.capture(network, self.input) if graph else lambda: network(self.input)

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Tiles (n, tile, tile, 3) -> codes (n, dim)."""
        codes = np.empty((len(tiles), self.dim), np.float32)
        for slot in self.slots:
            slot.rows = None
        with torch.inference_mode(), exact_kernels():
            for i, start in enumerate(range(0, len(tiles), self.batch)):
                slot = self.slots[i % len(self.slots)]
                _collect(slot, codes)
                self._send(slot, tiles[start : start + self.batch], start)
            for slot in self.slots:
                _collect(slot, codes)
        return codes

    def _send(self, slot: Slot, tiles: NDArray[np.uint8], start: int) -> None:
        pixels = slot.pixels.numpy()
        pixels[: len(tiles)] = tiles
        pixels[len(tiles) :] = 0
        with self.machine.copying():
            slot.tiles.copy_(slot.pixels, non_blocking=True)
            arrived = self.machine.mark()
        with self.machine.computing():
            self.machine.wait(arrived)
            self.input.copy_(slot.tiles)
            slot.codes.copy_(self.compute(), non_blocking=True)
            slot.done = self.machine.mark()
        slot.rows = slice(start, start + len(tiles))


def _collect(slot: Slot, codes: NDArray[np.float32]) -> None:
    """Wait for a slot, take its codes, and free it."""
    if slot.rows is None or slot.done is None:
        return
    slot.done.synchronize()
    codes[slot.rows] = slot.codes.numpy()[: slot.rows.stop - slot.rows.start]
    slot.rows = slot.done = None


def exact_kernels() -> AbstractContextManager[None]:
    """Let cuDNN use only kernels that answer the same every time, and true float32."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags
