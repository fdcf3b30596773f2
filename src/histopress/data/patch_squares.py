"""Which squares of a picture become tiles, and their pixels at the size of a tile."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.core.geometry import Box, Size
from histopress.data.patch_task import PatchTask
from histopress.data.resample import resample

NEARLY = 0.98
"""A picture that is narrower than a tile by less than this factor counts as one: spacings are rounded."""

WHOLE = 1e-6
"""px; widths this close to a whole number are taken to be it."""

Square = tuple[float, float, float]
"""x and y of the centre, and the width, in px of the picture."""


def field_px(task: PatchTask, field: float) -> float:
    """Stored px that a tile shows.

    Args:
        task: states the spacing of the stored pixels.
        field: width of a tile in um.

    Raises:
        PatchError: the task states no spacing.
    """
    if task.spacing <= 0:
        raise PatchError(
            f"task {task.name!r}: layout {task.layout!r} holds no spacing and the task states none, expected "
            "`spacing` in um/px; state it, and in `spacing_note` how it is known"
        )
    px = field / task.spacing
    return float(round(px)) if abs(px - round(px)) < WHOLE else px


def squares(area: Box, width: float, task: PatchTask, where: str) -> list[Square]:
    """A centred lattice of squares, as many as fit; of a small area one, as `task.small` says.

    Squares begin on whole px, so that none is resampled where the spacings agree.

    Args:
        area: of the picture that is to be cut.
        width: of a square, px.
        task: its `stride` and `small` are obeyed.
        where: names the picture in errors.

    Raises:
        PatchError: the area shows less than a tile, and the task says `small = "fail"`.
    """
    shorter = min(area.width, area.height)
    if shorter < width * NEARLY:
        if task.small == "leave-out":
            return []
        if task.small == "fail":
            raise PatchError(
                f"{where}: {area.width:g} x {area.height:g} px, expected at least {width:g} px a side, "
                'which a tile shows; ask for smaller tiles, or set `small` to "magnify", "pad" or "leave-out"'
            )
    if shorter < width and task.small != "pad":
        width = shorter
    step = max(1, round(width * task.stride))
    return [
        (x + width / 2, y + width / 2, width)
        for y in _starts(area.y, area.height, width, step)
        for x in _starts(area.x, area.width, width, step)
    ]


def _starts(first: float, length: float, width: float, step: int) -> Iterator[float]:
    count = int((length - width) // step) + 1 if length > width else 1
    margin = (length - width - (count - 1) * step) / 2
    for number in range(count):
        yield first + math.floor(margin) + number * step


def show(picture: NDArray[np.uint8], square: Square, tile: int) -> NDArray[np.uint8]:
    """A square of a picture as a tile, antialiased; beyond its edges the picture is mirrored.

    Args:
        picture: (height, width, 3).
        square: may reach beyond the picture.
        tile: px a side.

    Returns:
        (tile, tile, 3) uint8; exactly the stored pixels where the square is `tile` px wide.
    """
    x, y, width = square

    def read(left: int, top: int, size: Size) -> NDArray[np.uint8]:
        rows = _mirrored(top, size.height, picture.shape[0])
        cols = _mirrored(left, size.width, picture.shape[1])
        return np.ascontiguousarray(picture[rows][:, cols])

    return resample(read, Box(x - width / 2, y - width / 2, width, width), Size(tile, tile))


def _mirrored(start: int, count: int, length: int) -> slice | NDArray[np.int64]:
    """Indices along one axis; ..., 1, 0 before the first and length - 1, ... after the last."""
    if start >= 0 and start + count <= length:
        return slice(start, start + count)
    place = np.arange(start, start + count) % (2 * length)
    return np.minimum(place, 2 * length - 1 - place)
