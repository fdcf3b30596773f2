"""Layout "npz": patches as MedMNIST ships them, read block by block from within the zip that an npz is."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.core.recipe import build
from histopress.data.patch_arrays import ArrayPart, ArraySource
from histopress.data.patch_task import PatchTask


@dataclass(frozen=True)
class NpzLayout:
    """Settings of layout "npz"; in names of arrays, {part} stands for the name of a part in the source.

    Attributes:
        file: the .npz file, below the folder of the data.
        images: array with the pixels, (n, height, width, 3) or (n, height, width) uint8.
        labels: array with the labels, (n,) or (n, labels).
        groups: array with the groups, (n,); empty: every patch is a group.
        parts: name of a part in the source -> train, tuning or test; "" leaves it out.
    """

    file: str = "patches.npz"
    images: str = "{part}_images"
    labels: str = "{part}_labels"
    groups: str = ""
    parts: dict[str, str] = field(default_factory=lambda: {"train": "train", "val": "tuning", "test": "test"})


class NpzSource(ArraySource):
    """Layout "npz"; see `NpzLayout`."""

    def __init__(self, task: PatchTask, folder: Path) -> None:
        self.layout = build(NpzLayout, task.source, where=f"[source] of task {task.name}")
        super().__init__(task, folder, self.layout.parts)
        self._streams: list[ArrayStream] = []
        self.path = folder / self.layout.file
        if not self.path.is_file():
            raise PatchError(f"{self.path}: there is no such file, expected an .npz; complete the data")
        try:
            self._zip = zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError) as error:
            raise PatchError(
                f"{self.path}: no readable .npz file ({error}), expected arrays; download it again"
            ) from error

    def close(self) -> None:
        """Close the file."""
        for stream in self._streams:
            stream.close()
        self._zip.close()

    def files(self) -> Sequence[Path]:
        """See `PatchSource.files`."""
        return [self.path]

    def _open(self, part: str) -> ArrayPart:
        layout = self.layout
        images = self._stream(layout.images, part)
        if images.dtype != np.uint8:
            raise PatchError(f"{self.path}: pixels of {images.dtype}, expected uint8; convert them")
        groups = self._whole(layout.groups, part).astype(str).tolist() if layout.groups else []
        return ArrayPart(layout.file, images.shape, images.read, self._whole(layout.labels, part), groups)

    def _whole(self, name: str, part: str) -> NDArray[Any]:
        stream = self._stream(name, part)
        return stream.read(0, stream.shape[0])

    def _stream(self, name: str, part: str) -> ArrayStream:
        member = f"{name.format(part=part)}.npy"
        if member not in self._zip.namelist():
            arrays = ", ".join(Path(found).stem for found in self._zip.namelist())
            raise PatchError(f"{self.path}: holds {arrays}, expected {Path(member).stem}; mend `[source]`")
        self._streams.append(ArrayStream(self._zip, member))
        return self._streams[-1]


class ArrayStream:
    """Rows of a packed array; cheap when they are asked for in their order.

    Args:
        file: an open .npz.
        member: of the file, with its ending.

    Attributes:
        shape: of the array.
        dtype: of its numbers.

    Raises:
        PatchError: it is damaged, or no plain array.
    """

    def __init__(self, file: zipfile.ZipFile, member: str) -> None:
        self._file, self._member = file, member
        self._stream: IO[bytes] | None = None
        self._start()

    def close(self) -> None:
        """Let go of the member."""
        if self._stream is not None:
            self._stream.close()

    def _start(self) -> None:
        self.close()
        try:
            self._stream = self._file.open(self._member)
            self.shape, columns_first, self.dtype = _header(self._stream)
        except (zipfile.BadZipFile, zlib.error, ValueError, OSError) as error:
            self.close()
            raise self._damaged(error) from error
        if columns_first or self.dtype.hasobject or not self.shape:
            self.close()
            raise self._damaged(f"{self.dtype} in columns or objects, expected rows of numbers")
        self._row = 0

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows from `start` to before `stop`.

        Raises:
            PatchError: they are damaged.
        """
        if self._stream is None or start < self._row:
            self._start()
        size = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        try:
            data = self._bytes(start, stop, size)
            return np.frombuffer(data, self.dtype).reshape(stop - start, *self.shape[1:])
        except (zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
            self._row = self.shape[0] + 1  # begin anew
            raise self._damaged(error) from error

    def _bytes(self, start: int, stop: int, size: int) -> bytes:
        """Rows of so many bytes; those before them are read and dropped."""
        assert self._stream is not None
        for _ in range(self._row, start):
            self._stream.read(size)
        self._row = stop
        return self._stream.read((stop - start) * size)

    def _damaged(self, reason: object) -> PatchError:
        return PatchError(
            f"{self._file.filename}: array {Path(self._member).stem} cannot be read ({reason}); download "
            "the file again"
        )


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type of the numbers."""
    first, _ = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if first == 1 else np.lib.format.read_array_header_2_0
    shape, columns_first, dtype = read(stream)
    return shape, columns_first, dtype
