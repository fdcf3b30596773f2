"""The stored grid: one Zarr v3 store per slide and encoder, written piece by piece, renamed when whole.

Layout (format 1): `features` (tiles, dim) float16 in chunks of `CHUNK` rows, `cells` (tiles, 2) int32,
`tissue` (tiles,) float32; the header is in the root attributes. By default the store is one zip file
without compression of its own, whose bytes depend on nothing but its content.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.storage import LocalStore, MemoryStore, ZipStore

from histopress.core import recipe
from histopress.core.errors import GridError, UnreadableSlideError
from histopress.core.files import whole, write_whole
from histopress.core.location import Location, Url
from histopress.data.byte_source import open_file
from histopress.data.damage import BadTile, Damage
from histopress.grids.grid import FeatureGrid, GridHeader

FORMAT = 1
CHUNK = 1024
SUFFIX = ".grid.zarr.zip"
FOLDER_SUFFIX = ".grid.zarr"
L = TypeVar("L", Path, Location)

EARLIEST = (1980, 1, 1, 0, 0, 0)


def grid_path(folder: L, slide: str) -> L:
    """Where the grid of a slide lies in a folder of grids: as a zip file, or else as a Zarr folder."""
    unzipped = folder / f"{slide}{FOLDER_SUFFIX}"
    return unzipped if isinstance(unzipped, Path) and unzipped.is_dir() else folder / f"{slide}{SUFFIX}"


def discard_twin(path: Location) -> None:
    """Remove the other form of a grid that was just stored, the Zarr folder of a zip file or the reverse."""
    if isinstance(path, Url):
        return
    if path.suffix == ".zip":
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    else:
        path.with_name(f"{path.name}.zip").unlink(missing_ok=True)


def find_grids(folder: Path) -> list[Path]:
    """All grids in a folder, sorted by name."""
    return sorted(p for p in folder.iterdir() if is_grid(p))


def is_grid(path: Path) -> bool:
    """Whether a path has the name of a stored grid."""
    return not path.name.startswith(".") and path.name.endswith((SUFFIX, FOLDER_SUFFIX))


def read_header(path: Location) -> GridHeader:
    """The header alone; cheap.

    Raises:
        GridError: missing, damaged, or of a newer format.
    """
    with _opened(path) as group:
        return _header(path, group)


def count_tiles(path: Location) -> int:
    """How many tiles a stored grid has; cheap."""
    with _opened(path) as group:
        array = group["cells"]
        return int(array.shape[0]) if isinstance(array, zarr.Array) else 0


def read_grid(path: Location) -> FeatureGrid:
    """A whole stored grid.

    Raises:
        GridError: missing, damaged, or of a newer format.
    """
    with _opened(path) as group:
        header = _header(path, group)
        arrays: dict[str, Any] = {name: np.asarray(group[name]) for name in ("features", "cells", "tissue")}
        return FeatureGrid(**arrays, **vars(header))


def write_grid(path: Path, grid: FeatureGrid) -> None:
    """Store a grid that is in memory, whole or not at all; a path that ends in `.zip` makes one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".grid-") as work:
        header = GridHeader(**{name: getattr(grid, name) for name in GridHeader.__dataclass_fields__})
        writer = GridWriter(Path(work), header, grid.cells, grid.tissue, grid.dim)
        for start in range(0, len(grid), CHUNK):
            writer.append(grid.features[start : start + CHUNK])
        writer.finish(path)


class GridWriter:
    """Writes one grid chunk by chunk into a work folder and takes up where an earlier writer was stopped.

    Attributes:
        rows_done: tiles that are safely on disk; always a whole number of chunks, or all of them.
    """

    def __init__(
        self,
        work: Path,
        header: GridHeader,
        cells: NDArray[np.int32],
        tissue: NDArray[np.float32],
        dim: int,
        *,
        source: Sequence[int | str] = (),
    ) -> None:
        """Begin, or resume when the work folder holds the same grid; anything else in it is discarded.

        Args:
            work: folder for what is not whole yet.
            header: of the grid.
            cells: (tiles, 2) row and col.
            tissue: (tiles,) share of tissue.
            dim: length of a code.
            source: state of the slide's file; what was written from another state is discarded, as headers
                do not tell every change, such as a damaged file that was copied again.
        """
        self.work = work
        self._source = list(source)
        self.tiles = len(cells)
        self._store = work / "grid.zarr"
        self._mark = work / "rows_done.json"
        mark = self._read_mark(header.identity)
        self.rows_done = int(mark.get("rows", 0))
        self.left_out: set[int] = set(mark.get("left_out", ()))
        self.damage: set[BadTile] = {BadTile(**tile) for tile in mark.get("damage", ())}
        if not self.rows_done:
            shutil.rmtree(work, ignore_errors=True)
            _create(self._store, header, cells, tissue, dim)
        self._features: Any = zarr.open_group(LocalStore(self._store), mode="r+")["features"]
        self._identity = header.identity

    def _read_mark(self, identity: str) -> dict[str, Any]:
        """How far an earlier writer of the same grid came; nothing if there was none."""
        if not self._mark.exists() or not self._store.is_dir():
            return {}
        mark: dict[str, Any] = json.loads(self._mark.read_text())
        same = (mark["identity"], mark["tiles"], mark.get("source")) == (identity, self.tiles, self._source)
        return mark if same else {}

    def _write_mark(self) -> None:
        mark = {
            "identity": self._identity,
            "tiles": self.tiles,
            "source": self._source,
            "rows": self.rows_done,
            "left_out": sorted(self.left_out),
            "damage": [recipe.plain(tile) for tile in sorted(self.damage)],
        }
        write_whole(self._mark, json.dumps(mark))

    def append(self, features: NDArray[Any], damage: Damage | None = None) -> None:
        """Write the next chunk.

        Args:
            features: (CHUNK, dim), or fewer rows at the end; stored as float16.
            damage: found so far; when bad tiles are to be skipped, its cells are left out in the end.

        Raises:
            GridError: a value is not finite, or too large for float16.
        """
        with np.errstate(over="ignore"):
            stored = features.astype(np.float16)
        if not np.isfinite(stored).all():
            largest = float(np.abs(features).max())
            raise GridError(f"codes up to {largest:.3g} do not fit float16 (65504); check the encoder")
        end = self.rows_done + len(stored)
        if len(stored) != CHUNK and end != self.tiles:
            raise GridError(f"a chunk has {CHUNK} rows, found {len(stored)} before the end")
        self._features[self.rows_done : end] = stored
        self.rows_done = end
        if damage:
            self.damage |= damage.tiles
            self.left_out |= damage.cells if damage.on_bad_tile == "skip" else set()
        self._write_mark()

    def finish(self, path: Location) -> int:
        """Move the whole grid to its place; a path that ends in `.zip` makes one file, as an address does.

        Returns:
            How many cells were left out, as they touch damaged tiles.

        Raises:
            UnreadableSlideError: no cell would be left.
        """
        if self.rows_done != self.tiles:
            raise GridError(f"{path}: not whole, {self.rows_done} of {self.tiles} tiles are written")
        if len(self.left_out) == self.tiles:
            raise UnreadableSlideError(
                f"{path.name}: every cell with tissue touches a part of the slide that cannot be decoded, "
                f"such as {min(self.damage)}; copy the slide again from its source"
            )
        whole = _admit(self._store, self.damage, sorted(self.left_out)) if self.damage else self._store
        if isinstance(path, Url):
            _zip(whole, self.work / path.name)
            path.upload(self.work / path.name)
        elif path.suffix == ".zip":
            _zip(whole, path)
        else:
            _move(whole, path)
        shutil.rmtree(self.work)
        return len(self.left_out)


def _create(
    store: Path, header: GridHeader, cells: NDArray[np.int32], tissue: NDArray[np.float32], dim: int
) -> None:
    attributes = {"format": FORMAT, **recipe.plain(header)}
    group = zarr.create_group(LocalStore(store), attributes=attributes, zarr_format=3)
    rows = max(1, len(cells))
    group.create_array(
        "features",
        shape=(len(cells), dim),
        chunks=(min(CHUNK, rows), dim),
        dtype="float16",
        dimension_names=("tiles", "dim"),
    )
    group.create_array("cells", data=cells, chunks=(rows, 2), dimension_names=("tiles", "row_col"))
    group.create_array("tissue", data=tissue, chunks=(rows,), dimension_names=("tiles",))


def _admit(store: Path, damage: set[BadTile], left_out: list[int]) -> Path:
    """State the damage in the header of a grid, and take out the cells that touch it.

    Returns:
        Where the grid is made anew, beside the old one, so that this can be broken off anywhere.
    """
    old = zarr.open_group(LocalStore(store), mode="r")
    new = store.with_name("admitted.zarr")
    shutil.rmtree(new, ignore_errors=True)
    header = replace(_header(store, old), damage=tuple(sorted(damage)))
    cells, tissue = np.asarray(old["cells"]), np.asarray(old["tissue"])
    features: Any = old["features"]
    kept = np.setdiff1d(np.arange(len(cells)), left_out)
    _create(new, header, cells[kept], tissue[kept], features.shape[1])
    admitted: Any = zarr.open_group(LocalStore(new), mode="r+")["features"]
    for start in range(0, len(kept), CHUNK):
        part = kept[start : start + CHUNK]
        rows = features[part[0] : part[-1] + 1]
        admitted[start : start + len(part)] = rows[part - part[0]]
    return new


def _move(store: Path, path: Path) -> None:
    """Put a folder in its place; one that is there goes first, whole, into the work folder."""
    for unfinished in store.rglob("*.partial"):
        unfinished.unlink()
    if path.exists():
        shutil.rmtree(store.with_name("replaced.zarr"), ignore_errors=True)
        path.replace(store.with_name("replaced.zarr"))
    store.replace(path)


def _zip(store: Path, path: Path) -> None:
    files = sorted(f for f in store.rglob("*") if f.is_file() and f.suffix != ".partial")
    with whole(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(store).as_posix(), EARLIEST)
            with archive.open(entry, "w", force_zip64=True) as target, file.open("rb") as source:
                shutil.copyfileobj(source, target)


def _store_of(path: Location) -> Store:
    if not path.exists():
        raise GridError(f"{path}: no such grid; make it with `histopress compress`")
    if isinstance(path, Path) and path.is_dir():
        return LocalStore(path, read_only=True)
    with open_file(path) as file:
        if not zipfile.is_zipfile(file):
            raise GridError(
                f"{path}: not a stored grid, or cut short; compress the slide again with --overwrite"
            )
    return MemoryStore(_Entries(path), read_only=True) if isinstance(path, Url) else ZipStore(path, mode="r")


class _Entries(MutableMapping[str, Buffer]):
    """The entries of a zip file in an object store, each read when it is asked for."""

    def __init__(self, url: Url) -> None:
        self._zip = zipfile.ZipFile(open_file(url))

    def __getitem__(self, name: str) -> Buffer:
        return default_buffer_prototype().buffer.from_bytes(self._zip.read(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._zip.namelist())

    def __len__(self) -> int:
        return len(self._zip.namelist())

    def __setitem__(self, name: str, value: Buffer) -> None:
        raise NotImplementedError

    def __delitem__(self, name: str) -> None:
        raise NotImplementedError


@contextmanager
def _opened(path: Location) -> Iterator[zarr.Group]:
    """The root group of a stored grid, open for reading."""
    store = _store_of(path)
    try:
        yield zarr.open_group(store, mode="r")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise GridError(
            f"{path}: the grid is damaged ({error}); compress the slide again with --overwrite"
        ) from error
    finally:
        store.close()


def _header(path: Location, group: zarr.Group) -> GridHeader:
    attributes = dict(group.attrs)
    found = attributes.pop("format", None)
    if found != FORMAT:
        raise GridError(
            f"{path}: grid format {found!r}, expected {FORMAT}; update histopress, or compress the "
            "slide again with --overwrite"
        )
    return recipe.build(GridHeader, attributes, where=f"header of {path}")
