"""Work on large pictures band by band, so that what is in between takes little memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BAND_PX = 1 << 20
"""Pixels of a band, without the rows that it shares with its neighbours."""


@dataclass(frozen=True, slots=True)
class Band:
    """Some rows of a picture.

    Attributes:
        wanted: rows of the picture that this band answers for.
        seen: these and the rows around them that must be looked at.
        inner: the wanted rows as rows of the seen ones.
    """

    wanted: slice
    seen: slice
    inner: slice


def bands(shape: tuple[int, ...], halo: int) -> Iterator[Band]:
    """Cut a picture of a (rows, cols) shape into bands that see `halo` more rows on both sides."""
    rows, cols = shape[:2]
    height = max(halo, 1, BAND_PX // max(1, cols))
    for top in range(0, rows, height):
        bottom = min(top + height, rows)
        start = max(0, top - halo)
        yield Band(
            wanted=slice(top, bottom),
            seen=slice(start, min(bottom + halo, rows)),
            inner=slice(top - start, bottom - start),
        )
