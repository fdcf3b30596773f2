from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from histopress.core.errors import PatchError
from histopress.data.patches import PatchSet
from histopress.encoders.task_batches import Mixture, part_loader, task_shares, tile_shares, train_loader

Made = Callable[..., PatchSet]


def test_shares_of_tasks() -> None:
    assert task_shares([100, 900], "equal", 2.0).tolist() == [0.5, 0.5]
    assert task_shares([100, 900], "size", 2.0).tolist() == pytest.approx([0.1, 0.9])
    assert task_shares([100, 900], "temperature", 2.0).tolist() == pytest.approx([0.25, 0.75])


def test_classes_are_drawn_alike_if_asked(made_set: Made) -> None:
    found = made_set("binary")
    found = replace(found, targets=np.where(np.arange(48) < 40, 0, 1).astype(np.float32))
    rows, shares = tile_shares(found, 1.0, unlabelled=False)
    assert shares[found.targets[rows] == 1].sum() == pytest.approx(0.5)
    _, shares = tile_shares(found, 0.0, unlabelled=False)
    assert len(set(shares)) == 1


def test_tiles_without_label_are_drawn_only_if_asked(made_set: Made) -> None:
    found = made_set("binary")
    found = replace(found, targets=np.where(np.arange(48) < 24, np.nan, found.targets))
    labelled, _ = tile_shares(found, 1.0, unlabelled=False)
    assert not np.isnan(found.targets[labelled]).any()
    everything, _ = tile_shares(found, 1.0, unlabelled=True)
    assert set(everything) == set(found.rows("train"))
    with pytest.raises(PatchError, match="no labelled tile"):
        tile_shares(replace(found, targets=np.full(48, np.nan, np.float32)), 1.0, unlabelled=False)


def test_batches_hold_the_tiles_and_labels_of_their_task(made_set: Made) -> None:
    sets = [made_set("binary", 40), made_set("multilabel", 24, seed=1), made_set("regression", 32, seed=2)]
    loader = train_loader(sets, Mixture(), batch=30, updates=20)
    assert len(loader) == 20
    drawn = np.zeros(3)
    for batch in loader:
        assert batch.tiles.shape == (30, 32, 32, 3)
        for tile, t, targets in zip(batch.tiles, batch.tasks, batch.targets, strict=True):
            found = sets[int(t)]
            row = next(r for r in found.rows("train") if np.array_equal(found.tiles[r], tile.numpy()))
            wanted = np.atleast_1d(found.targets[row])
            np.testing.assert_array_equal(targets[: len(wanted)].numpy(), wanted)
            drawn[int(t)] += 1
    assert drawn.min() > 150  # of 200 each


def test_batches_follow_from_the_seed_alone(made_set: Made) -> None:
    loader = train_loader([made_set()], Mixture(), batch=8, updates=3)
    assert isinstance(loader.generator, torch.Generator)
    seen = []
    for seed in (5, 5, 6):
        loader.generator.manual_seed(seed)
        seen.append(torch.cat([b.tiles for b in loader]))
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


def test_every_tile_of_a_part_once(made_set: Made) -> None:
    sets = [made_set("binary", 40), made_set("regression", 32)]
    tasks = torch.cat([b.tasks for b in part_loader(sets, "tuning", batch=7)])
    assert [int((tasks == t).sum()) for t in range(2)] == [10, 8]
