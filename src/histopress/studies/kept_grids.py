"""Grids that stay in memory as far as there is room; the others are made, or read, anew each time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from histopress.grids.batches import GridCache
from histopress.grids.grid import FeatureGrid


@dataclass(frozen=True, eq=False)
class KeptGrids(Mapping[str, FeatureGrid]):
    """Grids by slide id that stay in memory as far as there is room.

    Attributes:
        base: made or read anew each time.
        limit: bytes.
    """

    base: Mapping[str, FeatureGrid]
    limit: int

    @cached_property
    def _cache(self) -> GridCache:
        return GridCache(self.limit, lambda path: self.base[path.name])

    def __getitem__(self, slide: str) -> FeatureGrid:
        return self._cache(Path(slide))

    def __contains__(self, slide: object) -> bool:
        return slide in self.base

    def __iter__(self) -> Iterator[str]:
        return iter(self.base)

    def __len__(self) -> int:
        return len(self.base)
