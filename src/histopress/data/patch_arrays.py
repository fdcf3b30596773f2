"""Patches that come as arrays of pixels and arrays of labels, a few per part, whatever file holds them."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.core.geometry import Box
from histopress.data.patch_labels import parts_of
from histopress.data.patch_source import Label, PatchSource, Place
from histopress.data.patch_squares import field_px, show, squares
from histopress.data.patch_task import PatchTask

BLOCK = 64
"""Patches that are read at once."""

HELD = 24
"""Blocks that are kept: threads ask for them nearly, but not quite, in order."""


@dataclass(frozen=True)
class ArrayPart:
    """The patches of one part.

    Attributes:
        file: that holds the pixels, for names and messages.
        shape: of the pixels, (n, height, width, 3) or (n, height, width).
        read: (start, stop) -> the pixels of these patches, uint8; called by one thread at a time.
        labels: (n,) or (n, classes); or with further axes of length 1.
        groups: (n,) names, or none if every patch is a group.
        skipped: numbers of patches that are no part of the task.
    """

    file: str
    shape: tuple[int, ...]
    read: Callable[[int, int], NDArray[np.uint8]]
    labels: NDArray[Any]
    groups: Sequence[str] = ()
    skipped: frozenset[int] = frozenset()


class ArraySource(PatchSource):
    """Arrays of patches; `_open` finds those of a part.

    Args:
        task: see `PatchSource`.
        folder: of the data.
        parts: name of a part in the source -> train, tuning or test.
    """

    def __init__(self, task: PatchTask, folder: Path, parts: dict[str, str]) -> None:
        super().__init__(task, folder)
        self.parts = dict(zip(parts, parts_of(list(parts), parts, "source.parts"), strict=True))
        self._opened: dict[str, ArrayPart] = {}
        self._blocks: OrderedDict[tuple[str, int], NDArray[np.uint8]] = OrderedDict()
        self._lock = Lock()

    @abstractmethod
    def _open(self, part: str) -> ArrayPart:
        """The arrays of a part, by its name in the source.

        Raises:
            PatchError: they are missing, or not what the settings say.
        """

    def places(self, field: float) -> Sequence[Place]:
        """See `PatchSource.places`."""
        return [place for name, part in self.parts.items() if part for place in self._part(name, part, field)]

    def _part(self, name: str, part: str, field: float) -> Iterator[Place]:
        arrays = self._arrays(name)
        area = Box(0, 0, arrays.shape[2], arrays.shape[1])
        laid = squares(area, field_px(self.task, field), self.task, str(self.folder / arrays.file))
        labels = _labels(arrays, self.task)
        for index, label in enumerate(labels):
            patch = f"{name}/{index}"
            group = arrays.groups[index] if arrays.groups else patch
            for x, y, width in laid if index not in arrays.skipped else ():
                at = f"{patch}@{x:.10g},{y:.10g}"
                yield Place(at, f"{arrays.file}, {patch}", label, group, part, x, y, width)

    def _arrays(self, name: str) -> ArrayPart:
        if name not in self._opened:
            self._opened[name] = _checked(self._open(name), self.folder)
        return self._opened[name]

    def cut(self, place: Place, tile: int) -> NDArray[np.uint8]:
        """See `PatchSource.cut`."""
        name, index = place.name.split("@")[0].rsplit("/", 1)
        with self._lock:
            picture = self._block(name, int(index) // BLOCK)[int(index) % BLOCK]
        return show(picture, (place.x, place.y, place.width), tile)

    def _block(self, name: str, number: int) -> NDArray[np.uint8]:
        """(patches, height, width, 3), read or remembered."""
        if (name, number) not in self._blocks:
            arrays = self._arrays(name)
            pixels = arrays.read(number * BLOCK, min((number + 1) * BLOCK, arrays.shape[0]))
            coloured = pixels if pixels.ndim == 4 else np.repeat(pixels[..., None], 3, axis=3)
            self._blocks[name, number] = coloured
            while len(self._blocks) > HELD:
                self._blocks.popitem(last=False)
        return self._blocks[name, number]


def _checked(part: ArrayPart, folder: Path) -> ArrayPart:
    where, shape = folder / part.file, part.shape
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] != 3):
        raise PatchError(
            f"{where}: pixels of shape {shape}, expected (n, height, width, 3) or (n, height, width); check "
            "the names of the arrays in `[source]`"
        )
    counts = {"pixels": shape[0], "labels": len(part.labels)}
    counts |= {"groups": len(part.groups)} if part.groups else {}
    if len(set(counts.values())) > 1:
        raise PatchError(
            f"{where}: {', '.join(f'{n} {name}' for name, n in counts.items())}, expected as many of each; "
            "the files do not belong together: get them again"
        )
    return part


def _labels(part: ArrayPart, task: PatchTask) -> list[Label]:
    given = np.asarray(part.labels, np.float64)
    numbers = given.reshape(len(given), -1)
    wanted = len(task.classes) if task.kind == "multilabel" else 1
    if numbers.shape[1] != wanted:
        raise PatchError(
            f"{part.file}: {numbers.shape[1]} labels a patch, expected {wanted} for a {task.kind} task; mend "
            "`kind` or `classes`"
        )
    if task.kind == "regression":
        return [float(number) for number in numbers[:, 0]]
    allowed = 2 if task.kind == "multilabel" else len(task.classes)
    odd = np.setdiff1d(numbers[~np.isnan(numbers)], np.arange(allowed))
    if odd.size:
        raise PatchError(
            f"{part.file}: labels {', '.join(f'{n:g}' for n in odd[:10])}, expected whole numbers from 0 to "
            f"{allowed - 1}; mend `classes`"
        )
    rows: list[list[float]] = numbers.tolist()
    return [tuple(row) if task.kind == "multilabel" else row[0] for row in rows]
