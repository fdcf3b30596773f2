"""CLAM: `patches/<slide>.h5` with the scale, `h5_files/<slide>.h5` and `pt_files/<slide>.pt` with features.

Mussel writes files of the same shape that carry more; they are read here too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError
from histopress.core.files import whole
from histopress.core.geometry import Size, Spacing
from histopress.grids import exchange_hdf5 as hdf5
from histopress.grids.exchange_bag import TileBag, feature_rows, no_features
from histopress.grids.exchange_frame import Frame, file_safe
from histopress.grids.exchange_note import NAME, note_of, read_note
from histopress.grids.grid import FeatureGrid

H5, PT, PATCHES = "h5_files", "pt_files", "patches"
CHUNK = 32


def read_clam(path: Path) -> TileBag:
    """The tiles of a file of features; their size is in the file of patches, if that lies near.

    Raises:
        NoTissueError: it is empty.
        GridError: it is not such a file, or the file of patches does not belong to it.
    """
    with hdf5.reading(path) as file:
        corners = hdf5.table(file, "coords")
        if "features" not in file:
            raise no_features(len(corners), "run CLAM's extract_features, or name the folder of features")
        features = feature_rows(hdf5.table(file, "features"), "features")
        known = hdf5.attributes(file["coords"])
    known = known or _patches(path, corners)
    folder = path.parent.parent if path.parent.name == H5 else path.parent
    return TileBag(
        tool="clam",
        features=features,
        corners=corners.astype(np.float64),
        unit="level 0",
        encoder=folder.name.removeprefix("features_"),
        **_facts(known),
    )


def _patches(path: Path, corners: NDArray[Any]) -> dict[str, Any]:
    """Attributes of the file of patches of a file of features; none if there is none.

    Raises:
        GridError: it lacks tiles that have features.
    """
    places = [parent / PATCHES / path.name for parent in list(path.resolve().parents)[:3]]
    patches = next((p for p in places if p.is_file() and p != path.resolve()), None)
    if patches is None:
        return {}
    with hdf5.reading(patches) as file:
        there, known = hdf5.table(file, "coords"), hdf5.attributes(file["coords"])
    missing = set(map(tuple, corners.tolist())) - set(map(tuple, there.tolist()))
    if missing:
        raise GridError(
            f"{len(missing)} of {len(corners)} tiles with features are not in {patches}, for example "
            f"{min(missing)}, as the two files come from different runs; encode the slide again"
        )
    return known


def _facts(known: dict[str, Any]) -> dict[str, Any]:
    """Sizes from the attributes of `coords`."""
    note = read_note(known)
    if note is not None:
        return note.facts(1.0)
    if "patch_size" not in known:
        return {}
    size = hdf5.number(known, "patch_size", "coords")
    if "native_mpp" in known:
        return _mussel(known, size)
    x, y = _downsample(known)
    dim = known.get("level_dim")
    return {
        "extent": size * (x + y) / 2,
        "tile": max(1, round(size / float(known.get("custom_downsample") or 1))),
        "size": Size(round(dim[0] * x), round(dim[1] * y)) if isinstance(dim, list) else None,
    }


def _downsample(known: dict[str, Any]) -> tuple[float, float]:
    """(x, y) level-0 px in one px of the level at which tiles were cut: `patch_size` counts those."""
    down = known.get("downsample")
    if down is None and known.get("patch_level", 0) != 0:
        raise GridError(
            f"patch_level is {known['patch_level']}, but coords have no attribute 'downsample', so the size "
            "of the tiles is not known; make the patches again"
        )
    x, y = down if isinstance(down, list) else (down or 1.0, down or 1.0)
    return float(x), float(y)


def _mussel(known: dict[str, Any], size: float) -> dict[str, Any]:
    """Mussel counts everything in level-0 px and tells um/px, unless that was a fallback."""
    mpp = None if known.get("mpp_is_fallback") else hdf5.number(known, "native_mpp", "coords")
    dim = known.get("level_dim")
    return {
        "extent": size,
        "step": float(known.get("step_size") or size),
        "tile": round(float(known.get("patch_size_to_resize_to_for_desired_mpp") or size)),
        "level0": Spacing.square(mpp) if mpp else None,
        "size": Size(*map(round, dim)) if isinstance(dim, list) else None,
    }


def place_clam(grid: FeatureGrid, folder: Path) -> Path:
    """Where the tensor of a grid goes; it is written last, as CLAM takes it for the mark of a done slide."""
    name = file_safe(Frame.of(grid, "CLAM").encoder)
    return folder / f"features_{name}" / PT / f"{grid.slide.slide}.pt"


def clam_identity(path: Path) -> str | None:
    """The identity of our grid that a tensor was written from, as its HDF5 file tells."""
    beside = path.parent.parent / H5 / f"{path.name.removesuffix('.pt')}.h5"
    return hdf5.identity_in(beside) if beside.is_file() else None


def write_clam(grid: FeatureGrid, folder: Path) -> None:
    """Write `patches/<slide>.h5`, and under `features_<encoder>` `h5_files` and `pt_files`."""
    import torch

    frame, slide = Frame.of(grid, "CLAM"), grid.slide.slide
    path = place_clam(grid, folder)
    with hdf5.writing(folder / PATCHES / f"{slide}.h5") as file:
        coords = file.create_dataset(
            "coords", data=frame.corners, chunks=(CHUNK, 2), maxshape=(None, 2), dtype="int64"
        )
        coords.attrs.update(_attributes(grid, frame, folder))
    rows = grid.features.astype(np.float32)
    with hdf5.writing(path.parent.parent / H5 / f"{slide}.h5") as file:
        file.create_dataset("features", data=rows, chunks=(CHUNK, grid.dim), maxshape=(None, grid.dim))
        coords = file.create_dataset(
            "coords", data=frame.corners, chunks=(CHUNK, 2), maxshape=(None, 2), dtype="int32"
        )
        coords.attrs[NAME] = note_of(grid)
    with whole(path) as partial:
        torch.save(torch.from_numpy(rows), partial)


def _attributes(grid: FeatureGrid, frame: Frame, folder: Path) -> dict[str, Any]:
    """CLAM cuts `patch_size` px at `patch_level`; at level 0 that is the extent of a tile."""
    size = np.array([grid.slide.size.width, grid.slide.size.height])
    return {
        "patch_size": round(frame.extent),
        "patch_level": 0,
        "downsample": np.array([1.0, 1.0]),
        "downsampled_level_dim": size,
        "level_dim": size,
        "name": grid.slide.slide,
        "save_path": str(folder / PATCHES),
        NAME: note_of(grid),
    }
