"""Handwritten digits as stamps that fill a cell, dealt out to parts so that no digit is in two of them.

As published (arXiv 1811.02840, and its code): grey levels above 63 are ink, and every third pixel is kept.
The published code keeps 10 x 10 px of 28, so that a digit reaches into the cells beside it, though cells of
9 px are declared; here stamps are 9 x 9 px, every third pixel from the second one on, and no cell knows of
its neighbours.

Parts share no digit, but some stamps are alike to the last pixel: two strokes of a pen may leave the same 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.studies.mnist_files import Digits, read_mnist
from histopress.studies.rectangles import Scene

CELL = 9
"""px a side of a cell."""

INK = 63
"""Grey levels above this are ink."""

SIDE, CLASSES = 28, 10
STEP = 3
"""Every third pixel is kept, from the second one on."""

StampPart = Literal["encoder", "train", "tuning", "test"]
PARTS: tuple[StampPart, ...] = ("encoder", "train", "tuning", "test")
SHARES: dict[StampPart, float] = {"encoder": 0.3, "train": 0.5, "tuning": 0.2}
"""Of the training digits of every class; the test digits are the test part."""


@dataclass(frozen=True)
class Stamps:
    """The stamps of one part, sorted by class.

    Attributes:
        pictures: (stamps, 9, 9) uint8, 255 at ink.
        classes: (stamps,) uint8, ascending; see `read_stamps`.
        sources: (stamps,) int64 which digit of its file each one was.
    """

    pictures: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    sources: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def identity(self) -> str:
        """Digest over every pixel and class."""
        return hashlib.sha256(self.pictures.tobytes() + self.classes.tobytes()).hexdigest()[:16]

    @property
    def counts(self) -> NDArray[np.int64]:
        """(classes,) how many there are of each."""
        return np.bincount(self.classes)


def stamped(digits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Digits (n, 28, 28), 0 is background -> stamps (n, 9, 9), 255 at ink."""
    return np.where(digits[:, 1::STEP, 1::STEP] > INK, 255, 0).astype(np.uint8)


def chosen(scene: Scene, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(digits,) which stamp lies in each cell of a scene, where stamps are sorted by class.

    Args:
        scene: has a class and a random number for every digit.
        counts: (classes,) stamps of each class.
    """
    starts = np.cumsum(counts) - counts
    own = counts[scene.classes]
    return np.asarray(starts[scene.classes] + scene.variants.astype(np.int64) % own, np.int64)


def deal(
    digits: Digits, shares: Mapping[StampPart, float], seed: int, first: Sequence[int] = ()
) -> dict[StampPart, Stamps]:
    """Digits of every class are dealt out to parts by their shares, each to one part.

    Args:
        digits: of 28 x 28 px.
        shares: of each part, 1 in all.
        seed: the same one deals alike.
        first: see `read_stamps`.

    Raises:
        PatchError: digits of another size, or a part would get none of some class.
    """
    if digits.pictures.shape[1:] != (SIDE, SIDE):
        raise PatchError(
            f"digits are {digits.pictures.shape[1:]} px, expected {SIDE} x {SIDE}; give the MNIST files"
        )
    random, ends = np.random.default_rng(seed), np.cumsum(list(shares.values()))[:-1]
    rows: dict[StampPart, list[NDArray[np.int64]]] = {part: [] for part in shares}
    order = [*first, *(number for number in range(CLASSES) if number not in first)]
    for number in range(CLASSES):
        own = random.permutation(np.flatnonzero(digits.labels == number))
        cuts = np.rint(ends * len(own)).astype(np.int64)
        for part, piece in zip(shares, np.split(own, cuts), strict=True):
            if not len(piece):
                raise PatchError(
                    f"there are {len(own)} digits {number}, which leaves none for the {part} part; expected "
                    "some in each part; give more digits"
                )
            rows[part].append(np.sort(piece))
    return {part: _stamps(digits, [pieces[n] for n in order]) for part, pieces in rows.items()}


def _stamps(digits: Digits, pieces: Sequence[NDArray[np.int64]]) -> Stamps:
    rows = np.concatenate(pieces)
    classes = np.repeat(np.arange(len(pieces), dtype=np.uint8), [len(piece) for piece in pieces])
    return Stamps(stamped(digits.pictures[rows]), classes, rows)


def read_stamps(mnist: Path, seed: int = 0, first: Sequence[int] = ()) -> dict[StampPart, Stamps]:
    """The stamps of all parts: encoder, train and tuning from the training digits, test from the test digits.

    Args:
        mnist: folder of the MNIST files.
        seed: of which digit is in which part.
        first: digits that are the classes 0, 1 and so on of the scenes; the others follow in their order.

    Raises:
        PatchError: the files are not there, or hold something else.
    """
    learned, unseen = read_mnist(mnist, "training"), read_mnist(mnist, "test")
    return {**deal(learned, SHARES, seed, first), **deal(unseen, {"test": 1.0}, seed, first)}
