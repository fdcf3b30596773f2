"""NIC arrays (neural image compression, arXiv 1811.02840): channels first, background exactly 0.

A feature of nothing but zeros looks like background, so a mask is kept beside the array.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError, NoTissueError
from histopress.core.files import whole, write_whole
from histopress.grids.exchange_bag import NO_TILE, OTHER_FILE, TileBag
from histopress.grids.exchange_note import NAME, note_of, read_note
from histopress.grids.grid import FeatureGrid
from histopress.grids.views import depth

FEATURES = "_features.npy"
DISTANCES = "_features_distance_map.npy"
MASK = "_features_mask.npy"
NOTE = "_features.json"

COPY = re.compile(r"_(0|90|180|270)_(none|horizontal|vertical|flip|noflip|[01])_features\.npy$")
"""Names of mirrored and turned copies, which are other codes of the same slide."""


def is_copy(path: Path) -> bool:
    """Whether an array is a mirrored or turned copy of one that lies beside it."""
    return bool(COPY.search(path.name)) and path.with_name(COPY.sub(FEATURES, path.name)).is_file()


def read_nic(path: Path) -> TileBag:
    """The cells of an array (dim, rows, cols) that are no background.

    Raises:
        NoTissueError: all of it is background.
        GridError: it is no such array, or mask and array differ in shape.
    """
    dense = _array(path)
    if dense.ndim != 3 or dense.dtype.kind != "f":
        raise GridError(
            f"{path}: {dense.dtype} {dense.shape}, expected floats (dim, rows, cols); {OTHER_FILE}"
        )
    stem = (
        path.name.removesuffix(FEATURES) if path.name.endswith(FEATURES) else path.name.removesuffix(".npy")
    )
    mask = _mask(path.with_name(f"{stem}{MASK}"), dense)
    rows, cols = np.nonzero(mask)
    if not len(rows):
        raise NoTissueError(f"{path}: nothing but background {dense.shape}, so there is no grid; {NO_TILE}")
    about = _about(path.with_name(f"{stem}{NOTE}"))
    note = read_note(about)
    known = note.facts(1.0) if note else {}
    for counted_in_px in ("step", "extent"):
        known.pop(counted_in_px, None)
    return TileBag(
        tool="nic",
        features=dense[:, rows, cols].T,
        corners=np.stack([cols, rows], axis=1).astype(np.float64) + _first(note),
        unit="cell",
        encoder=str(about.get("encoder", "")),
        **known,
    )


def _first(note: Any) -> NDArray[np.float64]:
    """(2,) x and y of the first cell, in cells: the array begins at the origin of its lattice."""
    if note is None:
        return np.zeros(2)
    lattice = note.lattice
    return np.array([lattice.origin.x / lattice.step_x, lattice.origin.y / lattice.step_y])


def _mask(path: Path, dense: NDArray[Any]) -> NDArray[np.bool_]:
    if not path.is_file():
        return np.asarray((dense != 0).any(axis=0))
    mask = _array(path).astype(bool)
    if mask.shape != dense.shape[1:]:
        raise GridError(f"{path}: mask {mask.shape}, but features {dense.shape[1:]}; export the grid again")
    return mask


def _array(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise GridError(f"{path}: not readable as an array ({error}); copy or make the file again") from error


def _about(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise GridError(f"{path}: not readable as JSON ({error}); export the grid again") from error
    return found if isinstance(found, dict) else {}


def place_nic(grid: FeatureGrid, folder: Path) -> Path:
    """Where the array of a grid goes."""
    return folder / f"{grid.slide.slide}{FEATURES}"


def nic_identity(path: Path) -> str | None:
    """The identity of our grid that an array was written from."""
    note = read_note(_about(path.with_name(path.name.removesuffix(FEATURES) + NOTE)))
    return note.identity if note else None


def write_nic(grid: FeatureGrid, folder: Path) -> None:
    """Write `<slide>_features.npy` (dim, rows, cols) float16, its distance map, its mask and a note.

    The distance map (rows, cols) float64 is the squared distance to the edge of the tissue, summing to 1: how
    likely a cell is the centre of a crop.
    """
    dense, mask = grid.dense()
    distances = np.zeros(grid.shape)
    if len(grid):
        distances[grid.cells[:, 0], grid.cells[:, 1]] = depth(grid)
    slide = grid.slide.slide
    _save(folder / f"{slide}{DISTANCES}", distances)
    _save(folder / f"{slide}{MASK}", mask)
    about = {NAME: note_of(grid), "encoder": grid.encoder.get("name", "")}
    write_whole(folder / f"{slide}{NOTE}", json.dumps(about, indent=2) + "\n")
    _save(place_nic(grid, folder), dense.astype(np.float16))


def _save(path: Path, array: NDArray[Any]) -> None:
    with whole(path) as partial, partial.open("wb") as file:
        np.save(file, array)
