"""Pixels that cannot be decoded: what to do about them, and which they were."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from histopress.core.geometry import Box

log = logging.getLogger(__name__)

OnBadTile = Literal["fail", "white", "skip"]
"""fail: the slide fails. white: its pixels count as white. skip: cells that touch it are left out."""


@dataclass(frozen=True, slots=True, order=True)
class BadTile:
    """A stored tile that cannot be decoded.

    Attributes:
        level: of the slide.
        x: upper left corner, px of the level.
        y: likewise.
        width: px of the level.
        height: px of the level.
        reason: what the decoder says.
    """

    level: int
    x: int
    y: int
    width: int
    height: int
    reason: str

    @classmethod
    def at(cls, box: Box, error: Exception) -> BadTile:
        """A box of level 0 that cannot be read, whatever the tiles are that it shows."""
        return cls(0, round(box.x), round(box.y), round(box.width), round(box.height), str(error))

    def __str__(self) -> str:
        return f"the tile at x {self.x}, y {self.y} of level {self.level} cannot be decoded ({self.reason})"


class Damage:
    """Collects bad tiles, and the cells that they touch. Safe to use from several threads.

    Attributes:
        on_bad_tile: what is done about them.
        first: number of the cell that readers call 0.
        tiles: found so far.
        cells: numbers of the cells that touch one.
    """

    def __init__(self, on_bad_tile: OnBadTile = "skip", first: int = 0) -> None:
        self.on_bad_tile = on_bad_tile
        self.first = first
        self.tiles: set[BadTile] = set()
        self.cells: set[int] = set()
        self._lock = Lock()

    def add(self, where: object, tile: BadTile, cell: int | None = None) -> None:
        """Note a bad tile, and a cell that touches it; each tile is said once in the log."""
        with self._lock:
            if tile not in self.tiles:
                log.warning("%s: %s", where, tile)
            self.tiles.add(tile)
            if cell is not None:
                self.cells.add(self.first + cell)
