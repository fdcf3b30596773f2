"""Where files lie: on a disk, as a `Path`, or in an object store, as a `Url` that fsspec can open."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from histopress.core.errors import HistopressError, MissingExtraError, RemoteError

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
"""A drive letter of Windows is none: schemes have two letters at least."""

DRIVERS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
"""Scheme -> library that opens it, where its name does not tell."""


@dataclass(frozen=True, order=True)
class Url:
    """A file or folder of an object store; has of `Path` what reading and writing whole files takes.

    Keys, end points and all other options are fsspec's own, from its environment variables and config files.
    Every method but the names raises MissingExtraError if fsspec or its driver is not installed, and
    RemoteError if the store does not answer as it should.

    Attributes:
        text: as it is written, such as s3://bucket/slides/a.svs.
    """

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text.rstrip("/"))

    def __str__(self) -> str:
        return self.text

    def __truediv__(self, name: str) -> Url:
        return Url(f"{self.text}/{name}")

    @property
    def name(self) -> str:
        """What stands behind the last slash; without the query, if it is a web address."""
        bare = self.text.partition("?")[0] if self.text.startswith("http") else self.text
        return bare.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.name).stem

    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        return self._kind() != ""

    def is_dir(self) -> bool:
        """Whether it is a folder: in object stores, whether names begin like it."""
        return self._kind() == "directory"

    def size(self) -> int:
        """Bytes of the file."""
        with self._store() as (store, path):
            found = store.info(path).get("size")
        if found is None:
            raise RemoteError(f"{self}: its server does not tell how large it is; copy it to a disk")
        return int(found)

    def state(self) -> str:
        """Changes when the file does."""
        with self._store() as (store, path):
            return str(store.ukey(path))

    def modified(self) -> int:
        """When it was last written, ns since 1970; 0 where the store does not tell."""
        with self._store() as (store, path):
            try:
                return int(store.modified(path).timestamp() * 1e9)
            except NotImplementedError:
                return 0

    def files(self) -> list[Url]:
        """The files in this folder, sorted; not those in subfolders."""
        with self._store() as (store, path):
            found = [e["name"] for e in store.ls(path, detail=True) if e["type"] == "file"]
        return sorted(self / name.rpartition("/")[2] for name in found)

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of several ranges (first byte, number of bytes) at once; fewer where the file ends."""
        with self._store() as (store, path):
            starts = [start for start, _ in ranges]
            ends = [start + count for start, count in ranges]
            return [bytes(b) for b in store.cat_ranges([path] * len(ranges), starts, ends, on_error="raise")]

    def read_text(self, encoding: str = "utf-8") -> str:
        """All of the file."""
        with self._store() as (store, path):
            return bytes(store.cat_file(path)).decode(encoding)

    def write(self, content: bytes) -> None:
        """Write the file; object stores show all of it or nothing."""
        with self._store() as (store, path):
            store.pipe_file(path, content)

    def upload(self, file: Path) -> None:
        """Write the file from one on a disk; object stores show all of it or nothing."""
        with self._store() as (store, path):
            store.put_file(str(file), path)

    def _kind(self) -> str:
        """What fsspec calls it: file, directory; empty if it is not there."""
        with self._store() as (store, path):
            try:
                return str(store.info(path)["type"])
            except FileNotFoundError:
                return ""

    @contextmanager
    def _store(self) -> Iterator[tuple[Any, str]]:
        """The file system of fsspec, and the path in it; its errors in our words."""
        if not find_spec("fsspec"):
            raise MissingExtraError(
                f"{self} needs fsspec, which is not installed; "
                f"pip install 'histopress[cluster]' {self._driver}"
            )
        from fsspec.core import url_to_fs

        try:
            yield url_to_fs(self.text, use_listings_cache=False)
        except HistopressError:
            raise
        except ImportError as error:
            raise MissingExtraError(
                f"{self}: the driver of {self._scheme}:// is not installed ({error}); "
                f"pip install {self._driver}"
            ) from error
        except FileNotFoundError as error:
            raise RemoteError(f"{self}: there is no such file in the store; check the address") from error
        except Exception as error:  # drivers raise anything
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise RemoteError(
                f"{self}: the store cannot be used ({type(error).__name__}: {reason}); "
                "check the address, the keys and the end point that fsspec is given"
            ) from error

    @property
    def _scheme(self) -> str:
        return self.text.partition("://")[0].lower()

    @property
    def _driver(self) -> str:
        return DRIVERS.get(self._scheme, f"the fsspec driver for {self._scheme}")


Location = Path | Url
"""Where a file lies."""


def location(text: str | Location) -> Location:
    """A path or an address as it is written; file:// is a path."""
    if not isinstance(text, str):
        return text
    found = SCHEME.match(text)
    if found is None:
        return Path(text)
    if found[1].lower() in ("file", "local"):
        from urllib.request import url2pathname

        return Path(url2pathname(text[found.end() :]))
    return Url(text)


State = tuple[int | str, ...]
"""See `state_of`."""


def state_of(file: Location) -> State:
    """What changes when the file does, such as its size and time; nothing where there is none."""
    if not file.exists():
        return ()
    if isinstance(file, Url):
        return (file.state(),)
    facts = file.stat()
    return (facts.st_size, facts.st_mtime_ns)
