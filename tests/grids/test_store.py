from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from histopress.core.errors import GridError
from histopress.grids import store
from histopress.grids.grid import FeatureGrid, GridHeader

MakeGrid = Callable[..., FeatureGrid]


def same(a: FeatureGrid, b: FeatureGrid) -> bool:
    arrays = all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("features", "cells", "tissue"))
    return arrays and all(getattr(a, n) == getattr(b, n) for n in GridHeader.__dataclass_fields__)


@pytest.mark.parametrize("ending", [store.SUFFIX, store.FOLDER_SUFFIX])
def test_a_stored_grid_comes_back_equal(tmp_path: Path, make_grid: MakeGrid, ending: str) -> None:
    grid = make_grid()
    path = tmp_path / f"a{ending}"
    store.write_grid(path, grid)
    assert same(store.read_grid(path), grid)
    assert store.read_header(path).identity == grid.identity
    assert store.count_tiles(path) == len(grid)
    assert store.grid_path(tmp_path, "a") == path
    assert store.find_grids(tmp_path) == [path]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_layout_is_the_published_one(tmp_path: Path, make_grid: MakeGrid) -> None:
    grid = make_grid()
    store.write_grid(tmp_path / "a.grid.zarr", grid)
    group = zarr.open_group(tmp_path / "a.grid.zarr", mode="r")
    assert group.metadata.zarr_format == 3
    assert group["features"].dtype == np.float16
    assert group["features"].shape == (len(grid), grid.dim)
    assert group["cells"].dtype == np.int32
    assert group["cells"].shape == (len(grid), 2)
    assert group.attrs["format"] == 1
    assert group.attrs["lattice"]["spacing"] == 0.5
    assert group.attrs["slide"]["spacing"] == {"x": 0.5, "y": 0.4}


def test_equal_grids_are_equal_files(tmp_path: Path, make_grid: MakeGrid) -> None:
    for name in "ab":
        store.write_grid(tmp_path / f"{name}{store.SUFFIX}", make_grid())
    assert (tmp_path / f"a{store.SUFFIX}").read_bytes() == (tmp_path / f"b{store.SUFFIX}").read_bytes()


@pytest.mark.parametrize("tiles", [1, store.CHUNK, 2 * store.CHUNK + 7])
def test_a_writer_goes_on_where_another_stopped(tmp_path: Path, make_grid: MakeGrid, tiles: int) -> None:
    small = make_grid()
    random = np.random.default_rng(3)
    features = random.standard_normal((tiles, 4)).astype(np.float16)
    cells = np.stack([np.arange(tiles), np.arange(tiles)], axis=1).astype(np.int32)
    header = GridHeader(**{n: getattr(small, n) for n in GridHeader.__dataclass_fields__})
    rest = (header, cells, np.ones(tiles, np.float32), 4)
    first = store.GridWriter(tmp_path / "work", *rest)
    first.append(features[: store.CHUNK])
    second = store.GridWriter(tmp_path / "work", *rest)
    assert second.rows_done == min(tiles, store.CHUNK)
    for start in range(second.rows_done, tiles, store.CHUNK):
        second.append(features[start : start + store.CHUNK])
    second.finish(tmp_path / f"a{store.SUFFIX}")
    assert np.array_equal(store.read_grid(tmp_path / f"a{store.SUFFIX}").features, features)
    assert not (tmp_path / "work").exists()


def test_work_for_another_grid_is_begun_anew(tmp_path: Path, make_grid: MakeGrid) -> None:
    grid = make_grid()
    header = GridHeader(**{n: getattr(grid, n) for n in GridHeader.__dataclass_fields__})
    first = store.GridWriter(tmp_path / "work", header, grid.cells, grid.tissue, grid.dim)
    first.append(grid.features)
    other = replace(header, identity="another")
    second = store.GridWriter(tmp_path / "work", other, grid.cells, grid.tissue, grid.dim)
    assert second.rows_done == 0
    with pytest.raises(GridError, match="not whole"):
        second.finish(tmp_path / f"a{store.SUFFIX}")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_codes_that_float16_cannot_hold_are_refused(
    tmp_path: Path, make_grid: MakeGrid, value: float
) -> None:
    grid = make_grid()
    header = GridHeader(**{n: getattr(grid, n) for n in GridHeader.__dataclass_fields__})
    writer = store.GridWriter(tmp_path / "work", header, grid.cells, grid.tissue, grid.dim)
    codes = grid.features.astype(np.float32)
    codes[3, 1] = value
    with pytest.raises(GridError, match="float16"):
        writer.append(codes)
    assert writer.rows_done == 0


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.98])
def test_a_cut_file_is_an_error_that_names_it(tmp_path: Path, make_grid: MakeGrid, keep: float) -> None:
    path = tmp_path / f"a{store.SUFFIX}"
    store.write_grid(path, make_grid())
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    with pytest.raises(GridError, match=r"a\.grid\.zarr\.zip.*compress the slide again"):
        store.read_grid(path)


def test_a_flipped_byte_is_noticed(tmp_path: Path, make_grid: MakeGrid) -> None:
    path = tmp_path / f"a{store.SUFFIX}"
    store.write_grid(path, make_grid(dim=64))
    content = bytearray(path.read_bytes())
    middle = content.index(b"features/c/0/0") + 2000
    content[middle] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(GridError, match="damaged"):
        store.read_grid(path)


def test_a_missing_or_foreign_or_newer_grid_says_so(tmp_path: Path, make_grid: MakeGrid) -> None:
    with pytest.raises(GridError, match="no such grid"):
        store.read_grid(tmp_path / "none.grid.zarr.zip")
    (tmp_path / "b.grid.zarr.zip").write_text("not a zip")
    with pytest.raises(GridError, match="not a stored grid"):
        store.read_grid(tmp_path / "b.grid.zarr.zip")
    store.write_grid(tmp_path / "c.grid.zarr", make_grid())
    zarr.open_group(tmp_path / "c.grid.zarr", mode="r+").attrs["format"] = 2
    with pytest.raises(GridError, match="format 2, expected 1"):
        store.read_grid(tmp_path / "c.grid.zarr")
