"""HDF5 files of other tools: opened for reading, or written whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from histopress.core.errors import GridError
from histopress.core.files import whole
from histopress.grids.exchange_bag import OTHER_FILE
from histopress.grids.exchange_note import read_note

SUFFIXES = (".h5", ".hdf5")


@contextmanager
def reading(path: Path) -> Iterator[h5py.File]:
    """A file, open for reading.

    Raises:
        GridError: missing, or no HDF5, or damaged.
    """
    if not path.is_file():
        raise GridError(f"{path}: no such file; check the path")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        raise GridError(f"{path}: not readable as HDF5 ({error}); copy or make the file again") from error


@contextmanager
def writing(path: Path) -> Iterator[h5py.File]:
    """A file to fill; it appears under its name when it is whole."""
    with whole(path) as partial, h5py.File(partial, "w") as file:
        yield file


def contents(file: h5py.File) -> str:
    """What a file holds, for messages."""
    parts = [f"{k} {v.shape}" if isinstance(v, h5py.Dataset) else f"{k}/" for k, v in file.items()]
    attributes = f", attributes {', '.join(file.attrs)}" if len(file.attrs) else ""
    return f"{', '.join(parts) or 'nothing'}{attributes}"


def table(file: h5py.File, name: str) -> Any:
    """A data set as an array.

    Raises:
        GridError: it is missing.
    """
    if not isinstance(file.get(name), h5py.Dataset):
        raise GridError(f"no data set {name!r}, the file holds {contents(file)}; {OTHER_FILE}")
    return np.asarray(file[name])


def attributes(item: h5py.File | h5py.Dataset | None) -> dict[str, Any]:
    """Attributes as plain values: text, numbers and lists of numbers."""
    return {} if item is None else {str(k): _plain(v) for k, v in item.attrs.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def number(known: Mapping[str, Any], name: str, where: str) -> float:
    """A number among attributes.

    Raises:
        GridError: it is missing or no number above zero.
    """
    found = known.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not found > 0:
        raise GridError(
            f"attribute {name!r} of {where} is {found!r}, expected a number above 0; {OTHER_FILE}"
        )
    return float(found)


def identity_in(path: Path, item: str = "coords") -> str | None:
    """The identity of our grid that a file was written from; None if it is somebody else's file."""
    with reading(path) as file:
        note = read_note(attributes(file.get(item)))
    return note.identity if note else None
