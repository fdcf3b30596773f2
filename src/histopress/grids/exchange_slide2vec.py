"""slide2vec with hs2p: `tile_embeddings/<id>.pt|.npz` with a sidecar, and `tiles/<id>.coordinates.npz`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError
from histopress.core.geometry import Size, Spacing
from histopress.grids.exchange_bag import OTHER_FILE, TileBag, feature_rows, no_features

COORDINATES = ".coordinates.npz"
EMBEDDINGS = "tile_embeddings"


def sidecar(path: Path) -> Path:
    """The JSON file beside a file of features."""
    return path.with_name(f"{path.name.removesuffix(path.suffix)}.meta.json")


def read_slide2vec(path: Path) -> TileBag:
    """The tiles of a file of embeddings, joined with hs2p's coordinates.

    Raises:
        NoTissueError: it is empty.
        GridError: it is not such a file, or its coordinates are missing or of another slide.
    """
    if path.name.endswith(COORDINATES):
        raise no_features(len(_arrays(path, "x")["x"]), "run slide2vec, or name its tile_embeddings")
    about = _json(sidecar(path))
    if about.get("artifact_type") != EMBEDDINGS:
        raise GridError(
            f"{path}: artifact_type {about.get('artifact_type')!r}, expected {EMBEDDINGS!r}; {OTHER_FILE}"
        )
    coordinates = _coordinates_file(path, str(about.get("coordinates_npz_path") or ""))
    tiles = _arrays(coordinates, "x", "y", "tile_index")
    plan = _json(coordinates.with_name(coordinates.name.removesuffix(".npz") + ".meta.json"))
    features, rows = _features(path, tiles)
    tiling, slide = plan.get("tiling", {}), plan.get("slide", {})
    compatibility = about.get("compatibility") or {}
    known = {k: compatibility.get(k) for k in ("encoder_code", "output_variant", "transform")}
    return TileBag(
        tool="slide2vec",
        features=features,
        corners=np.stack([tiles["x"][rows], tiles["y"][rows]], axis=1).astype(np.float64),
        unit="level 0",
        encoder=str(about.get("encoder_name", "")),
        facts={k: v for k, v in known.items() if v is not None},
        extent=_number(tiling, "tile_size_lv0"),
        step=_number(tiling, "step_px_lv0"),
        tile=round(_number(tiling, "requested_tile_size_px")),
        tile_spacing=_number(tiling, "requested_spacing_um"),
        level0=Spacing.square(_number(slide, "base_spacing_um")),
        size=Size(*slide["dimensions"]) if "dimensions" in slide else None,
        tissue=_tissue(tiles, rows),
    )


def _features(path: Path, tiles: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Features, and for each row the row of its coordinates."""
    if path.suffix == ".npz":
        stored = _arrays(path, "features", "tile_index")
        features, wanted = feature_rows(stored["features"], "features"), stored["tile_index"]
        order = np.argsort(tiles["tile_index"])
        found = np.searchsorted(tiles["tile_index"], wanted, sorter=order).clip(max=len(order) - 1)
        rows = order[found] if len(order) else found
        if not len(order) or (tiles["tile_index"][rows] != wanted).any():
            raise GridError(
                "tiles with features that have no coordinates, as the two files differ; run slide2vec again"
            )
        return features, rows
    features = feature_rows(_tensor(path), "features")
    if len(features) != len(tiles["x"]):
        raise GridError(
            f"{len(features)} rows of features, but coordinates of {len(tiles['x'])} tiles, as the two files "
            "come from different runs; run slide2vec again"
        )
    return features, np.arange(len(features))


def _tensor(path: Path) -> NDArray[Any]:
    """A tensor; nothing else that a pickle may hold is ever built."""
    import pickle

    import torch

    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise GridError(
            f"{path}: not a file of one plain tensor ({type(error).__name__}); {OTHER_FILE}"
        ) from error
    if not isinstance(tensor, torch.Tensor):
        raise GridError(
            f"{path}: holds a {type(tensor).__name__}, expected one tensor (tiles, dim); {OTHER_FILE}"
        )
    return np.asarray(tensor.to(torch.float32).numpy())


def _coordinates_file(path: Path, stated: str) -> Path:
    """Where the coordinates lie: in the same run, also after it was moved, or else where it is stated."""
    name = f"{path.name.removesuffix(path.suffix)}{COORDINATES}"
    parts = path.resolve().parts
    near = []
    if EMBEDDINGS in parts:
        at = len(parts) - 1 - parts[::-1].index(EMBEDDINGS)
        near = [Path(*parts[:at], "tiles", *parts[at + 1 : -1], name)]
    places = [*near, path.with_name(name), *([Path(stated)] if stated else [])]
    found = next((p for p in places if p.is_file()), None)
    if found is None:
        raise GridError(
            f"coordinates are missing, looked for {', '.join(map(str, places))}; "
            "keep hs2p's `tiles` beside `tile_embeddings`"
        )
    return found


def _tissue(tiles: Mapping[str, NDArray[Any]], rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
    shares = tiles.get("tissue_fractions")
    return None if shares is None else np.clip(shares[rows].astype(np.float32), 0, 1)


def _arrays(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """All arrays of a file, these among them."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise GridError(f"{path}: not readable as arrays ({error}); copy or make the file again") from error
    if missing := [name for name in names if name not in arrays]:
        raise GridError(f"{path}: no array {missing[0]!r} in {', '.join(arrays)}; run slide2vec again")
    return arrays


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GridError(f"{path}: not readable as JSON ({error}); keep it beside the features") from error
    if not isinstance(found, dict):
        raise GridError(
            f"{path}: holds a {type(found).__name__}, expected named values; copy or make it again"
        )
    return found


def _number(known: dict[str, Any], name: str) -> float:
    found = known.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not found > 0:
        raise GridError(f"{name} is {found!r}, expected a number above 0; make the tiles again with hs2p 6")
    return float(found)
