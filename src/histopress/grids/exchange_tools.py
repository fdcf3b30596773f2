"""Tools by name: who reads their files, who writes them. A file of a grid is one format among the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.errors import GridError
from histopress.grids import store
from histopress.grids.exchange_bag import TileBag
from histopress.grids.exchange_clam import clam_identity, place_clam, read_clam, write_clam
from histopress.grids.exchange_hdf5 import identity_in
from histopress.grids.exchange_nic import nic_identity, place_nic, read_nic, write_nic
from histopress.grids.exchange_slide2vec import read_slide2vec
from histopress.grids.exchange_stamp import place_stamp, read_stamp, stamp_identity, write_stamp
from histopress.grids.exchange_trident import place_trident, read_trident, write_trident
from histopress.grids.exchange_zarr import read_lazyslide, read_tiatoolbox
from histopress.grids.grid import FeatureGrid

if TYPE_CHECKING:
    from histopress.grids.exchange import ExchangeRecipe


@dataclass(frozen=True)
class Writer:
    """How grids become files of one kind.

    Attributes:
        place: (grid, output folder) -> the file that is written last; where it lies, all is written.
        identity: of the grid that such a file was written from; None if it is somebody else's file.
        write: the files of a grid.
    """

    place: Callable[[FeatureGrid, Path], Path]
    identity: Callable[[Path], str | None]
    write: Callable[[FeatureGrid, Path], None]


def read_bag(tool: str, path: Path, recipe: ExchangeRecipe) -> TileBag:
    """The tiles in a file of a tool.

    Raises:
        NoTissueError: there is no tile.
        GridError: the file is not what it should be.
    """
    readers: dict[str, Callable[[Path], TileBag]] = {
        "clam": read_clam,
        "trident": read_trident,
        "stamp": read_stamp,
        "marugoto": read_stamp,
        "slide2vec": read_slide2vec,
        "lazyslide": partial(read_lazyslide, encoder=recipe.encoder),
        "tiatoolbox": read_tiatoolbox,
        "nic": read_nic,
    }
    return readers[tool](path)


def _place_grid(grid: FeatureGrid, folder: Path) -> Path:
    return folder / f"{grid.slide.slide}{store.SUFFIX}"


def _grid_identity(path: Path) -> str | None:
    return store.read_header(path).identity


def _write_grid(grid: FeatureGrid, folder: Path) -> None:
    store.write_grid(_place_grid(grid, folder), grid)


WRITERS = {
    "grid": Writer(_place_grid, _grid_identity, _write_grid),
    "trident": Writer(place_trident, identity_in, write_trident),
    "clam": Writer(place_clam, clam_identity, write_clam),
    "stamp": Writer(place_stamp, stamp_identity, write_stamp),
    "nic": Writer(place_nic, nic_identity, write_nic),
}


def write_once(to: str, grid: FeatureGrid, folder: Path, overwrite: bool) -> bool:
    """Write the files of a grid, unless they are there.

    Returns:
        Whether anything was written.

    Raises:
        GridError: another file is in the way.
    """
    writer = WRITERS[to]
    path = writer.place(grid, folder)
    if path.exists() and not overwrite:
        known = writer.identity(path)
        if known == grid.identity:
            return False
        raise GridError(
            f"{path} is there already and was made from "
            f"{'another grid or with other settings' if known else 'something else'}; name another output "
            "folder, or replace it with --overwrite"
        )
    writer.write(grid, folder)
    return True
