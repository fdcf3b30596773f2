"""The standard of many grids is that of all their cells together; the survey counts what it has read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import GridError
from histopress.core.geometry import Lattice, Size, Spacing
from histopress.grids.grid import FeatureGrid, SlideIdentity
from histopress.grids.standard import standardise

SHAPES = [(5, 9), (12, 4), (7, 7 + 6), (3, 17)]


def make_grid(shape: tuple[int, int], seed: int, dim: int = 6) -> FeatureGrid:
    random = np.random.default_rng(seed)
    cells = np.argwhere(random.random(shape) < 0.7).astype(np.int32)
    return FeatureGrid(
        lattice=Lattice(64.0, 48.0, *shape, spacing=0.5, tile=32),
        slide=SlideIdentity(f"s{seed}", Size(shape[1] * 64, shape[0] * 48), Spacing(0.25, 0.33), f"h{seed}"),
        encoder={"identity": "e"},
        identity=f"i{seed}",
        settings={},
        features=random.normal(3, 2, size=(len(cells), dim)).astype(np.float16),
        cells=cells,
        tissue=np.ones(len(cells), dtype=np.float32),
    )


GRIDS = {Path(f"s{i}"): make_grid(shape, i) for i, shape in enumerate(SHAPES)}


def test_the_standard_is_that_of_all_tissue_cells_together() -> None:
    together = np.concatenate([g.features for g in GRIDS.values()]).astype(np.float64)
    standard = standardise(iter(GRIDS.values()))
    np.testing.assert_allclose(standard.mean, together.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(standard.sd, together.std(axis=0), rtol=1e-12)


def test_the_standard_of_a_channel_that_does_not_vary_is_one_and_large_means_lose_nothing() -> None:
    grids = []
    for grid in GRIDS.values():
        features = grid.features.copy()
        features[:, 2] = 7.5
        features[:, 3] = 1000 + (np.arange(len(grid)) % 2)
        grids.append(replace(grid, features=features))
    together = np.concatenate([g.features for g in grids]).astype(np.float64)
    standard = standardise(iter(grids))
    assert standard.sd[2] == 1
    np.testing.assert_allclose(standard.sd[3], together[:, 3].std(), rtol=1e-9)


def test_grids_without_tissue_do_not_count() -> None:
    empty = make_grid((4, 3), 9)
    empty = replace(empty, features=empty.features[:0], cells=empty.cells[:0], tissue=empty.tissue[:0])
    grid = GRIDS[Path("s1")]
    np.testing.assert_array_equal(standardise(iter([empty, grid])).mean, standardise(iter([grid])).mean)
    with pytest.raises(GridError, match="tissue"):
        standardise(iter([empty]))
