"""Decoded tiles shared by threads: decoded by the first that asks, let go when nothing needs them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from threading import Condition

import numpy as np
from numpy.typing import NDArray

from histopress.data.tile_codec import TileDamage

Place = tuple[int, int]
"""Row and column of a stored tile."""

Tile = NDArray[np.uint8] | TileDamage
"""(height, width, 3) uint8, or why there are no pixels."""

Load = Callable[[Sequence[Place]], Iterable[Tile]]
"""Reads and decodes tiles, in the order asked for."""


class TileCache:
    """Tiles of one source, by place. Safe to use from several threads.

    Args:
        load: called outside of any lock, for tiles that are not there.
        capacity: bytes of pixels that are kept; beyond it the oldest go, and are decoded again if needed.
        uses: (rows, cols) how often each tile is going to be released; it goes after the last time. Without,
            tiles are kept until the capacity is used up.

    Attributes:
        decoded: tiles that were decoded so far.
        held_bytes: of the pixels that are kept now.
    """

    def __init__(self, load: Load, capacity: int, uses: NDArray[np.int32] | None = None) -> None:
        self._load = load
        self._capacity = capacity
        self._uses = uses
        self._held: OrderedDict[Place, Tile | None] = OrderedDict()  # None: another thread is decoding it
        self.held_bytes = 0
        self._changed = Condition()
        self.decoded = 0

    def get(self, places: Sequence[Place]) -> dict[Place, Tile]:
        """Tiles by place; those that another thread is decoding are waited for.

        Raises:
            whatever `load` raises.
        """
        found: dict[Place, Tile] = {}
        wanted = list(places)
        while wanted:
            mine, others = self._claim(wanted, found)
            self._fill(mine, found)
            wanted = self._wait(others, found)
        return found

    def _claim(self, wanted: list[Place], found: dict[Place, Tile]) -> tuple[list[Place], list[Place]]:
        mine, others = [], []
        with self._changed:
            for place in wanted:
                if place not in self._held:
                    self._held[place] = None
                    mine.append(place)
                elif (tile := self._held[place]) is None:
                    others.append(place)
                else:
                    found[place] = tile
        return mine, others

    def _fill(self, mine: list[Place], found: dict[Place, Tile]) -> None:
        """Load what this thread has claimed; after an error others may try."""
        if not mine:
            return
        try:
            tiles = list(self._load(mine))
        except BaseException:
            with self._changed:
                for place in mine:
                    self._held.pop(place, None)
                self._changed.notify_all()
            raise
        with self._changed:
            for place, tile in zip(mine, tiles, strict=True):
                found[place] = self._held[place] = tile
                self.held_bytes += _size(tile)
            self.decoded += len(mine)
            self._make_room()
            self._changed.notify_all()

    def _wait(self, others: list[Place], found: dict[Place, Tile]) -> list[Place]:
        """Wait for tiles of other threads; those that vanished meanwhile are to be asked for again."""
        again = []
        with self._changed:
            for place in others:
                while self._held.get(place, ()) is None:
                    self._changed.wait()
                tile = self._held.get(place)
                if tile is None:
                    again.append(place)
                else:
                    found[place] = tile
        return again

    def _make_room(self) -> None:
        for place in list(self._held):
            if self.held_bytes <= self._capacity:
                return
            if self._held[place] is not None:
                self._drop(place)

    def release(self, places: Iterable[Place]) -> None:
        """Count one use of each of these tiles as done."""
        if self._uses is None:
            return
        with self._changed:
            for place in places:
                self._uses[place] -= 1
                if self._uses[place] <= 0 and self._held.get(place) is not None:
                    self._drop(place)

    def _drop(self, place: Place) -> None:
        tile = self._held.pop(place)
        if tile is not None:
            self.held_bytes -= _size(tile)


def _size(tile: Tile) -> int:
    return 0 if isinstance(tile, TileDamage) else tile.nbytes
