"""Files that are whole or absent, locks that die with their process, and fingerprints of large files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from histopress.core.location import Location, Url


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed to `path` when the block ends without an error.

    Readers see all of the file or none of it; whatever goes wrong, no half-written file stays behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Location, content: str | bytes) -> None:
    """Write text (UTF-8) or bytes to a file, all of it or nothing."""
    data = content.encode() if isinstance(content, str) else content
    if isinstance(path, Url):
        path.write(data)
        return
    with whole(path) as partial:
        partial.write_bytes(data)


def quick_hash(path: Location, sample: int = 1 << 20) -> str:
    """16 hex digits over the size of a file and its first, middle and last `sample` bytes.

    Cheap for files of many gigabytes. It notices replaced and truncated files, not a flipped bit in between.
    """
    size = path.size() if isinstance(path, Url) else path.stat().st_size
    hasher = hashlib.sha256(str(size).encode())
    starts = (0, max(0, size // 2 - sample // 2), max(0, size - sample))
    for part in _parts(path, [(start, min(sample, size - start)) for start in starts]):
        hasher.update(part)
    return hasher.hexdigest()[:16]


def _parts(path: Location, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
    """The bytes of each range (first byte, number of bytes)."""
    if isinstance(path, Url):
        yield from path.read(ranges)
        return
    with path.open("rb") as file:
        for start, count in ranges:
            file.seek(start)
            yield file.read(count)
