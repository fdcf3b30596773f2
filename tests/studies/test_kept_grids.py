"""Grids that stay in memory as far as there is room."""

from __future__ import annotations

from collections import ChainMap

import numpy as np
import pytest

from histopress.grids.grid import FeatureGrid
from histopress.studies.drawn_grids import DrawnGrids
from histopress.studies.kept_grids import KeptGrids
from histopress.studies.needles import NeedlesRecipe, needle_grid

RECIPE = NeedlesRecipe(cells=50, dim=8)


def test_kept_grids_draw_once_as_long_as_there_is_room() -> None:
    drawn: list[int] = []

    def draw(index: int) -> FeatureGrid:
        drawn.append(index)
        return needle_grid(RECIPE, index, positive=False)

    part = DrawnGrids("needles", 4, draw)
    kept = KeptGrids(part, limit=draw(0).nbytes * 2)
    drawn.clear()
    assert list(kept) == list(part) and len(kept) == 4
    for _ in range(2):
        for number, slide in enumerate(kept):
            wanted = needle_grid(RECIPE, number, positive=False)
            assert np.array_equal(kept[slide].features, wanted.features)
    assert drawn == [0, 1, 2, 3, 2, 3]
    with pytest.raises(KeyError):
        kept["needles-000009"]


def test_parts_stand_as_one() -> None:
    parts = [
        DrawnGrids(name, 2, lambda index: needle_grid(RECIPE, index, positive=False)) for name in ("a", "b")
    ]
    kept = KeptGrids(ChainMap(*parts), limit=0)  # type: ignore[arg-type]
    assert set(kept) == {"a-000000", "a-000001", "b-000000", "b-000001"}
    assert np.array_equal(kept["b-000001"].features, parts[1]["b-000001"].features)
