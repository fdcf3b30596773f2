"""Batches: lists of cells hold their elements and nothing else, draws repeat, the cache is bounded."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from histopress.core.geometry import Lattice, Size, Spacing
from histopress.grids.augment import AugmentRule
from histopress.grids.batches import (
    CellBatch,
    DrawnViews,
    GridCache,
    LabelledGrids,
    LaidViews,
    collate,
)
from histopress.grids.draws import Draws
from histopress.grids.grid import FeatureGrid, SlideIdentity
from histopress.grids.joint import lay_side_by_side
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
        [(path,) for path in GRIDS],
        torch.tensor([[0.0], [1.0], [1.0], [0.0]]),
        torch.tensor([1.0, 0.5, 2.0, 1.0]),
        GRIDS.__getitem__,
    )


def batches(labelled: LabelledGrids, workers: int = 0, seed: int = 0) -> list[CellBatch]:
    torch.manual_seed(seed)
    loader = DataLoader(
        DrawnViews(labelled, ViewRule(size=6, changes=AugmentRule(noise=0.1))),
        batch_sampler=Draws(len(labelled), 3),
        collate_fn=collate,
        num_workers=workers,
    )
    return list(loader)


def test_a_batch_holds_its_elements_and_nothing_else(labelled: LabelledGrids) -> None:
    laid = LaidViews(labelled, ViewRule(size=20))
    samples = [laid[i] for i in range(len(laid))]
    batch = collate(samples)
    assert batch.places.shape == (4, 12, 17)
    assert batch.places.counts == tuple(map(len, GRIDS.values()))
    dense = batch.places.lay(batch.features)
    for i, (sample,) in enumerate(samples):
        rows, cols = sample.cells.shape
        picture, _ = sample.cells.dense()
        np.testing.assert_array_equal(dense[i, :, :rows, :cols].numpy(), picture)
        assert not dense[i, :, rows:].any()
        assert not dense[i, :, :, cols:].any()
    assert (torch.diff(batch.places.at) > 0).all()
    assert batch.target.tolist() == [[0], [1], [1], [0]]
    assert batch.weight.tolist() == [1, 0.5, 2, 1]
    assert batch.case.tolist() == [0, 1, 2, 3]


def test_all_views_of_a_case_come_together(labelled: LabelledGrids) -> None:
    laid = LaidViews(labelled, ViewRule(size=5))
    batch = collate([laid[0], laid[3]])
    assert Counter(batch.case.tolist()) == {0: 2, 3: 4}
    assert batch.share[batch.case == 3].sum() == pytest.approx(1)


def test_several_grids_of_a_case_are_laid_side_by_side(labelled: LabelledGrids) -> None:
    paths = list(GRIDS)
    joint = replace(labelled, paths=[(paths[0], paths[2]), (paths[1],), (paths[3],), (paths[0],)])
    expected = lay_side_by_side([GRIDS[paths[0]], GRIDS[paths[2]]]).grid
    (sample,) = LaidViews(joint, ViewRule(size=0))[0]
    assert len(sample.cells) == len(expected) == len(GRIDS[paths[0]]) + len(GRIDS[paths[2]])
    np.testing.assert_array_equal(sample.cells.features, expected.features.astype(np.float32))


def test_each_case_comes_once_an_epoch_in_an_order_that_changes(labelled: LabelledGrids) -> None:
    orders = []
    for seed in range(8):
        cases = torch.cat([b.case for b in batches(labelled, seed=seed)]).tolist()
        assert sorted(cases) == [0, 1, 2, 3]
        orders.append(tuple(cases))
    assert len(set(orders)) > 1


def test_flips_and_turns_are_drawn_for_every_sample(labelled: LabelledGrids) -> None:
    views = DrawnViews(labelled, ViewRule(size=20, changes=AugmentRule()))
    seen = {views[0, seed][0].cells.dense()[0].tobytes() for seed in range(100)}
    assert len(seen) == 8
    plain = DrawnViews(labelled, ViewRule(size=20))
    assert len({plain[0, seed][0].cells.dense()[0].tobytes() for seed in range(20)}) == 1


def test_corners_come_from_cases_with_the_same_target_only(labelled: LabelledGrids) -> None:
    marked = {p: replace(g, features=np.full_like(g.features, i)) for i, (p, g) in enumerate(GRIDS.items())}
    mixed = DrawnViews(
        replace(labelled, read=marked.__getitem__), ViewRule(size=20, changes=AugmentRule(mix=2))
    )
    seen = {float(v) for seed in range(60) for v in np.unique(mixed[0, seed][0].cells.features)}
    assert seen == {0.0, 3.0}


@pytest.mark.parametrize("workers", [0, 2])
def test_the_seed_decides_however_many_load(labelled: LabelledGrids, workers: int) -> None:
    one, two = batches(labelled, seed=5), batches(labelled, workers, seed=5)
    other = batches(labelled, seed=6)
    assert all(torch.equal(a.features, b.features) for a, b in zip(one, two, strict=True))
    assert any(not torch.equal(a.features, b.features) for a, b in zip(one, other, strict=True))


def test_a_batch_moves_whole(labelled: LabelledGrids) -> None:
    batch = collate([LaidViews(labelled, ViewRule(size=20))[1]])
    moved = batch.to("meta")
    assert moved.features.device.type == moved.share.device.type == moved.places.at.device.type == "meta"
    assert moved.features.shape == batch.features.shape


def test_the_cache_keeps_what_fits_and_reads_the_rest_again(tmp_path: Path) -> None:
    paths = []
    for grid in GRIDS.values():
        paths.append(tmp_path / f"{grid.slide.slide}.grid.zarr.zip")
        write_grid(paths[-1], grid)
    cache = GridCache(limit=GRIDS[Path("s0")].nbytes + GRIDS[Path("s1")].nbytes)
    first = [cache(path) for path in paths]
    assert 0 < cache.bytes <= cache.limit
    assert cache(paths[0]) is first[0]
    assert cache(paths[2]) is not first[2]
    np.testing.assert_array_equal(cache(paths[2]).features, GRIDS[Path("s2")].features)
