"""Files of slide2vec 7.1 with hs2p 6.1: rows joined by tile index, coordinates found again after a move."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from histopress.core.errors import GridError, NoTissueError
from histopress.core.geometry import Size, Spacing
from histopress.grids import store
from histopress.grids.exchange import ExchangeRecipe, exchange
from histopress.grids.exchange_slide2vec import read_slide2vec

X, Y = np.array([49, 49, 241, 433]), np.array([831, 1023, 831, 1599])
FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)


def write(run: Path, kind: str = "pt", group: str = "", tiles: int = 4) -> Path:
    path = run / "tile_embeddings" / group / f"a.b.{kind}"
    places = run / "tiles" / group / "a.b.coordinates.npz"
    for file in (path, places):
        file.parent.mkdir(parents=True, exist_ok=True)
    index = np.arange(tiles, dtype=np.int32)
    shares = np.array([0.02, 0.2, 0.5, 1.0], np.float32)[:tiles]
    np.savez(places, tile_index=index, x=X[:tiles], y=Y[:tiles], tissue_fractions=shares)
    plan = {
        "slide": {"base_spacing_um": 0.499, "dimensions": [2220, 2967]},
        "tiling": {
            "requested_spacing_um": 0.5,
            "requested_tile_size_px": 256,
            "tile_size_lv0": 256,
            "step_px_lv0": 192,
        },
    }
    places.with_name("a.b.coordinates.meta.json").write_text(json.dumps(plan))
    about = {
        "artifact_type": "tile_embeddings",
        "encoder_name": "tiny",
        "coordinates_npz_path": str(places),
        "compatibility": {"encoder_code": {"fingerprint": "c4"}},
    }
    path.with_name("a.b.meta.json").write_text(json.dumps(about))
    if kind == "pt":
        torch.save(torch.from_numpy(FEATURES[:tiles]).to(torch.float16), path)
    else:
        order = np.array([2, 0, 3, 1])[:tiles]
        np.savez(path, features=FEATURES[order], tile_index=order.astype(np.int64))
    return path


@pytest.mark.parametrize("kind", ["pt", "npz"])
@pytest.mark.parametrize("group", ["", "tumour"])
def test_rows_and_coordinates_belong_together(tmp_path: Path, kind: str, group: str) -> None:
    bag = read_slide2vec(write(tmp_path, kind, group))
    found = {tuple(c): tuple(f) for c, f in zip(bag.corners, bag.features, strict=True)}
    assert found == {(x, y): tuple(f) for x, y, f in zip(X, Y, FEATURES, strict=True)}
    assert (bag.extent, bag.step, bag.tile, bag.tile_spacing) == (256, 192, 256, 0.5)
    assert (bag.level0, bag.size) == (Spacing.square(0.499), Size(2220, 2967))
    assert bag.encoder == "tiny"
    assert bag.facts["encoder_code"] == {"fingerprint": "c4"}
    shares = dict(zip(map(tuple, bag.corners), bag.tissue, strict=True)) if bag.tissue is not None else {}
    assert shares[433, 1599] == 1


def test_a_run_may_have_been_moved(tmp_path: Path) -> None:
    write(tmp_path / "before", group="tumour")
    (tmp_path / "before").rename(tmp_path / "after")
    assert len(read_slide2vec(tmp_path / "after" / "tile_embeddings" / "tumour" / "a.b.pt").features) == 4


def test_coordinates_may_lie_where_they_are_stated(tmp_path: Path) -> None:
    path = write(tmp_path / "run")
    for name in ("a.b.pt", "a.b.meta.json"):
        (path.parent / name).rename(tmp_path / name)
    assert len(read_slide2vec(tmp_path / "a.b.pt").features) == 4
    (tmp_path / "run" / "tiles" / "a.b.coordinates.npz").unlink()
    with pytest.raises(GridError, match="coordinates are missing"):
        read_slide2vec(tmp_path / "a.b.pt")


@pytest.mark.parametrize("kind", ["pt", "npz"])
def test_files_of_two_runs_are_refused(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind)
    keep = path.read_bytes()
    write(tmp_path, kind, tiles=3)
    path.write_bytes(keep)
    with pytest.raises(GridError, match=r"different runs|files differ"):
        read_slide2vec(path)


def test_other_artifacts_and_bare_coordinates_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    about = json.loads(path.with_name("a.b.meta.json").read_text())
    path.with_name("a.b.meta.json").write_text(json.dumps(about | {"artifact_type": "slide_embeddings"}))
    with pytest.raises(GridError, match="slide_embeddings"):
        read_slide2vec(path)
    places = tmp_path / "tiles" / "a.b.coordinates.npz"
    with pytest.raises(GridError, match="coordinates of 4 tiles, but no features"):
        read_slide2vec(places)
    path = write(tmp_path)
    np.savez(places, x=X)
    with pytest.raises(GridError, match="no array 'y' in x"):
        read_slide2vec(path)
    write(tmp_path, tiles=0)
    with pytest.raises(NoTissueError):
        read_slide2vec(places)
    with pytest.raises(NoTissueError):
        read_slide2vec(path)


def test_each_piece_of_tissue_has_a_lattice_of_its_own(tmp_path: Path) -> None:
    """As hs2p 6.1 tiled a slide with three pieces; the tiles of each move together."""
    path = write(tmp_path)
    x = np.array([95, 351, 1718, 1974, 2801])
    y = np.array([256, 256, 1660, 1916, 511])
    places = tmp_path / "tiles" / "a.b.coordinates.npz"
    np.savez(places, tile_index=np.arange(5), x=x, y=y, tissue_fractions=np.ones(5, np.float32))
    torch.save(torch.arange(15.0).reshape(5, 3), path)
    plan = places.with_name("a.b.coordinates.meta.json")
    plan.write_text(plan.read_text().replace('"step_px_lv0": 192', '"step_px_lv0": 256'))
    (failure,) = exchange([path], tmp_path / "out", "grid").failures
    assert "73 px off, 28.5% of a step" in str(failure)
    assert "--snap 0.29" in str(failure)
    summary = exchange([path], tmp_path / "out", "grid", ExchangeRecipe(snap=0.29))
    grid = store.read_grid(tmp_path / "out" / f"a.b{store.SUFFIX}")
    assert summary.largest_move == grid.settings["moved"] == pytest.approx(73 / 256, abs=1e-4)
    assert (grid.cells - grid.cells.min(axis=0)).tolist() == [[0, 0], [0, 1], [1, 10], [5, 6], [6, 7]]
