"""Masks <-> polygons with holes, exact to the pixel; points are x, y in px of the mask, along its corners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Labels = NDArray[np.signedinteger[Any]]
Ring = NDArray[np.float64]
"""(points, 2) x and y, not closed: the last point differs from the first."""

RIGHT, DOWN, LEFT, UP = range(4)


@dataclass(frozen=True)
class Polygon:
    """A connected area and what is cut out of it."""

    outer: Ring
    holes: tuple[Ring, ...] = ()


def trace(mask: Bools) -> list[Polygon]:
    """The polygons along the edges of the pixels of a (rows, cols) mask.

    Pixels that touch by a corner alone belong to different polygons, and no ring touches itself, so that the
    polygons are valid for strict tools.
    """
    from scipy import ndimage

    if not mask.any():
        return []
    labels = ndimage.label(mask)[0]
    outer: dict[int, Ring] = {}
    holes: dict[int, list[Ring]] = {}
    for ring, label in _rings(labels):
        if _signed_area(ring) > 0:
            outer[label] = ring
        else:
            holes.setdefault(label, []).append(ring)
    return [Polygon(outer[label], tuple(holes.get(label, ()))) for label in sorted(outer)]


def fill(polygons: Sequence[Polygon], shape: tuple[int, int]) -> Bools:
    """The pixels whose centres lie in any of the polygons, (rows, cols) bool."""
    mask = np.zeros(shape, bool)
    for polygon in polygons:
        _fill_one(mask, [polygon.outer, *polygon.holes])
    return mask


def _rings(labels: Labels) -> Iterator[tuple[Ring, int]]:
    """Rings with a labelled area on their right, walking along them, and the label."""
    starts, headings, owners = _edges(labels)
    width = labels.shape[1] + 1
    for cycle in _cycles(_following(starts, headings, width)):
        for corners in _without_touching(starts[cycle].tolist()):
            rows, cols = np.divmod(corners, width)
            yield _bends(np.stack([cols, rows], axis=-1).astype(np.float64)), int(owners[cycle[0]])


def _edges(labels: Labels) -> tuple[Ints, Ints, Ints]:
    """Sides of pixels that bound an area: number of the corner they start at, heading, and label."""
    padded = np.pad(labels, 1)
    inside = padded[1:-1, 1:-1]
    width = labels.shape[1] + 1
    sides = (  # heading, the pixel across, the corner of the pixel that the side starts at
        (RIGHT, padded[:-2, 1:-1], 0),
        (DOWN, padded[1:-1, 2:], 1),
        (LEFT, padded[2:, 1:-1], width + 1),
        (UP, padded[1:-1, :-2], width),
    )
    starts, headings, owners = [], [], []
    for heading, across, corner in sides:
        rows, cols = np.nonzero((inside > 0) & (across == 0))
        starts.append(rows * width + cols + corner)
        headings.append(np.full(len(rows), heading))
        owners.append(inside[rows, cols])
    return np.concatenate(starts), np.concatenate(headings), np.concatenate(owners)


def _following(starts: Ints, headings: Ints, width: int) -> Ints:
    """The edge that comes after each edge; of two possible ones that which turns right, around its pixel."""
    ends = starts + np.array([1, width, -1, -width])[headings]
    keys = starts * 4 + headings
    order = np.argsort(keys)
    following = np.full(len(starts), -1)
    for turn in (3, 0, 1):
        wanted = ends * 4 + (headings + turn) % 4
        at = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
        found = keys[order[at]] == wanted
        following[found] = order[at[found]]
    return following


def _cycles(following: Ints) -> Iterator[list[int]]:
    after = following.tolist()
    todo = bytearray(b"\x01") * len(after)
    for first in range(len(after)):
        cycle = []
        edge = first
        while todo[edge]:
            todo[edge] = 0
            cycle.append(edge)
            edge = after[edge]
        if cycle:
            yield cycle


def _without_touching(corners: list[int]) -> Iterator[list[int]]:
    """A ring that comes to the same corner twice, as two rings that share the corner."""
    path: list[int] = []
    place: dict[int, int] = {}
    for corner in corners:
        if corner in place:
            at = place[corner]
            yield path[at:]
            for passed in path[at + 1 :]:
                del place[passed]
            del path[at + 1 :]
        else:
            place[corner] = len(path)
            path.append(corner)
    yield path


def _bends(ring: Ring) -> Ring:
    """The ring without the points at which it goes straight on."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    bends: Ring = ring[(before != after).any(axis=1)]
    return bends


def _signed_area(ring: Ring) -> float:
    x, y = ring.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def _fill_one(mask: Bools, rings: Sequence[Ring]) -> None:
    """Set the pixels whose centres have an odd number of crossings with the rings on their left."""
    begin = np.concatenate(rings)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    upper, lower = np.minimum(begin[:, 1], end[:, 1]), np.maximum(begin[:, 1], end[:, 1])
    first = np.clip(np.ceil(upper - 0.5), 0, len(mask)).astype(np.int64)
    last = np.clip(np.ceil(lower - 0.5), 0, len(mask)).astype(np.int64)
    edge = np.repeat(np.arange(len(begin)), last - first)
    if not len(edge):
        return
    rows = (
        np.arange(len(edge)) - np.repeat(np.cumsum(last - first) - (last - first), last - first) + first[edge]
    )
    slope = (end[edge, 0] - begin[edge, 0]) / (end[edge, 1] - begin[edge, 1])
    x = begin[edge, 0] + (rows + 0.5 - begin[edge, 1]) * slope
    cols = np.clip(np.ceil(x - 0.5), 0, mask.shape[1]).astype(np.int64)
    top, left, bottom = rows.min(), cols.min(), rows.max() + 1
    crossings = np.zeros((bottom - top, cols.max() - left + 1), bool)
    np.logical_xor.at(crossings, (rows - top, cols - left), True)
    inside = np.logical_xor.accumulate(crossings, axis=1)[:, :-1]
    mask[top:bottom, left : left + inside.shape[1]] |= inside
