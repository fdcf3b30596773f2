"""Tiles of one part that are found again in another, or in another set: what a test would know by heart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.data.patch_duplicates import BITS, Looks, nearest
from histopress.data.patches import PatchSet


@dataclass(frozen=True)
class Copy:
    """Two tiles that show the same.

    Attributes:
        task: of the first tile.
        name: of the first tile.
        part: of the first tile.
        other_task: of the second tile.
        other_name: of the second tile.
        other_part: of the second tile.
        bits: that differ in what they look like, of 63.
    """

    task: str
    name: str
    part: str
    other_task: str
    other_name: str
    other_part: str
    bits: int


def copies_across_parts(patches: PatchSet, looks: Looks, bits: int = BITS) -> list[Copy]:
    """For each tile that tests or tunes, its nearest copy among those that are learnt from before.

    Args:
        patches: the set.
        looks: of its tiles.
        bits: that may differ.
    """
    train, tuning, test = (patches.rows(part) for part in ("train", "tuning", "test"))
    earlier = ((tuning, train), (test, np.concatenate([train, tuning])))
    return [
        copy
        for late, early in earlier
        for copy in _copies((patches, looks, late), (patches, looks, early), bits)
    ]


def copies_across_sets(
    one: PatchSet, looks: Looks, other: PatchSet, other_looks: Looks, bits: int = BITS
) -> list[Copy]:
    """For each tile of a set its nearest copy in another.

    Args:
        one: a set.
        looks: of its tiles.
        other: another set.
        other_looks: of the other's tiles.
        bits: that may differ.
    """
    return _copies(
        (one, looks, np.arange(len(looks))), (other, other_looks, np.arange(len(other_looks))), bits
    )


Rows = tuple[PatchSet, Looks, NDArray[np.int64]]


def _copies(wanted: Rows, among: Rows, bits: int) -> list[Copy]:
    (one, looks, rows), (other, other_looks, there) = wanted, among
    found, apart = nearest(looks[rows], other_looks[there], bits)
    return [
        Copy(*_facts(one, rows[index]), *_facts(other, there[found[index]]), int(apart[index]))
        for index in np.flatnonzero(found >= 0)
    ]


def _facts(patches: PatchSet, row: np.int64) -> tuple[str, str, str]:
    return patches.task.name, str(patches.names[row]), str(patches.parts[row])


def as_csv(copies: Sequence[Copy]) -> str:
    """A table of copies, with a header."""
    import csv
    import io
    from dataclasses import astuple, fields

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Copy)])
    writer.writerows(astuple(copy) for copy in copies)
    return text.getvalue()
