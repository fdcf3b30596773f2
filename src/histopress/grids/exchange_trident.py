"""TRIDENT: a job folder with `patches` and `features_<encoder>`, one HDF5 file a slide, as of version 0.3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from histopress.core.errors import GridError
from histopress.core.geometry import Size
from histopress.grids import exchange_hdf5 as hdf5
from histopress.grids.exchange_bag import TileBag, feature_rows, no_features
from histopress.grids.exchange_frame import Frame, file_safe
from histopress.grids.exchange_note import NAME, note_of, read_note
from histopress.grids.grid import FeatureGrid

MAGNIFICATIONS = (5, 10, 20, 40, 80, 160)
"""Nominal objectives; 10 um divided by the um/px gives the nearest one."""

FEATURES = "features_"
PATCHES = "_patches.h5"


def is_trident(attributes: dict[str, Any]) -> bool:
    """Whether these are the attributes of a TRIDENT file's `coords`."""
    return "patch_size_level0" in attributes


def read_trident(path: Path) -> TileBag:
    """The tiles of a file of patch features.

    `patch_size` and `overlap` are px at the target magnification; the step in level-0 px follows from them
    and the ratio of magnifications. Magnifications are nominal, so they give no um/px.

    Raises:
        NoTissueError: it is empty.
        GridError: it is not such a file, or its attributes contradict each other.
    """
    with hdf5.reading(path) as file:
        corners = hdf5.table(file, "coords")
        if "features" not in file:
            raise no_features(len(corners), "run TRIDENT with --task feat, or name the folder of features")
        features = feature_rows(hdf5.table(file, "features"), "features")
        known, about = hdf5.attributes(file["coords"]), hdf5.attributes(file["features"])
    return TileBag(
        tool="trident",
        features=features,
        corners=corners.astype(np.float64),
        unit="level 0",
        encoder=str(about.get("encoder") or path.parent.name.removeprefix(FEATURES)),
        **_facts(known),
    )


def _facts(known: dict[str, Any]) -> dict[str, Any]:
    """Sizes from the attributes of `coords`."""
    tile = round(hdf5.number(known, "patch_size", "coords"))
    extent = hdf5.number(known, "patch_size_level0", "coords")
    width, height = known.get("level0_width"), known.get("level0_height")
    size = Size(round(width), round(height)) if width and height else None
    facts = {"tile": tile, "extent": extent, "step": _step(known, tile, extent), "size": size}
    note = read_note(known)
    return facts | note.facts(1.0) if note else facts


def _step(known: dict[str, Any], tile: int, extent: float) -> float:
    """Level-0 px from tile to tile."""
    ratio = hdf5.number(known, "level0_magnification", "coords") / hdf5.number(
        known, "target_magnification", "coords"
    )
    if abs(tile * ratio - extent) > max(1.0, 0.01 * extent):
        raise GridError(
            f"patch_size {tile} px at {ratio:g} times less than level 0 are {tile * ratio:g} level-0 px, but "
            f"patch_size_level0 says {extent:g}; make the patches again"
        )
    return (tile - float(known.get("overlap") or 0)) * ratio


def place_trident(grid: FeatureGrid, folder: Path) -> Path:
    """Where the features of a grid go in a job folder."""
    frame = Frame.of(grid, "TRIDENT")
    job = f"{_magnification(frame.spacing):g}x_{frame.tile}px_{frame.overlap}px_overlap"
    return folder / job / f"{FEATURES}{file_safe(frame.encoder)}" / f"{grid.slide.slide}.h5"


def write_trident(grid: FeatureGrid, folder: Path) -> None:
    """Write `patches/<slide>_patches.h5` and then `features_<encoder>/<slide>.h5`.

    The target magnification is not rounded, so that every way of working out the step agrees with the cells.
    """
    path = place_trident(grid, folder)
    patches = path.parent.parent / "patches" / f"{grid.slide.slide}{PATCHES}"
    known = _attributes(grid, patches.parent)
    with hdf5.writing(patches) as file:
        _write_coords(file, grid, known)
    with hdf5.writing(path) as file:
        rows = grid.features.astype(np.float32)
        chunks = (1, grid.dim)
        features = file.create_dataset(
            "features", data=rows, chunks=chunks, maxshape=(None, grid.dim), dtype="float32"
        )
        features.attrs.update(
            encoder=Frame.of(grid, "TRIDENT").encoder, name=grid.slide.slide, savetodir=str(path.parent)
        )
        _write_coords(file, grid, known)


def _write_coords(file: Any, grid: FeatureGrid, known: dict[str, Any]) -> None:
    coords = file.create_dataset(
        "coords", data=Frame.of(grid, "TRIDENT").corners, chunks=(1, 2), maxshape=(None, 2), dtype="int64"
    )
    coords.attrs.update(known)


def _attributes(grid: FeatureGrid, folder: Path) -> dict[str, Any]:
    frame, size = Frame.of(grid, "TRIDENT"), grid.slide.size
    level0 = _magnification(grid.slide.spacing.mean)
    return {
        "patch_size": frame.tile,
        "patch_size_level0": float(frame.extent),
        "level0_magnification": level0,
        "target_magnification": level0 * frame.tile / frame.extent,
        "overlap": frame.overlap,
        "name": grid.slide.slide,
        "savetodir": str(folder),
        "level0_width": size.width,
        "level0_height": size.height,
        NAME: note_of(grid),
    }


def _magnification(spacing: float) -> int:
    """The nominal objective of pixels of this size, um/px."""
    return min(MAGNIFICATIONS, key=lambda m: abs(np.log(m * spacing / 10)))
