"""Any number of tiles in batches of one size, by threads that stay out of each other's way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from histopress.encoders.engine_gpu import exact_kernels
from histopress.encoders.engine_probe import Run
from histopress.encoders.network import ImageNetwork

PART = 8
"""Tiles that a thread of a CPU computes at once, so that maps fit into its cache; the same for any number of
threads, and so are codes."""


@dataclass(frozen=True)
class Workplace:
    """What a way is built for.

    Attributes:
        network: in fp32; is left as it is.
        device: where codes are computed.
        batch: tiles at once.
        threads: of the CPU.
        tiles: (n, tile, tile, 3) uint8 probe tiles, one or more full batches.
    """

    network: ImageNetwork
    device: torch.device
    batch: int
    threads: int
    tiles: NDArray[np.uint8]


def in_batches(run: Run, place: Workplace) -> Run:
    """The same for any number of tiles: every batch is full, the last one is filled up with black tiles."""
    batch, dim = place.batch, place.network.dim

    def run_all(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        codes = np.empty((len(tiles), dim), np.float32)
        with using_threads(place.threads), exact_kernels():
            for start in range(0, len(tiles), batch):
                part = tiles[start : start + batch]
                codes[start : start + batch] = run(_full(part, batch))[: len(part)]
        return codes

    return run_all


def side_by_side(run: Run, place: Workplace) -> Run:
    """The same for any number of tiles: a batch is shared out to threads, each of which computes alone.

    Threads that compute a layer together wait for each other at its end; beside other work that costs far
    more than the work itself. Alone, each also gives the same bits however many others there are.
    """
    part = min(PART, place.batch)
    pool = ThreadPoolExecutor(place.threads, thread_name_prefix="histopress-engine")

    def run_alone(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        torch.set_num_threads(1)
        return run(_full(tiles, part))[: len(tiles)]

    def run_all(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        codes = np.empty((len(tiles), place.network.dim), np.float32)
        parts = [slice(start, start + part) for start in range(0, len(tiles), part)]
        with using_threads(1):
            done = pool.map(run_alone, [tiles[p] for p in parts])
            for where, found in zip(parts, done, strict=True):
                codes[where] = found
        return codes

    return run_all


def _full(tiles: NDArray[np.uint8], batch: int) -> NDArray[np.uint8]:
    if len(tiles) < batch:
        filled = np.zeros((batch, *tiles.shape[1:]), np.uint8)
        filled[: len(tiles)] = tiles
        return filled
    return np.require(tiles, requirements=["C", "W"])


@contextmanager
def using_threads(threads: int) -> Iterator[None]:
    """Let torch compute with so many threads."""
    before = torch.get_num_threads()
    if threads == before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
