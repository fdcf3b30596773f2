"""Zarr stores of other tools: LazySlide (wsidata's SpatialData store) and TIAToolbox."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from histopress.core.errors import GridError
from histopress.core.geometry import Size, Spacing
from histopress.grids.exchange_bag import OTHER_FILE, TileBag, feature_rows, no_features

MARKS = ("zarr.json", ".zgroup")
"""A folder with one of these is a Zarr store, whatever its name."""

SQUARES = "only square tiles of one size make a grid, so tile the slide again"

BOX_BYTES = 93
"""A rectangle as well-known binary: one ring of five points."""


def is_store(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return any((path / mark).is_file() for mark in MARKS)


@contextmanager
def reading(path: Path) -> Iterator[zarr.Group]:
    """The root group of a store, open for reading.

    Raises:
        GridError: it cannot be read.
    """
    store = LocalStore(path, read_only=True)
    try:
        yield zarr.open_group(store, mode="r")
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise GridError(f"{path}: the Zarr store cannot be read ({error}); make it again") from error
    finally:
        store.close()


def zarr_tool(path: Path) -> str | None:
    """Which tool wrote a store: lazyslide, tiatoolbox, our own, or None."""
    with reading(path) as group:
        if "tile_spec" in group.attrs or ("shapes" in group and "tables" in group):
            return "lazyslide"
        if "cells" in group and "lattice" in group.attrs:
            return "grid"
        return "tiatoolbox" if "features" in group and "coordinates" in group else None


def contents(path: Path) -> str:
    """What a store holds, for messages."""
    return ", ".join(sorted(p.name for p in path.iterdir() if p.is_dir())) or "nothing"


def read_tiatoolbox(path: Path) -> TileBag:
    """The tiles of a feature extractor of TIAToolbox: boxes in px of the resolution it read at.

    Raises:
        NoTissueError: it is empty.
        GridError: it is not such a store, or its tiles differ in size.
    """
    with reading(path) as group:
        missing = [n for n in ("features", "coordinates") if n not in group]
        if missing:
            raise GridError(f"{path}: no array {missing[0]!r} in {contents(path)}; {OTHER_FILE}")
        features, boxes = np.asarray(group["features"]), np.asarray(group["coordinates"])
    features = feature_rows(features, "features")
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise GridError(
            f"{path}: coordinates {boxes.shape}, expected (tiles, 4): x0, y0, x1, y1; {OTHER_FILE}"
        )
    extent = _one_size(boxes.astype(np.float64), path)
    return TileBag(
        tool="tiatoolbox",
        features=features,
        corners=boxes[:, :2].astype(np.float64),
        unit="tile",
        extent=extent,
        tile=max(1, round(extent)),
    )


def _one_size(boxes: NDArray[np.float64], path: Path) -> float:
    """Width and height that all boxes (tiles, 4) have."""
    sides = boxes[:, 2:] - boxes[:, :2]
    low, high = float(sides.min()), float(sides.max())
    if high - low > 1 or low <= 0:
        raise GridError(f"{path}: tiles of {low:g} to {high:g} px, expected squares of one size; {SQUARES}")
    return float(np.median(sides))


def read_lazyslide(path: Path, encoder: str | None = None) -> TileBag:
    """The tiles of one table of a LazySlide store, joined with their shapes by tile id.

    Args:
        path: the store.
        encoder: `<model>` or `<model>_<tile key>`; needed where there are several tables of features.

    Raises:
        NoTissueError: it is empty.
        GridError: it is not such a store, or which features are meant is not clear.
    """
    with reading(path) as group:
        tables = _tables(group, path)
        if not tables:
            raise no_features(0 if "shapes" not in group else 1, "run lazyslide.tl.feature_extraction")
        name = _choose(tables, encoder)
        table: Any = group[f"tables/{name}"]
        key = tables[name]
        rows = table["X"]
        if not isinstance(rows, zarr.Array):
            raise GridError(
                f"{path}: the features of {name} are a sparse matrix, expected an array; write them dense"
            )
        features = feature_rows(np.asarray(rows), f"tables/{name}/X")
        wanted = np.asarray(table["obs/tile_id"])
        spec = _dict(_dict(group.attrs.get("tile_spec"), "tile_spec").get(key), f"tile_spec of {key!r}")
        about = _dict(group.attrs.get("slide_properties"), "slide_properties")
    ids, boxes = _boxes(path / "shapes" / key / "shapes.parquet")
    extent, step = (_level0(spec, "", path), _level0(spec, "stride_", path))
    mpp, shape = about.get("mpp") or _given_mpp(spec), about.get("shape")
    return TileBag(
        tool="lazyslide",
        features=features,
        corners=boxes[_rows_of(wanted, ids, path), :2],
        unit="level 0",
        encoder=name.removesuffix(f"_{key}"),
        extent=extent,
        step=step,
        tile=int(spec["width"]),
        tile_spacing=float(spec["mpp"]) if spec.get("mpp") else None,
        level0=Spacing.square(float(mpp)) if mpp else None,
        size=Size(int(shape[1]), int(shape[0])) if shape else None,
    )


def _tables(group: zarr.Group, path: Path) -> dict[str, str]:
    """Tables of features: name -> key of the tiles they annotate."""
    if "tables" not in group:
        return {}
    names = [p.name for p in (path / "tables").iterdir() if is_store(p)]
    regions = {name: group[f"tables/{name}"].attrs.get("region") for name in names}
    specs = group.attrs.get("tile_spec")
    known = _dict(specs, "tile_spec") if specs is not None else {}
    return {n: key for n, key in sorted(regions.items()) if isinstance(key, str) and key in known}


def _choose(tables: Mapping[str, str], encoder: str | None) -> str:
    meant = [n for n, key in tables.items() if encoder in (None, n, n.removesuffix(f"_{key}"))]
    if len(meant) != 1:
        raise GridError(
            f"expected one table of features{f' of {encoder}' if encoder else ''}, found "
            f"{', '.join(meant) or 'none'} of {', '.join(tables)}; name one with --encoder"
        )
    return meant[0]


def _level0(spec: Mapping[str, Any], what: str, path: Path) -> float:
    """Level-0 px of a tile or a stride, cut off to whole px as wsidata does."""
    width, height, down = (spec.get(k) for k in (f"{what}width", f"{what}height", "base_downsample"))
    if not width or not height or not down:
        raise GridError(f"{path}: tile_spec is {dict(spec)}, expected sizes; tile again with LazySlide 0.13")
    if width != height:
        raise GridError(
            f"{path}: tiles with a {what}width of {width} and a {what}height of {height} px; {SQUARES}"
        )
    return float(int(width * down))


def _given_mpp(spec: Mapping[str, Any]) -> float | None:
    """The um/px of level 0 that the user gave for tiling a slide which states none."""
    return float(spec["mpp"]) / float(spec["base_downsample"]) if spec.get("mpp") else None


def _boxes(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Ids (tiles,) and boxes (tiles, 4) x0, y0, x1, y1 of a file of shapes, level-0 px."""
    import pandas as pd

    try:
        shapes = pd.read_parquet(path, columns=["tile_id", "geometry"])
    except (OSError, ValueError, KeyError) as error:
        raise GridError(
            f"{path}: shapes of the tiles cannot be read ({error}); copy or make the store again"
        ) from error
    raw = [bytes(v) for v in shapes["geometry"]]
    if any(len(v) != BOX_BYTES or v[0] != 1 for v in raw):
        raise GridError(f"{path}: a tile is no rectangle; {SQUARES}")
    points = np.frombuffer(b"".join(v[13:] for v in raw), "<f8").reshape(-1, 5, 2)
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    return shapes["tile_id"].to_numpy(), boxes


def _rows_of(wanted: NDArray[Any], ids: NDArray[Any], path: Path) -> NDArray[np.int64]:
    """Where each wanted id stands."""
    place = {tile: row for row, tile in enumerate(ids.tolist())}
    if len(place) != len(ids) or not set(wanted.tolist()) <= place.keys():
        raise GridError(
            f"{path}: tiles with features that have no shape, or two shapes with one id; run LazySlide again"
        )
    return np.array([place[tile] for tile in wanted.tolist()], dtype=np.int64)


def _dict(value: Any, what: str) -> dict[str, Any]:
    """An attribute that is stored as named values, or as their JSON."""
    found = json.loads(value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise GridError(
            f"{what} is {type(found).__name__}, expected named values; write the store with wsidata 0.12"
        )
    return found
