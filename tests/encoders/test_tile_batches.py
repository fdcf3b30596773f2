"""Batches of unlabelled tiles: every tile once, in an order that a seed repeats, with the right source."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from histopress.core.errors import PatchError
from histopress.data.unlabelled import UnlabelledTiles
from histopress.encoders.tile_batches import tile_loader


def numbered(rows: int = 7, slots: int = 2, sources: int = 3) -> UnlabelledTiles:
    """Every tile is filled with its own number."""
    numbers = np.arange(rows * slots, dtype=np.uint8).reshape(rows, slots, 1, 1, 1)
    return UnlabelledTiles(
        blocks=(np.tile(numbers, (1, 1, 4, 4, 3)),),
        sources=np.arange(rows) % sources,
        names=tuple("abc"[:sources]),
        spacing=0.5,
        identity="numbered",
    )


def test_single_tiles_come_once_each_and_neighbours_too() -> None:
    tiles, rows = numbered(), np.array([6, 1, 2])
    for workers in (0, 2):
        batches = list(tile_loader(tiles, rows, 4, pairs=False, train=False, workers=workers))
        assert [b.shape for b in batches] == [(4, 4, 4, 3), (2, 4, 4, 3)]
        assert all(b.dtype == torch.uint8 for b in batches)
        assert torch.cat(batches)[:, 0, 0, 0].tolist() == [12, 13, 2, 3, 4, 5]


def test_rows_carry_both_tiles_and_their_source() -> None:
    (batch,) = tile_loader(numbered(), np.array([6, 1, 2]), 64, pairs=True, train=False)
    assert batch.tiles.shape == (3, 2, 4, 4, 3)
    assert batch.tiles[..., 0, 0, 0].tolist() == [[12, 13], [2, 3], [4, 5]]
    assert batch.sources.tolist() == [0, 1, 2]


@pytest.mark.parametrize("pairs", [False, True])
def test_order_follows_the_generator_alone(pairs: bool) -> None:
    loader = tile_loader(numbered(), np.arange(7), 3, pairs=pairs, train=True)

    def order(seed: int) -> list[int]:
        loader.generator.manual_seed(seed)
        batches = [b.tiles[:, 0] if pairs else b for b in loader]
        assert all(len(b) == 3 for b in batches)
        return torch.cat(batches)[:, 0, 0, 0].tolist()

    torch.manual_seed(0)
    first = order(1)
    torch.manual_seed(9)
    assert order(1) == first != order(2)
    assert len(set(first)) == len(first) == (6 if pairs else 12)


def test_fewer_elements_than_a_batch_are_one_batch() -> None:
    assert len(list(tile_loader(numbered(3), np.arange(3), 64, pairs=False, train=True))) == 1


def test_what_cannot_be_learned_from_is_an_error() -> None:
    with pytest.raises(PatchError, match="0 rows of 0 sources"):
        tile_loader(numbered(), np.arange(0), 4, pairs=False, train=True)
    with pytest.raises(PatchError, match="expected neighbours or two sources"):
        tile_loader(numbered(slots=1), np.array([0, 3]), 4, pairs=True, train=True)
    assert len(tile_loader(numbered(slots=1), np.array([0, 1]), 2, pairs=True, train=True)) == 1
