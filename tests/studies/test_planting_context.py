"""Parts of the tissue: of the wanted size, in the right place, and alike over slides."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter

from histopress.grids.grid import FeatureGrid
from histopress.studies.drawn_grids import Drawing
from histopress.studies.needles import NeedlesRecipe, needle_grid
from histopress.studies.planting_context import context_cells
from histopress.studies.planting_ground import measure
from histopress.studies.planting_recipe import CONTEXTS, PlantRecipe

GRID = needle_grid(NeedlesRecipe(cells=600, dim=4, informative=1), 2, positive=False)
GROUND = measure({"a": GRID})


def two_tissues(seed: int) -> tuple[FeatureGrid, np.ndarray]:
    """Tissue whose first number is high in some regions, and whether it is, by cell."""
    random = np.random.default_rng(seed)
    field = gaussian_filter(random.standard_normal((24, 30)), 3)
    high = (field > np.median(field)).ravel()
    codes = random.standard_normal((720, 5)).astype(np.float32)
    codes[:, 0] += 6 * high
    cells = np.argwhere(np.ones((24, 30))).astype(np.int32)
    return Drawing("two", "x", 5, 256, 0.5).grid(f"two-{seed}", (24, 30), cells, codes), high


@pytest.mark.parametrize("inside", CONTEXTS[1:])
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_part_has_the_wanted_share(inside: str, share: float) -> None:
    found = context_cells(GRID, PlantRecipe(o2i=0.1, inside=inside, context=share), GROUND)  # type: ignore[arg-type]
    assert found.sum() == round(share * 600)


def test_anywhere_is_everywhere() -> None:
    assert context_cells(GRID, PlantRecipe(o2i=0.1), GROUND).all()


def test_the_border_is_nearer_to_the_edge_than_the_rest_and_the_core_is_the_reverse() -> None:
    tissue = np.zeros(np.array(GRID.shape) + 2, np.bool_)
    tissue[tuple(GRID.cells.T + 1)] = True
    depth = distance_transform_edt(tissue)[tuple(GRID.cells.T + 1)]
    border, core = (context_cells(GRID, PlantRecipe(o2i=0.1, inside=i), GROUND) for i in ("border", "core"))
    assert depth[border].max() <= depth[~border].min()
    assert depth[core].min() >= depth[~core].max()
    assert np.array_equal(border, ~core)


def test_a_cluster_is_one_kind_of_tissue_in_all_slides() -> None:
    drawn = [two_tissues(seed) for seed in range(4)]
    ground = measure({grid.slide.slide: grid for grid, _ in drawn})
    recipe = PlantRecipe(o2i=0.1, inside="cluster")
    agree = [float((context_cells(grid, recipe, ground) == high).mean()) for grid, high in drawn]
    assert min(agree) > 0.8
