"""Decoded tiles: each once, whoever asks; kept while needed, let go after, and never more than allowed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from histopress.data.tile_cache import Place, Tile, TileCache
from histopress.data.tile_codec import TileDamage

SIZE = 5 * 7 * 3
"""Bytes of one tile."""


class Loader:
    """Makes tiles that tell their place; counts, waits, or fails as told."""

    def __init__(self) -> None:
        self.loaded: list[Place] = []
        self.lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, places: Sequence[Place]) -> list[Tile]:
        assert self.gate.wait(20)
        with self.lock:
            if self.error:
                error, self.error = self.error, None
                raise error
            self.loaded += places
        return [np.full((5, 7, 3), 10 * row + col, np.uint8) for row, col in places]


def test_tiles_are_loaded_once_and_go_after_their_last_use() -> None:
    load = Loader()
    cache = TileCache(load, 10**6, np.array([[2, 1, 1]], np.int32))
    first = cache.get([(0, 0), (0, 1)])
    assert [int(t[0, 0, 0]) for t in first.values() if isinstance(t, np.ndarray)] == [0, 1]
    cache.release([(0, 0), (0, 1)])
    assert cache.held_bytes == SIZE, "a tile is kept for its second use, the other is not"
    cache.get([(0, 0), (0, 2)])
    cache.release([(0, 0), (0, 2)])
    assert load.loaded == [(0, 0), (0, 1), (0, 2)]
    assert (cache.held_bytes, cache.decoded) == (0, 3)


def test_the_oldest_go_when_there_is_no_room() -> None:
    load = Loader()
    cache = TileCache(load, 2 * SIZE)
    for col in range(4):
        cache.get([(0, col)])
    assert cache.held_bytes == 2 * SIZE
    cache.get([(0, 3)])
    cache.get([(0, 0)])
    assert load.loaded == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 0)]


def test_more_than_there_is_room_for_can_be_asked_for_at_once() -> None:
    cache = TileCache(Loader(), SIZE)
    assert len(cache.get([(0, col) for col in range(9)])) == 9
    assert cache.held_bytes <= SIZE


def test_damage_is_kept_as_any_other_tile() -> None:
    damage = TileDamage("broken")
    cache = TileCache(lambda places: [damage for _ in places], 0)
    assert cache.get([(0, 0)]) == {(0, 0): damage}
    assert cache.get([(0, 0)]) == {(0, 0): damage}
    assert cache.decoded == 1


def test_threads_wait_for_each_other_and_load_nothing_twice() -> None:
    load = Loader()
    load.gate.clear()
    cache = TileCache(load, 10**6)
    wanted = [[(0, col), (0, col + 1)] for col in range(12)]
    with ThreadPoolExecutor(12) as pool:
        results = [pool.submit(cache.get, places) for places in wanted]
        load.gate.set()
        for places, result in zip(wanted, results, strict=True):
            assert list(result.result(timeout=20)) in ([*places], [*reversed(places)])
    assert sorted(load.loaded) == [(0, col) for col in range(13)]


def test_after_an_error_others_may_try() -> None:
    load = Loader()
    load.gate.clear()
    load.error = OSError("gone")
    cache = TileCache(load, 10**6)
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(cache.get, [(0, 0)]) for _ in range(2)]
        load.gate.set()
        told = [result.exception(timeout=20) for result in results]
    assert sorted(str(error) for error in told) == ["None", "gone"]
    assert load.loaded == [(0, 0)]


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_threads_gives_the_right_tiles_and_leaves_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    jobs = [sorted({(int(r), int(c)) for r, c in random.integers(0, 6, (5, 2))}) for _ in range(60)]
    uses = np.zeros((6, 6), np.int32)
    for job in jobs:
        for place in job:
            uses[place] += 1
    cache = TileCache(Loader(), 9 * SIZE, uses)

    def work(job: list[Place]) -> bool:
        tiles = cache.get(job)
        right = all(isinstance(t, np.ndarray) and t[0, 0, 0] == 10 * r + c for (r, c), t in tiles.items())
        cache.release(job)
        return right and sorted(tiles) == job

    with ThreadPoolExecutor(5) as pool:
        assert all(pool.map(work, jobs))
    assert cache.held_bytes == 0
