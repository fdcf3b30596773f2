"""Every batch is full, nothing of the filling comes out, and threads are set and given back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from histopress.encoders import engine_batches as module
from histopress.encoders.engine_batches import Workplace, in_batches, side_by_side, using_threads
from histopress.encoders.networks import StridedConv, StridedConvSettings

CPU = torch.device("cpu")


def test_every_batch_is_full_and_the_filling_is_left_out() -> None:
    network = StridedConv(StridedConvSettings(tile=14, filters=(4,), dim=2))
    place = Workplace(network, CPU, 4, 1, np.zeros((4, 14, 14, 3), np.uint8))
    sizes: list[int] = []

    def run(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        sizes.append(len(tiles))
        assert tiles.flags.c_contiguous
        return tiles[:, 0, 0, :2].astype(np.float32)

    tiles = np.random.default_rng(0).integers(0, 256, (11, 14, 14, 3), dtype=np.uint8)
    for given in (tiles, tiles[::-1], np.asfortranarray(tiles)):
        assert np.array_equal(in_batches(run, place)(given), given[:, 0, 0, :2])
    assert set(sizes) == {4}
    assert in_batches(run, place)(tiles[:0]).shape == (0, 2)


def test_threads_share_out_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 2)
    network = StridedConv(StridedConvSettings(tile=14, filters=(4,), dim=2))
    place = Workplace(network, CPU, 6, 3, np.zeros((6, 14, 14, 3), np.uint8))
    seen: list[tuple[int, int]] = []

    def run(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append((len(tiles), torch.get_num_threads()))
        return tiles[:, 0, 0, :2].astype(np.float32)

    tiles = np.random.default_rng(0).integers(0, 256, (11, 14, 14, 3), dtype=np.uint8)
    assert np.array_equal(side_by_side(run, place)(tiles), tiles[:, 0, 0, :2])
    assert seen == [(2, 1)] * 6
    assert side_by_side(run, place)(tiles[:0]).shape == (0, 2)


def test_an_error_in_a_thread_comes_out() -> None:
    network = StridedConv(StridedConvSettings(tile=14, filters=(4,), dim=2))
    place = Workplace(network, CPU, 6, 3, np.zeros((6, 14, 14, 3), np.uint8))

    def fail(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise RuntimeError("lost")

    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="lost"):
        side_by_side(fail, place)(np.zeros((11, 14, 14, 3), np.uint8))
    assert torch.get_num_threads() == before


def test_threads_are_set_and_given_back() -> None:
    before = torch.get_num_threads()
    with using_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with pytest.raises(KeyboardInterrupt), using_threads(before + 2):
        raise KeyboardInterrupt
    assert torch.get_num_threads() == before
