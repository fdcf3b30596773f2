"""Other objects and other clutter than digits: pictures of strokes, or any pictures, made alike to digits."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError, RecipeError
from histopress.studies.pictures import PARTS, Part

Real = TypeVar("Real", np.float32, np.float64)

SHARES = {"train": 55, "tuning": 5, "test": 10}
"""Of 70: how MNIST is divided."""


@dataclass(frozen=True)
class Stamps:
    """Small pictures to add to a black canvas.

    Attributes:
        pictures: (stamps, digit, digit) uint8, bright on black.
        sources: of each, the digest of the pixels that it was made from.
    """

    pictures: NDArray[np.uint8]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def without(self, others: Stamps) -> Stamps:
        """Those that were not made from pictures that the others were made from."""
        taken = set(others.sources)
        kept = [row for row, source in enumerate(self.sources) if source not in taken]
        return Stamps(self.pictures[kept], tuple(self.sources[row] for row in kept))


def read_stamps(source: Path, part: Part, digit: int, pattern: str = "") -> Stamps:
    """Stamps of one part, from pictures in a folder or a zip, such as that of Omniglot.

    A picture belongs to one part for ever, by a hash of its pixels, whatever else is there, and copies of it
    under other names count once. So parts have about the sizes of those of MNIST.

    Args:
        source: folder with subfolders, or zip, of PNG, JPEG, TIFF or BMP files.
        part: "train" takes about 11 of 14, "tuning" 1, "test" 2.
        digit: px a side of a stamp.
        pattern: regular expression that the path of a picture must hold.

    Raises:
        PatchError: there are too few pictures, or one of them cannot be read.
        RecipeError: the pattern is no regular expression.
    """
    stamps = _all_stamps(source, digit, pattern)
    rows = [row for row, origin in enumerate(stamps.sources) if _part_of(origin) == part]
    if not rows:
        raise PatchError(
            f"{source}: none of {len(stamps)} different pictures whose path holds {pattern!r} falls into the "
            f"{part} part, expected one at least; give more pictures, or another pattern"
        )
    return Stamps(stamps.pictures[rows], tuple(stamps.sources[row] for row in rows))


def stamp_of(picture: NDArray[np.uint8], digit: int) -> NDArray[np.uint8]:
    """A picture made alike to a digit: bright strokes that reach 255, on black, of a side of `digit` px.

    The median of the border is taken for the background: a bright one is turned dark, and what is darker
    than a dark one is black. A picture that is not square is laid in the middle of a black square.

    Args:
        picture: (height, width) or (height, width, 3) uint8.
        digit: px a side.
    """
    grey = picture.reshape(*picture.shape[:2], -1).sum(axis=2, dtype=np.float64)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    white = 255 * (picture.size // grey.size)
    if np.median(border) > white / 2:
        grey, border = white - grey, white - border
    ink = np.maximum(grey - np.median(border), 0)
    height, width = ink.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((1, side, side))
    square[0, top : top + height, left : left + width] = ink
    small = scaled(square, digit)[0]
    bright: NDArray[np.uint8] = np.rint(small * 255 / (small.max() or 1)).astype(np.uint8)
    return bright


def scaled(pictures: NDArray[Real], side: int) -> NDArray[Real]:
    """(n, height, width) -> (n, side, side): every pixel is the mean of the area that it covers.

    Whole numbers are summed before anything is divided, so that all machines give the same.
    """
    down, across = (_overlaps(count, side).astype(pictures.dtype) for count in pictures.shape[1:])
    sums = down @ pictures @ across.T
    return np.asarray(sums / (pictures.shape[1] * pictures.shape[2]), pictures.dtype)


def _overlaps(count: int, side: int) -> NDArray[np.int64]:
    """(side, count): how much of each old pixel each new one covers; `side` is all of it."""
    new, old = np.arange(side)[:, None] * count, np.arange(count)[None] * side
    return np.asarray(np.maximum(np.minimum(new + count, old + side) - np.maximum(new, old), 0), np.int64)


@lru_cache(maxsize=4)
def _all_stamps(source: Path, digit: int, pattern: str) -> Stamps:
    """All of a source, in an order by digest that no renaming changes."""
    from histopress.data.picture_store import PictureStore

    if not source.exists():
        raise PatchError(f"{source}: there is no such folder or zip, expected pictures; name another")
    store = PictureStore(source)
    try:
        names = [name for name in store.names() if _expression(pattern).search(name)]
        found: dict[str, NDArray[np.uint8]] = {}
        for name in names:
            pixels = store.pixels(name)
            found.setdefault(_digest(pixels), stamp_of(pixels, digit))
    finally:
        store.close()
    sources = sorted(found)
    pictures = [found[origin] for origin in sources] or [np.empty((0, digit, digit), np.uint8)]
    return Stamps(np.stack(pictures), tuple(sources))


def _part_of(source: str) -> Part:
    """By chance of about these shares."""
    place = int(source, 16) % sum(SHARES.values())
    ends = np.cumsum([SHARES[part] for part in PARTS])
    return PARTS[int(np.searchsorted(ends, place, side="right"))]


def _digest(pixels: NDArray[np.uint8]) -> str:
    shape = ",".join(map(str, pixels.shape))
    return hashlib.sha256(shape.encode() + pixels.tobytes()).hexdigest()[:16]


def _expression(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise RecipeError(f"pattern {pattern!r} is no regular expression ({error}); correct it") from error
