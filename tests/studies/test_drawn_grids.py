"""Drawn grids are grids like any other, made when they are asked for."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
import pytest

from histopress.grids.grid import FeatureGrid
from histopress.studies.drawn_grids import Drawing, DrawnGrids, label_table, slide_id

DRAWING = Drawing("dots", "abc", dim=3, tile=7, spacing=0.5)


def dot(index: int, drawing: Drawing) -> FeatureGrid:
    cells = np.array([[0, 1], [2, 0]], np.int32)
    return drawing.grid(slide_id("dots", index), (3, 5), cells, np.full((2, 3), index, np.float32))


GRIDS = DrawnGrids("dots", 4, partial(dot, drawing=DRAWING))


def test_a_drawn_grid_has_its_lattice_codes_and_encoder() -> None:
    grid = GRIDS["dots-000002"]
    assert grid.shape == (3, 5)
    assert grid.slide.size.shape == (21, 35)
    assert grid.features.dtype == np.float16 and (grid.features == 2).all()
    assert grid.encoder["identity"] == "abc" and grid.encoder["dim"] == grid.dim == 3


def test_grids_of_one_drawing_share_the_encoder_but_not_the_identity() -> None:
    first, second = GRIDS["dots-000000"], GRIDS["dots-000001"]
    assert first.encoder == second.encoder
    assert first.identity != second.identity
    assert first.slide.hash != second.slide.hash


def test_the_mapping_lists_what_it_can_draw_and_nothing_else() -> None:
    assert len(GRIDS) == 4
    assert [GRIDS[name].slide.slide for name in GRIDS] == list(GRIDS)
    assert "dots-000003" in GRIDS
    for stranger in ("dots-000004", "dots-3", "other-000001", "dots", "dots-00000x"):
        assert stranger not in GRIDS
        with pytest.raises(KeyError):
            GRIDS[stranger]


def test_the_mapping_can_be_sent_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(GRIDS))
    assert np.array_equal(again["dots-000001"].features, GRIDS["dots-000001"].features)


def test_the_table_has_a_row_a_grid() -> None:
    table = label_table("dots", ["a", "b", "a", "b"])
    assert table["slide"].tolist() == list(GRIDS)
    assert table["patient"].equals(table["slide"])
    assert table["label"].tolist() == ["a", "b", "a", "b"]
