"""Stored pixels of one level -> the picture of a box at any scale, antialiased, placed to sub-pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Box, Size

BLOCK = 2048
"""Stored px a side that are worked on at once: bounds the memory of strong reductions to some 50 MB."""

COARSE = 1.45
"""Stored px to one of the result; from here on the HAMMING filter shifts nothing."""

TINY = 1e-6
"""px; edges this close to a whole pixel are taken to lie on it."""


Reader = Callable[[int, int, Size], NDArray[np.uint8]]
"""(x, y, size) in whole px of a level, which may lie beyond it -> the (height, width, 3) pixels there."""


def resample(read: Reader, box: Box, wanted: Size) -> NDArray[np.uint8]:
    """The picture of a box in a given number of pixels.

    Where both reductions are whole numbers and the box lies on whole pixels, each pixel is the rounded mean
    of those it covers (at a reduction of 1 it is the stored one). Otherwise it is made by an antialiasing
    filter, which reaches beyond the box, so that pictures of adjacent boxes join without a seam.

    Args:
        read: gives stored pixels.
        box: in px of the level that `read` reads; may begin and end anywhere.
        wanted: px of the result.

    Returns:
        (height, width, 3) uint8 of the wanted size.
    """
    factors = _whole_factors(box, wanted)
    reduce = partial(_mean, factors=factors) if factors else _filtered
    picture = np.empty((*wanted.shape, 3), np.uint8)
    for rows, cols in _blocks(box, wanted):
        part = _part(box, wanted, rows, cols)
        picture[rows, cols] = reduce(read, part, Size(cols.stop - cols.start, rows.stop - rows.start))
    return picture


def margin_of(box: Box, wanted: Size) -> float:
    """How many px around a box its picture depends on.

    Args:
        box: as for `resample`.
        wanted: px of the picture.
    """
    if _whole_factors(box, wanted):
        return 0.0
    ratios = (box.width / wanted.width, box.height / wanted.height)
    return _filter(*ratios)[1] * max(1.0, *ratios)


def _filter(across: float, down: float) -> tuple[int, int]:
    """Pillow's number of the filter for a reduction, and how many px it reaches where nothing is reduced.

    HAMMING would pull pixels by up to 0.18 px towards the stored ones where little is reduced or pixels are
    magnified; BICUBIC is true to 0.02 px there.
    """
    from PIL import Image

    coarse = min(across, down) > COARSE
    return (Image.Resampling.HAMMING, 1) if coarse else (Image.Resampling.BICUBIC, 2)


def _whole_factors(box: Box, wanted: Size) -> tuple[int, int] | None:
    """How many px along x and y make one of the result, if these are whole and the box lies on whole px."""
    factors = (round(box.width / wanted.width), round(box.height / wanted.height))
    off = (
        box.x - round(box.x),
        box.y - round(box.y),
        box.width - factors[0] * wanted.width,
        box.height - factors[1] * wanted.height,
    )
    return factors if min(factors) > 0 and max(map(abs, off)) < TINY else None


def _blocks(box: Box, wanted: Size) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the result whose stored pixels fit into memory at once."""
    height = max(1, int(BLOCK * wanted.height / box.height))
    width = max(1, int(BLOCK * wanted.width / box.width))
    for top in range(0, wanted.height, height):
        for left in range(0, wanted.width, width):
            yield (
                slice(top, min(top + height, wanted.height)),
                slice(left, min(left + width, wanted.width)),
            )


def _part(box: Box, wanted: Size, rows: slice, cols: slice) -> Box:
    """The part of the box that these rows and columns of its picture show."""
    scale_x, scale_y = box.width / wanted.width, box.height / wanted.height
    return Box(
        box.x + cols.start * scale_x,
        box.y + rows.start * scale_y,
        (cols.stop - cols.start) * scale_x,
        (rows.stop - rows.start) * scale_y,
    )


def _mean(read: Reader, box: Box, wanted: Size, factors: tuple[int, int]) -> NDArray[np.uint8]:
    from PIL import Image

    across, down = factors
    pixels = read(round(box.x), round(box.y), Size(wanted.width * across, wanted.height * down))
    count = across * down
    if count == 1:
        return pixels
    if count & (count - 1) == 0:  # for powers of two Pillow's integer arithmetic is exact
        return np.array(Image.fromarray(pixels).reduce(factors))
    blocks = pixels.reshape(wanted.height, down, wanted.width, across, 3)
    total: NDArray[np.uint32] = blocks.sum(axis=(1, 3), dtype=np.uint32)
    return ((total + count // 2) // count).astype(np.uint8)


def _filtered(read: Reader, box: Box, wanted: Size) -> NDArray[np.uint8]:
    """By one of Pillow's filters.

    Rows go first and columns after them, always: Pillow would choose by the shape, and as it rounds in
    between, the choice would show as a seam.
    """
    from PIL import Image

    filtering, reach = _filter(box.width / wanted.width, box.height / wanted.height)
    left, right = _needed(box.x, box.width, wanted.width, reach)
    top, bottom = _needed(box.y, box.height, wanted.height, reach)
    image = Image.fromarray(read(left, top, Size(right - left, bottom - top)))
    x, y = box.x - left, box.y - top
    image = image.resize((image.width, wanted.height), filtering, box=(0, y, image.width, y + box.height))
    image = image.resize((wanted.width, wanted.height), filtering, box=(x, 0, x + box.width, wanted.height))
    return np.array(image)


def _needed(start: float, length: float, wanted: int, reach: int) -> tuple[int, int]:
    """First and last px that a filter needs."""
    margin = reach * max(1.0, length / wanted)
    return math.floor(start - margin), math.ceil(start + length + margin)
