"""Grids to plant into: noise, mosaics of tiles, and stored ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import GridError
from histopress.grids.store import grid_path, write_grid
from histopress.studies.planting_negatives import StoredGrids, drawn_negatives, mosaic_negatives
from histopress.studies.planting_signal import TileSignal


def test_drawn_ones_are_noise_of_the_wanted_size() -> None:
    grids, table = drawn_negatives(5, cells=150, dim=7, seed=3)
    assert table.columns.tolist() == ["patient", "slide"] and table["slide"].tolist() == list(grids)
    codes = np.concatenate([grids[slide].features for slide in grids]).astype(float)
    assert codes.shape == (750, 7)
    assert np.abs(codes.mean(axis=0)).max() < 0.2 and np.abs(codes.std(axis=0) - 1).max() < 0.15


def test_mosaics_show_tiles_that_no_other_slide_has() -> None:
    tiles = TileSignal(np.arange(120, dtype=np.float32).reshape(40, 3), "made-by")
    grids, _ = mosaic_negatives(tiles, 8, cells=60)
    shown = [{int(code[0]) // 3 for code in grids[slide].features} for slide in grids]
    assert [len(own) for own in shown] == [5] * 8
    assert len(set().union(*shown)) == 40
    counts = np.bincount(grids["mosaic-000000"].features[:, 0].astype(int))
    assert set(counts[counts > 0]) == {12}
    assert grids["mosaic-000000"].encoder["identity"] == "made-by"
    again = pickle.loads(pickle.dumps(grids))
    assert np.array_equal(again["mosaic-000003"].features, grids["mosaic-000003"].features)


def test_slides_apart_share_no_tile_however_few_there_are() -> None:
    tiles = TileSignal(np.arange(6, dtype=np.float32)[:, None])
    grids, _ = mosaic_negatives(tiles, 20, cells=30, apart=8)
    test, train = (
        {int(code[0]) for slide in part for code in grids[slide].features}
        for part in (list(grids)[:8], list(grids)[8:])
    )
    assert len(test) == len(train) == 3 and not test & train


def test_stored_ones_are_read_when_asked_for(tmp_path: Path) -> None:
    drawn, _ = drawn_negatives(3, cells=20, dim=4)
    for slide in drawn:
        write_grid(grid_path(tmp_path, slide), drawn[slide])
    found = StoredGrids.of(tmp_path)
    assert list(found) == list(drawn) and len(found) == 3 and "lost" not in found
    assert np.array_equal(found["needles-000002"].features, drawn["needles-000002"].features)
    with pytest.raises(KeyError):
        found["lost"]
    with pytest.raises(GridError, match="no grid in"):
        StoredGrids.of(tmp_path / "nowhere")
