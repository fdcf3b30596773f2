"""LazySlide and TIAToolbox stores, laid out as versions 0.13 (wsidata 0.12) and 2.1 wrote them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr

from histopress.core.errors import GridError, NoTissueError
from histopress.core.geometry import Size, Spacing
from histopress.grids import store
from histopress.grids.exchange import ExchangeRecipe, exchange
from histopress.grids.exchange_zarr import is_store, read_lazyslide, read_tiatoolbox, zarr_tool

CORNERS = np.array([[563, 577], [819, 577], [563, 1089], [1331, 2625]])
MPP, DOWN = 0.499, 1 / 0.499


def rectangle(x: float, y: float, side: float) -> bytes:
    """Well-known binary of a box as shapely makes it: from the lower right corner, round."""
    points = [(x + side, y), (x + side, y + side), (x, y + side), (x, y), (x + side, y)]
    return struct.pack("<BIII", 1, 3, 1, 5) + struct.pack("<10d", *[v for point in points for v in point])


def lazyslide(path: Path, models: tuple[str, ...] = ("tiny",), **changes: Any) -> Path:
    """Tables in another order than shapes, ids that are no positions."""
    group = zarr.create_group(path, zarr_format=3)
    spec = {
        "height": 128, "width": 128, "stride_height": 128, "stride_width": 128, "mpp": 1.0, "ops_level": 0,
        "ops_downsample": DOWN, "base_level": 0, "base_downsample": DOWN, "tissue_name": "tissues",
    } | changes  # fmt: skip
    group.attrs["tile_spec"] = {"tiles": spec}
    group.attrs["slide_properties"] = {"shape": [2967, 2220], "mpp": changes.get("slide_mpp", MPP)}
    group.attrs["spatialdata_attrs"] = {"version": "0.2"}
    shapes = path / "shapes" / "tiles"
    group.create_group("shapes/tiles")
    boxes = [rectangle(float(x), float(y), 256.0) for x, y in CORNERS]
    pd.DataFrame({"tile_id": [10, 11, 12, 13], "tissue_id": 0, "geometry": boxes}).to_parquet(
        shapes / "shapes.parquet"
    )
    for number, model in enumerate(models):
        table = group.create_group(f"tables/{model}_tiles", attributes={"region": "tiles"})
        table.create_array("X", data=np.arange(12, dtype=np.float32).reshape(4, 3) + 100 * number)
        table.create_array("obs/tile_id", data=np.array([13, 10, 12, 11]))
    return path


def test_features_are_joined_with_shapes_by_id(tmp_path: Path) -> None:
    bag = read_lazyslide(lazyslide(tmp_path / "a.zarr"))
    assert np.array_equal(bag.corners, CORNERS[[3, 0, 2, 1]])
    assert np.array_equal(bag.features[0], [0, 1, 2])
    assert (bag.encoder, bag.tile, bag.tile_spacing) == ("tiny", 128, 1.0)
    assert (bag.extent, bag.step) == (256, 256)
    assert (bag.level0, bag.size) == (Spacing.square(MPP), Size(2220, 2967))


def test_a_store_becomes_a_grid_without_any_question(tmp_path: Path) -> None:
    path = lazyslide(tmp_path / "a.ome.zarr")
    summary = exchange([path], tmp_path / "out", "grid")
    assert (summary.written, list(summary.failures)) == (1, [])
    grid = store.read_grid(tmp_path / "out" / f"a{store.SUFFIX}")
    assert grid.cells.tolist() == [[2, 2], [2, 3], [4, 2], [10, 5]]
    assert (grid.lattice.origin.x, grid.lattice.origin.y) == (51, 65)
    assert (grid.lattice.step_x, grid.lattice.tile, grid.encoder["spacing"]) == (256, 128, 1.0)
    assert grid.features[3].tolist() == [0, 1, 2]
    assert grid.settings["level0_from"] == "file"


def test_strides_smaller_than_tiles(tmp_path: Path) -> None:
    bag = read_lazyslide(lazyslide(tmp_path / "a.zarr", stride_height=96, stride_width=96))
    assert (bag.extent, bag.step) == (256, int(96 * DOWN))


def test_one_of_several_models_has_to_be_named(tmp_path: Path) -> None:
    path = lazyslide(tmp_path / "a.zarr", models=("tiny", "large"))
    with pytest.raises(GridError, match=r"found large_tiles, tiny_tiles .*--encoder"):
        read_lazyslide(path)
    assert read_lazyslide(path, "tiny").features[0, 0] == 0
    assert read_lazyslide(path, "large_tiles").features[0, 0] == 100
    with pytest.raises(GridError, match="of huge, found none"):
        read_lazyslide(path, "huge")


def test_a_slide_without_mpp_is_asked_for(tmp_path: Path) -> None:
    given = read_lazyslide(lazyslide(tmp_path / "given.zarr", slide_mpp=None))
    assert given.level0 == Spacing.square(pytest.approx(MPP))
    path = lazyslide(tmp_path / "a.zarr", slide_mpp=None, mpp=None)
    (failure,) = exchange([path], tmp_path / "out", "grid").failures
    assert "level 0" in str(failure)
    assert exchange([path], tmp_path / "out", "grid", ExchangeRecipe(spacing=MPP)).written == 1


def test_tiles_that_are_no_squares_or_have_no_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="width of 128 and a height of 64"):
        read_lazyslide(lazyslide(tmp_path / "a.zarr", height=64))
    with pytest.raises(GridError, match=r"tile_spec is .* expected sizes"):
        read_lazyslide(lazyslide(tmp_path / "c.zarr", stride_width=None))
    path = lazyslide(tmp_path / "b.zarr")
    table = pd.read_parquet(path / "shapes" / "tiles" / "shapes.parquet")
    table.iloc[:3].to_parquet(path / "shapes" / "tiles" / "shapes.parquet")
    with pytest.raises(GridError, match="no shape"):
        read_lazyslide(path)


def test_a_store_without_features_says_so(tmp_path: Path) -> None:
    path = lazyslide(tmp_path / "a.zarr", models=())
    assert zarr_tool(path) == "lazyslide"
    with pytest.raises(GridError, match="no features"):
        read_lazyslide(path)


def tiatoolbox(path: Path, boxes: Any, dim: int = 3) -> Path:
    group = zarr.create_group(path, zarr_format=3)
    boxes = np.asarray(boxes, dtype=np.int64).reshape(-1, 4)
    group.create_array("coordinates", data=boxes, chunks=(max(1, len(boxes)), 4))
    group.create_array(
        "features", data=np.ones((len(boxes), dim), np.float32), chunks=(max(1, len(boxes)), dim)
    )
    return path


def test_boxes_count_px_of_the_tiles(tmp_path: Path) -> None:
    bag = read_tiatoolbox(tiatoolbox(tmp_path / "a.zarr", [[0, 0, 128, 128], [384, 256, 512, 384]]))
    assert (bag.unit, bag.extent, bag.tile) == ("tile", 128, 128)
    assert bag.corners.tolist() == [[0, 0], [384, 256]]
    assert bag.level0 is bag.tile_spacing is None


def test_boxes_of_several_sizes_and_empty_stores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="tiles of 64 to 128 px"):
        read_tiatoolbox(tiatoolbox(tmp_path / "a.zarr", [[0, 0, 128, 128], [128, 0, 192, 128]]))
    with pytest.raises(NoTissueError):
        read_tiatoolbox(tiatoolbox(tmp_path / "b.zarr", []))


def test_stores_are_told_apart_by_what_is_in_them(tmp_path: Path) -> None:
    assert zarr_tool(tiatoolbox(tmp_path / "x", [[0, 0, 2, 2]])) == "tiatoolbox"
    assert zarr_tool(lazyslide(tmp_path / "y")) == "lazyslide"
    assert is_store(tmp_path / "x")
    assert not is_store(tmp_path)
    zarr.create_group(tmp_path / "z", zarr_format=2)
    assert zarr_tool(tmp_path / "z") is None
