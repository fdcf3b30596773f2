"""Where the bytes of a slide come from, a disk or an object store: many ranges at a time, from any thread."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, Protocol

from histopress.core.errors import CutOffError, UnreadableSlideError
from histopress.core.location import Location, Url

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Range = tuple[int, int]
"""First byte, number of bytes."""

GAP = 128 << 10
"""Bytes between two ranges of an object store that are read along, as a request of its own takes longer."""

LARGEST = 16 << 20
"""Bytes beyond which ranges are not joined: several requests run at the same time."""

BLOCK = 256 << 10
"""Bytes that parsers read from an object store at once."""


class ByteSource(Protocol):
    """Random access to one file. Safe to use from several threads."""

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """The bytes of each range.

        Raises:
            UnreadableSlideError: the file ends before a range does, or was closed.
        """

    def close(self) -> None:
        """Let go of the file."""


def open_bytes(file: Location) -> ByteSource:
    """Random access to a file, wherever it lies."""
    return RemoteBytes(file) if isinstance(file, Url) else FileBytes(file)


def open_file(file: Location) -> BinaryIO:
    """A file for parsers, wherever it lies."""
    return io.BufferedReader(RemoteFile(file)) if isinstance(file, Url) else file.open("rb")


class FileBytes:
    """A file on a disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """The bytes of each range; see `ByteSource.read`."""
        if self._file < 0:
            raise UnreadableSlideError(f"{self.path}: the slide was closed; read inside of its `with` block")
        return [self._range(start, count) for start, count in ranges]

    def _range(self, start: int, count: int) -> bytes:
        found = self._pread(start, count)
        if len(found) < count:
            raise CutOffError(cut_off(self.path, start + count, os.fstat(self._file).st_size))
        return found

    def _pread(self, start: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file, count, start)
        with self._lock:  # Windows
            os.lseek(self._file, start, os.SEEK_SET)
            return os.read(self._file, count)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


class RemoteBytes:
    """A file in an object store. Ranges that lie near each other are read in one request."""

    def __init__(self, url: Url) -> None:
        self.url = url
        self._closed = False

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """The bytes of each range; see `ByteSource.read`."""
        if self._closed:
            raise UnreadableSlideError(f"{self.url}: the slide was closed; read inside of its `with` block")
        wide = joined(ranges)
        held = dict(zip(wide, self.url.read(wide), strict=True)) if wide else {}
        return [self._cut(held, start, count) for start, count in ranges]

    def _cut(self, held: dict[Range, bytes], start: int, count: int) -> bytes:
        if not count:
            return b""
        first, data = next((f, d) for (f, n), d in held.items() if f <= start and start + count <= f + n)
        found = data[start - first : start - first + count]
        if len(found) < count:
            raise CutOffError(cut_off(self.url, start + count, self.url.size()))
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._closed = True


def joined(ranges: Sequence[Range], gap: int = GAP, largest: int = LARGEST) -> list[Range]:
    """Ranges that cover these, in order and apart; two become one where little lies between them.

    Args:
        ranges: in any order; empty ones are left out.
        gap: bytes between two that are joined, at most.
        largest: bytes of a joined range, at most.
    """
    wide: list[Range] = []
    for start, count in sorted(r for r in ranges if r[1]):
        first, length = wide[-1] if wide else (0, 0)
        end = max(first + length, start + count)
        inside = end == first + length
        if wide and (inside or (start <= first + length + gap and end - first <= largest)):
            wide[-1] = (first, end - first)
        else:
            wide.append((start, count))
    return wide


class RemoteFile(io.RawIOBase):
    """A file in an object store for parsers, which jump back and forth: blocks are read once and kept."""

    def __init__(self, url: Url) -> None:
        self.name = url.name
        self._url = url
        self._size = url.size()
        self._place = 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a byte."""
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        """The byte that is read next."""
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read on, up to the end of the buffer or of a block."""
        view = memoryview(buffer).cast("B")
        number, within = divmod(self._place, BLOCK)
        part = self._block(number, -(-(within + len(view)) // BLOCK))[within : within + len(view)]
        view[: len(part)] = part
        self._place += len(part)
        return len(part)

    def _block(self, number: int, ahead: int) -> bytes:
        """A block; the missing ones among those that are wanted next come in the same request."""
        if number * BLOCK >= self._size:
            return b""
        if number not in self._blocks:
            last = -(-self._size // BLOCK)
            wanted = [n for n in range(number, min(number + ahead, last)) if n not in self._blocks]
            self._blocks.update(
                zip(wanted, self._url.read([(n * BLOCK, BLOCK) for n in wanted]), strict=True)
            )
        return self._blocks[number]


def cut_off(path: object, wanted: int, size: int) -> str:
    """The message for a file that ends too early."""
    return (
        f"{path}: the file is cut off: it has {size:,} bytes, but its pixels should reach to byte "
        f"{wanted:,}; copy it again from its source"
    )
