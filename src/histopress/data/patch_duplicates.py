"""Pictures that show the same, though encoded anew, a little sharper or softer, turned or mirrored.

A picture is told by the signs of its 63 lowest cosine coefficients, which hardly change when it is encoded
anew, and which turn with it in a known way. Pairs that differ in few of them are then compared by the
correlation of small copies, as tissue with one coarse shape, such as an edge, has like signs by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 32
"""px; pictures are reduced to this before their coefficients are computed."""

LOWEST = 8
"""Coefficients that count along each axis."""

SMALL = 16
"""px; side of the copies that are correlated."""

FLAT = 3.0
"""Grey levels; pictures that vary less, such as empty glass, are not told apart and never count as equal."""

MOST_BITS = 7
"""Largest distance that can be asked for: one of four words then differs in one bit at most."""

BITS = 6
"""Bits that may differ in copies."""

ALIKE = 0.95
"""Least correlation of copies."""

WORDS = 4
AT_ONCE = 1 << 22
"""Pairs that are compared at once."""


@dataclass(frozen=True)
class Looks:
    """What pictures look like.

    Attributes:
        bits: (n, 8) uint64, for the eight orientations; the first is the picture as it is.
        small: (n, 16, 16) uint8 grey copies.
        flat: (n,) True for those without anything to tell them by.
    """

    bits: NDArray[np.uint64]
    small: NDArray[np.uint8]
    flat: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.flat)

    def __getitem__(self, rows: NDArray[np.int64]) -> Looks:
        return Looks(self.bits[rows], self.small[rows], self.flat[rows])


def looks_of(tiles: NDArray[np.uint8]) -> Looks:
    """What tiles look like.

    Args:
        tiles: (n, side, side, 3) uint8; may be mapped from a file.
    """
    grey = np.empty((len(tiles), SIDE, SIDE), np.float32)
    for index in range(len(tiles)):
        grey[index] = _reduced(tiles[index])
    small = grey.reshape(-1, SMALL, SIDE // SMALL, SMALL, SIDE // SMALL).mean((2, 4)).round().astype(np.uint8)
    bits = np.stack([_bits(turned) for turned in _orientations(_coefficients(grey))], 1)
    return Looks(bits, small, grey.std((1, 2)) < FLAT)


def _reduced(tile: NDArray[np.uint8]) -> NDArray[np.float32]:
    from PIL import Image

    image = Image.fromarray(tile).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(image, np.float32)


def _coefficients(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 8, 8) cosine coefficients of the lowest frequencies down and across."""
    places = np.cos(np.pi * np.arange(LOWEST)[:, None] * (np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)
    return np.asarray(places @ (grey - grey.mean((1, 2), keepdims=True)) @ places.T)


def _orientations(values: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Coefficients of the picture in its eight orientations, in the order of `_turned`."""
    signs = np.where(np.arange(LOWEST) % 2, -1, 1).astype(np.float32)
    for transposed in (values, values.swapaxes(1, 2)):
        for down in (1, signs[:, None]):
            for across in (1, signs):
                yield transposed * down * across


def _turned(pictures: NDArray[np.uint8], orientations: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Pictures (n, side, side), each in its own orientation (0 to 7)."""
    result = np.where((orientations & 4)[:, None, None] > 0, pictures.swapaxes(1, 2), pictures)
    result = np.where((orientations & 2)[:, None, None] > 0, result[:, ::-1], result)
    return np.where((orientations & 1)[:, None, None] > 0, result[:, :, ::-1], result)


def _bits(values: NDArray[np.float32]) -> NDArray[np.uint64]:
    flags = values.reshape(len(values), -1) > 0
    flags[:, 0] = False  # the mean says nothing
    return np.packbits(flags, axis=1).view(">u8")[:, 0].astype(np.uint64)


def nearest(wanted: Looks, among: Looks, bits: int = BITS) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each picture its nearest copy among others, if it has one.

    Every word of 16 bits is looked up as it is and with each of its bits turned over, so that nothing within
    7 bits is missed, and few pairs are compared.

    Args:
        wanted: n pictures.
        among: where copies are looked for.
        bits: that may differ, 7 at most.

    Returns:
        (n,) index of the copy, -1 where there is none; (n,) number of bits that differ.
    """
    if not 0 <= bits <= MOST_BITS:
        raise ValueError(f"{bits} bits, expected 0 to {MOST_BITS}")
    best = np.full(len(wanted), -1, np.int64)
    distance = np.full(len(wanted), 65, np.int64)
    rows, there = np.flatnonzero(~wanted.flat), np.flatnonzero(~among.flat)
    for orientation in range(8):
        for asked, found in _candidates(wanted.bits[rows, orientation], among.bits[there, 0], bits):
            one, other = rows[asked], there[found]
            alike = _alike(wanted.small[one], among.small[other], orientation)
            one, other = one[alike], other[alike]
            apart = np.bitwise_count(wanted.bits[one, orientation] ^ among.bits[other, 0]).astype(np.int64)
            order = np.lexsort((other, apart, one))
            one, first = np.unique(one[order], return_index=True)
            other, apart = other[order][first], apart[order][first]
            nearer = apart < distance[one]
            best[one[nearer]], distance[one[nearer]] = other[nearer], apart[nearer]
    return best, distance


def _candidates(
    wanted: NDArray[np.uint64], among: NDArray[np.uint64], bits: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Indices of pairs that differ in few bits; a pair may come more than once."""
    for word in range(WORDS):
        shift = np.uint64(16 * word)
        keys = (among >> shift) & np.uint64(0xFFFF)
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], np.arange(0x10001, dtype=np.uint64))
        asked = ((wanted >> shift) & np.uint64(0xFFFF)).astype(np.int64)
        for turned in (0, *(1 << bit for bit in range(16))) if bits >= WORDS else (0,):
            first, last = starts[asked ^ turned], starts[(asked ^ turned) + 1]
            for one, place in _ranges(first, last):
                other = order[place]
                near = np.bitwise_count(wanted[one] ^ among[other]) <= bits
                if near.any():
                    yield one[near], other[near]


def _ranges(
    first: NDArray[np.int64], last: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Every (index, place) with first[index] <= place < last[index], not too many at once."""
    counts = last - first
    groups = np.cumsum(counts) // AT_ONCE
    for group in np.unique(groups[counts > 0]):
        rows = np.flatnonzero((groups == group) & (counts > 0))
        own = counts[rows]
        within = np.arange(own.sum()) - np.repeat(np.cumsum(own) - own, own)
        yield np.repeat(rows, own), np.repeat(first[rows], own) + within


def _alike(one: NDArray[np.uint8], other: NDArray[np.uint8], orientation: int) -> NDArray[np.bool_]:
    turned = _turned(one, np.full(len(one), orientation)).reshape(len(one), -1).astype(np.float32)
    still = other.reshape(len(other), -1).astype(np.float32)
    turned -= turned.mean(1, keepdims=True)
    still -= still.mean(1, keepdims=True)
    lengths = np.linalg.norm(turned, axis=1) * np.linalg.norm(still, axis=1)
    return np.asarray((turned * still).sum(1) >= ALIKE * lengths)
