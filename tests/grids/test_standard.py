"""The standard of many grids is that of all their cells together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from histopress.core.errors import GridError
from histopress.grids.grid import FeatureGrid
from histopress.grids.standard import standardise

MakeGrid = Callable[..., FeatureGrid]


@pytest.fixture
def grids(make_grid: MakeGrid) -> list[FeatureGrid]:
    """Of different sizes, none of them around 0."""
    made = [make_grid(seed=i, share=share) for i, share in enumerate((0.6, 0.1, 0.3, 0.05))]
    return [replace(g, features=(2 * g.features + 3 + i).astype(np.float16)) for i, g in enumerate(made)]


def test_it_is_that_of_all_tissue_cells_together(grids: list[FeatureGrid]) -> None:
    together = np.concatenate([g.features for g in grids]).astype(np.float64)
    standard = standardise(iter(grids))
    np.testing.assert_allclose(standard.mean, together.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(standard.sd, together.std(axis=0), rtol=1e-12)


def test_a_channel_that_does_not_vary_has_spread_one_and_large_means_lose_nothing(
    grids: list[FeatureGrid],
) -> None:
    for grid in grids:
        grid.features[:, 2] = 7.5
        grid.features[:, 3] = 1000 + (np.arange(len(grid)) % 2)
    together = np.concatenate([g.features for g in grids]).astype(np.float64)
    standard = standardise(iter(grids))
    assert standard.sd[2] == 1
    np.testing.assert_allclose(standard.sd[3], together[:, 3].std(), rtol=1e-9)


def test_grids_without_tissue_do_not_count(grids: list[FeatureGrid]) -> None:
    grid = grids[1]
    empty = replace(grid, features=grid.features[:0], cells=grid.cells[:0], tissue=grid.tissue[:0])
    np.testing.assert_array_equal(standardise(iter([empty, grid])).mean, standardise(iter([grid])).mean)
    with pytest.raises(GridError, match="tissue"):
        standardise(iter([empty]))
