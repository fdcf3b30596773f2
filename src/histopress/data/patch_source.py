"""What every layout of labelled patches can do: list its places, and cut a tile at each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from histopress.data.patch_task import PatchTask

Label = float | tuple[float, ...]
"""Index of the class, or a number; one number a class for multilabel. NaN: not known."""


@dataclass(frozen=True)
class Place:
    """One labelled place.

    Attributes:
        name: unique within the set and stable, for example "images.zip/a.jpg@128,0".
        file: path below the folder of the data (with the member of a zip), for messages.
        label: see `Label`.
        group: what must never be split.
        part: train, tuning or test as the source states it, or "" where it does not.
        x: centre of the tile in stored px of the picture, to the right.
        y: centre of the tile, downwards.
        width: side of the square that the tile shows, in stored px.
    """

    name: str
    file: str
    label: Label
    group: str
    part: str = ""
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0


class PatchSource(ABC):
    """Reads one layout; a context manager that keeps files open for as long as it lives.

    Args:
        task: its `source` holds the settings of the layout.
        folder: of the data.
    """

    def __init__(self, task: PatchTask, folder: Path) -> None:
        self.task = task
        self.folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exit_facts: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027  # most have none
        """Let go of open files."""

    def files(self) -> Sequence[Path]:
        """The files that places and tiles are made from: all in the folder, unless a layout knows better."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    @abstractmethod
    def places(self, field: float) -> Sequence[Place]:
        """Every place in a stable order, without reading more pixels than that takes.

        Args:
            field: width of a tile in um.

        Raises:
            PatchError: files are missing, or are not of this layout.
        """

    @abstractmethod
    def cut(self, place: Place, tile: int) -> NDArray[np.uint8]:
        """The square of a place as (tile, tile, 3) uint8 RGB, resampled with care for aliasing.

        Raises:
            PatchError: the pixels cannot be read; names the file.
        """
