"""Batches: padding is masked, draws are reproducible, the cache is bounded, statistics are exact."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from histopress.core.errors import GridError
from histopress.core.geometry import Lattice, Size, Spacing
from histopress.grids.batches import (
    DrawnViews,
    Draws,
    GridBatch,
    GridCache,
    LabelledGrids,
    LaidViews,
    collate,
    standardise,
)
from histopress.grids.grid import FeatureGrid, SlideIdentity
from histopress.grids.store import write_grid
from histopress.grids.views import ViewRule

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


@pytest.fixture
def labelled() -> LabelledGrids:
    return LabelledGrids(
        list(GRIDS), torch.tensor([0.0, 1.0, 1.0, 0.0]), torch.tensor([1.0, 0.5, 2.0, 1.0]), GRIDS.__getitem__
    )


def batches(labelled: LabelledGrids, workers: int = 0, seed: int = 0) -> list[GridBatch]:
    torch.manual_seed(seed)
    loader = DataLoader(
        DrawnViews(labelled, ViewRule(size=6)),
        batch_size=3,
        sampler=Draws(len(labelled)),
        collate_fn=collate,
        num_workers=workers,
    )
    return list(loader)


def test_a_batch_holds_its_elements_and_nothing_else(labelled: LabelledGrids) -> None:
    laid = LaidViews(labelled, ViewRule(size=20))
    samples = [laid[i] for i in range(len(laid))]
    batch = collate(samples)
    assert batch.dense.shape == (4, 6, 12, 17)
    for i, (sample,) in enumerate(samples):
        rows, cols = sample.mask.shape
        assert torch.equal(batch.dense[i, :, :rows, :cols], sample.dense)
        assert torch.equal(batch.mask[i, :rows, :cols], sample.mask)
        assert int(batch.mask[i].sum()) == len(GRIDS[Path(f"s{i}")])
        assert not batch.dense[i, :, ~batch.mask[i]].any()
    assert batch.target.tolist() == [0, 1, 1, 0]
    assert batch.weight.tolist() == [1, 0.5, 2, 1]
    assert batch.slide.tolist() == [0, 1, 2, 3]


def test_all_views_of_a_slide_come_together(labelled: LabelledGrids) -> None:
    laid = LaidViews(labelled, ViewRule(size=5))
    batch = collate([laid[0], laid[3]])
    assert Counter(batch.slide.tolist()) == {0: 2, 3: 4}
    assert batch.share[batch.slide == 3].sum() == pytest.approx(1)


def test_each_slide_comes_once_an_epoch_in_an_order_that_changes(labelled: LabelledGrids) -> None:
    orders = []
    for seed in range(8):
        slides = torch.cat([b.slide for b in batches(labelled, seed=seed)]).tolist()
        assert sorted(slides) == [0, 1, 2, 3]
        orders.append(tuple(slides))
    assert len(set(orders)) > 1


def test_flips_and_turns_are_drawn_for_every_sample(labelled: LabelledGrids) -> None:
    views = DrawnViews(labelled, ViewRule(size=20))
    seen = {views[0, seed][0].dense.numpy().tobytes() for seed in range(100)}
    assert len(seen) == 8


@pytest.mark.parametrize("workers", [0, 2])
def test_the_seed_decides_however_many_load(labelled: LabelledGrids, workers: int) -> None:
    one, two = batches(labelled, seed=5), batches(labelled, workers, seed=5)
    other = batches(labelled, seed=6)
    assert all(torch.equal(a.dense, b.dense) for a, b in zip(one, two, strict=True))
    assert any(
        a.dense.shape != b.dense.shape or (a.dense != b.dense).any() for a, b in zip(one, other, strict=True)
    )


def test_chances_balance_the_draw() -> None:
    torch.manual_seed(0)
    chances = torch.tensor([1.0] + [1 / 9] * 9)
    drawn = [slide for _ in range(100) for slide, _ in Draws(10, chances)]
    assert len(drawn) == 1000
    assert 430 < sum(slide == 0 for slide in drawn) < 570


def test_a_batch_moves_whole(labelled: LabelledGrids) -> None:
    batch = collate([LaidViews(labelled, ViewRule(size=20))[1]])
    moved = batch.to("meta")
    assert moved.dense.device.type == moved.share.device.type == "meta"
    assert moved.dense.shape == batch.dense.shape


def test_the_cache_keeps_what_fits_and_reads_the_rest_again(tmp_path: Path) -> None:
    paths = []
    for grid in GRIDS.values():
        paths.append(tmp_path / f"{grid.slide.slide}.grid.zarr.zip")
        write_grid(paths[-1], grid)
    size = {
        p: g.features.nbytes + g.cells.nbytes + g.tissue.nbytes
        for p, g in zip(paths, GRIDS.values(), strict=True)
    }
    cache = GridCache(limit=size[paths[0]] + size[paths[1]])
    first = [cache(path) for path in paths]
    assert 0 < cache.bytes <= cache.limit
    assert cache(paths[0]) is first[0]
    assert cache(paths[2]) is not first[2]
    np.testing.assert_array_equal(cache(paths[2]).features, GRIDS[Path("s2")].features)


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
