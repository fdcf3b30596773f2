"""Files that are whole or absent, locks that die with their process, and fingerprints of large files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text (UTF-8) or bytes to a file, all of it or nothing."""
    with whole(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


def quick_hash(path: Path, sample: int = 1 << 20) -> str:
    """16 hex digits over the size of a file and its first, middle and last `sample` bytes.

    Cheap for files of many gigabytes. It notices replaced and truncated files, not a flipped bit in between.
    """
    size = path.stat().st_size
    hasher = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for start in (0, max(0, size // 2 - sample // 2), max(0, size - sample)):
            file.seek(start)
            hasher.update(file.read(sample))
    return hasher.hexdigest()[:16]
