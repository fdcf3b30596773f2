"""Pictures of the rectangles task in pixels, of handwritten digits."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.studies.rectangles import Scene
from histopress.studies.rectangles_grids import CELL

Digits = Sequence[NDArray[np.uint8]]
"""By class: (n, 28, 28), 0 is background."""

INK = 63
"""Grey levels above this are ink."""

STEP = 3
MAGIC = {1: 2049, 3: 2051}
"""Of labels and of pictures, by their number of axes."""


def read_digits(images: Path, labels: Path) -> Digits:
    """MNIST digits by class, from its two files (IDX format, gzip).

    Raises:
        PatchError: not such files, or they do not belong together.
    """
    pictures, numbers = _read(images, 3), _read(labels, 1)
    if len(pictures) != len(numbers):
        raise PatchError(
            f"{images} holds {len(pictures)} pictures, {labels} {len(numbers)} labels, expected as many; "
            "name two files of one set"
        )
    return [pictures[numbers == number] for number in range(int(numbers.max()) + 1)]


def scene_picture(scene: Scene, digits: Digits) -> NDArray[np.uint8]:
    """A scene in ink: (height, width) uint8, 255 at ink, 9 px a cell.

    Digits are cut to 27 x 27 px, every third px is kept, and what is darker than `INK` becomes ink. (The
    published generator keeps 10 x 10 px of 28, so that its digits reach into their neighbours.)
    """
    rows = [digits[c][v % len(digits[c])] for c, v in zip(scene.classes, scene.variants, strict=True)]
    small = np.stack(rows)[:, 1::STEP, 1::STEP]
    picture = np.zeros((scene.side, CELL, scene.side, CELL), np.uint8)
    picture[scene.cells[:, 0], :, scene.cells[:, 1]] = np.where(small > INK, 255, 0)
    return picture.reshape(scene.side * CELL, scene.side * CELL)


def _read(path: Path, axes: int) -> NDArray[np.uint8]:
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise PatchError(f"{path} cannot be read: {error}; give a gzip file of the MNIST set") from error
    header = np.frombuffer(content[: 4 + 4 * axes].ljust(4 + 4 * axes, b"\0"), ">u4")
    shape = tuple(int(n) for n in header[1:])
    if len(header) != axes + 1 or header[0] != MAGIC[axes] or len(content) != 4 + 4 * axes + np.prod(shape):
        raise PatchError(f"{path} is no IDX file of {axes} axes; give a gzip file of the MNIST set")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
