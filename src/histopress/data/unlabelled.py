"""Tiles without labels, to learn from: in each row a tile, or a tile and its neighbour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.core.failures import Failure
from histopress.core.recipe import digest
from histopress.data.patches import PatchSet


@dataclass(frozen=True)
class UnlabelledTiles:
    """Rows of one or two tiles; those of a row touch and do not overlap.

    Attributes:
        blocks: arrays (rows, slots, tile, tile, 3) uint8 RGB, in memory or mapped from files; their rows are
            counted on from one to the next. Slots: 2 with neighbours, 1 without.
        sources: (rows,) index of the slide, or of what else must not be split, that a row comes from.
        names: of the sources.
        spacing: um/px.
        identity: digest over what made them and the files behind them.
        failures: slides that could not be sampled, and why.
    """

    blocks: tuple[NDArray[np.uint8], ...]
    sources: NDArray[np.int64]
    names: tuple[str, ...]
    spacing: float
    identity: str
    failures: tuple[Failure, ...] = ()

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def slots(self) -> int:
        """Tiles in a row: 1, or 2 with neighbours."""
        return int(self.blocks[0].shape[1])

    @property
    def tile(self) -> int:
        """Width and height of a tile in px."""
        return int(self.blocks[0].shape[2])

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """(blocks,) the first row of each block."""
        return np.cumsum([0, *(len(block) for block in self.blocks[:-1])])

    def take(self, rows: NDArray[np.int64], slots: NDArray[np.int64] | None = None) -> NDArray[np.uint8]:
        """Copy some rows.

        Args:
            rows: (n,) indices.
            slots: (n,) which tile of each row; without it all of them.

        Returns:
            (n, slots, tile, tile, 3) uint8, or (n, tile, tile, 3) if slots are given.
        """
        inner = self.blocks[0].shape[1:] if slots is None else self.blocks[0].shape[2:]
        taken = np.empty((len(rows), *inner), np.uint8)
        block_of = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(block_of):
            here = block_of == number
            inside = rows[here] - self._starts[number]
            at = (inside,) if slots is None else (inside, slots[here])
            taken[here] = self.blocks[number][at]
        return taken


def from_patches(patches: PatchSet) -> UnlabelledTiles:
    """All tiles of a labelled set, without labels and neighbours; row by row as there, nothing is copied.

    A source is a group of the set. Learn from `patches.rows("train")` alone.
    """
    names, sources = np.unique(patches.groups, return_inverse=True)
    return UnlabelledTiles(
        blocks=(patches.tiles[:, None],),
        sources=sources.astype(np.int64),
        names=tuple(f"{patches.task.name}:{name}" for name in names),
        spacing=patches.spacing,
        identity=digest("unlabelled", patches.identity),
    )


def join(sets: Sequence[UnlabelledTiles]) -> UnlabelledTiles:
    """Several sets as one, in their order; nothing is copied.

    Raises:
        PatchError: they differ in size or spacing of tiles, or only some have neighbours.
    """
    kinds = {(s.tile, s.slots, s.spacing) for s in sets}
    if len(kinds) != 1:
        found = ", ".join(
            f"{tile} px at {um:g} um/px {'with' if slots == 2 else 'without'} neighbours"
            for tile, slots, um in sorted(kinds)
        )
        raise PatchError(
            f"sets of unlabelled tiles are of {len(kinds)} kinds ({found}), expected one; "
            "make all with the same tile and spacing, and all with neighbours or none"
        )
    first = np.cumsum([0, *(len(s.names) for s in sets)])
    return UnlabelledTiles(
        blocks=tuple(block for s in sets for block in s.blocks),
        sources=np.concatenate([s.sources + start for s, start in zip(sets, first, strict=False)]),
        names=tuple(name for s in sets for name in s.names),
        spacing=sets[0].spacing,
        identity=digest("joined", [s.identity for s in sets]),
        failures=tuple(failure for s in sets for failure in s.failures),
    )


def hold_out(
    sources: NDArray[np.int64], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train and rows to tune with, without a source in common.

    With fewer than three sources, rows themselves are dealt out: training needs two sources to compare.

    Args:
        sources: (rows,) of each row.
        share: of the sources that tune, 0 to 1; above 0 at least one does.
        seed: the same seed and sources give the same parts.
    """
    keys = sources if len(np.unique(sources)) >= 3 else np.arange(len(sources))
    units = np.unique(keys)
    count = 0 if share == 0 else min(max(1, round(share * len(units))), len(units) - 1)
    tunes = np.isin(keys, np.random.default_rng(seed).permutation(units)[:count])
    return np.flatnonzero(~tunes), np.flatnonzero(tunes)
