"""STAMP and Marugoto: one HDF5 file a slide with `feats`, and coordinates in um or in px of the tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError
from histopress.core.recipe import digest
from histopress.grids import exchange_hdf5 as hdf5
from histopress.grids.exchange_bag import OTHER_FILE, TileBag, Unit, feature_rows, no_features
from histopress.grids.exchange_frame import corners_of, file_safe
from histopress.grids.exchange_note import NAME, note_of, read_note, tile_px
from histopress.grids.grid import FeatureGrid

HISTORIC_PX, HISTORIC_UM = 224, 256.0
"""Tiles of STAMP 1 and Marugoto: 256 um seen as 224 px, in which their coordinates count."""

WRITTEN_AS = "2.0.0"
"""Version of STAMP whose layout is written; STAMP refuses files of versions newer than itself."""


def read_stamp(path: Path) -> TileBag:
    """The tiles of a file of STAMP or of Marugoto.

    Rows of augmented copies are left out: they are the same tiles again.

    Raises:
        NoTissueError: it is empty.
        GridError: it is not such a file, or does not tell what its coordinates count.
    """
    with hdf5.reading(path) as file:
        known = hdf5.attributes(file)
        if known.get("feat_type") in ("slide", "patient"):
            raise GridError(f"holds one vector for a whole {known['feat_type']}, no tiles; {OTHER_FILE}")
        if "feats" not in file and "coords" in file:
            raise no_features(len(hdf5.table(file, "coords")), "run the extractor again")
        features = feature_rows(hdf5.table(file, "feats"), "feats")
        corners = hdf5.table(file, "coords").astype(np.float64)
        if "augmented" in file:
            own = ~hdf5.table(file, "augmented").astype(bool)
            features, corners = feature_rows(features[own], "feats that are not augmented"), corners[own]
    modern = "stamp_version" in known or "unit" in known
    return TileBag(
        tool="stamp" if modern else "marugoto",
        features=features,
        corners=corners,
        encoder=str(known.get("extractor", "")),
        facts={k: known[k] for k in ("code_hash",) if k in known},
        **_scale(known, corners),
    )


def _scale(known: dict[str, Any], corners: NDArray[np.float64]) -> dict[str, Any]:
    """What the coordinates count, and how large a tile is."""
    note = read_note(known)
    if note is not None:
        return {"unit": "um"} | note.facts(note.level0.mean)
    if known.get("unit") == "um":
        return {"unit": "um"} | _in_um(known)
    if known.get("unit") is None and _is_historic(corners):
        spacing = HISTORIC_UM / HISTORIC_PX
        unit: Unit = "tile"
        return {"unit": unit, "extent": float(HISTORIC_PX), "tile": HISTORIC_PX, "tile_spacing": spacing}
    raise GridError(
        f"attribute 'unit' is {known.get('unit')!r} and neighbours are {_stride(corners):g} apart, expected "
        f"'um', or no unit and the {HISTORIC_PX} px of historic files, so what coordinates count is not "
        "known; extract the features again with STAMP 2"
    )


def _in_um(known: dict[str, Any]) -> dict[str, Any]:
    name = "tile_size_um" if "tile_size_um" in known else "tile_size"
    extent = hdf5.number(known, name, "the file")
    tile = round(hdf5.number(known, "tile_size_px", "the file")) if "tile_size_px" in known else None
    return {"extent": extent, "tile": tile, "tile_spacing": extent / tile if tile else None}


def _is_historic(corners: NDArray[np.float64]) -> bool:
    return abs(_stride(corners) - HISTORIC_PX) < 1


def _stride(corners: NDArray[np.float64]) -> float:
    """The smallest distance between two tiles along x or y; 0 for a single tile."""
    steps = np.concatenate([np.diff(np.unique(corners[:, axis])) for axis in (0, 1)])
    return float(steps[steps > 1e-3].min()) if (steps > 1e-3).any() else 0.0


def place_stamp(grid: FeatureGrid, folder: Path) -> Path:
    """Where the features of a grid go: a folder for each extractor."""
    return folder / file_safe(_extractor(grid)) / f"{grid.slide.slide}.h5"


def stamp_identity(path: Path) -> str | None:
    """The identity of our grid that a file was written from."""
    return hdf5.identity_in(path, "/")


def _extractor(grid: FeatureGrid) -> str:
    return f"{grid.encoder.get('name', 'unnamed')}-{str(grid.encoder.get('identity', ''))[-8:]}"


def write_stamp(grid: FeatureGrid, folder: Path) -> None:
    """Write one file of tile features as STAMP 2 does.

    Raises:
        GridError: its tiles overlap, which STAMP cannot tell.
    """
    lattice, spacing, tile = grid.lattice, grid.slide.spacing, tile_px(grid)
    if tile != lattice.tile:
        raise GridError(
            f"the tiles of {grid.slide.slide} overlap by {tile - lattice.tile} px, but STAMP's lie edge to "
            "edge; export to trident instead"
        )
    corners = (corners_of(grid) * (spacing.x, spacing.y)).astype(np.float32)
    with hdf5.writing(place_stamp(grid, folder)) as file:
        file.create_dataset("coords", data=corners)
        file.create_dataset("feats", data=grid.features)
        file.attrs.update(
            stamp_version=WRITTEN_AS,
            extractor=_extractor(grid),
            unit="um",
            tile_size_um=(lattice.step_x * spacing.x + lattice.step_y * spacing.y) / 2,
            tile_size_px=tile,
            code_hash=digest(grid.encoder.get("identity"))[:8],
            feat_type="tile",
        )
        file.attrs[NAME] = note_of(grid)
