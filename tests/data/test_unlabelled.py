"""Tiles without labels: rows are found in any block, sets are joined as they are, sources are never split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from histopress.core.errors import PatchError
from histopress.data.patch_task import PatchTask
from histopress.data.patches import PatchSet
from histopress.data.unlabelled import UnlabelledTiles, from_patches, hold_out, join


def drawn(rows: int, sources: int, slots: int = 2, seed: int = 0) -> UnlabelledTiles:
    rng = np.random.default_rng(seed)
    return UnlabelledTiles(
        blocks=(rng.integers(0, 256, (rows, slots, 6, 6, 3), np.uint8),),
        sources=np.arange(rows) % sources,
        names=tuple(f"slide-{seed}-{i}" for i in range(sources)),
        spacing=0.5,
        identity=f"drawn-{seed}",
    )


def test_rows_are_found_in_any_block() -> None:
    sets = [drawn(5, 2, seed=1), drawn(1, 1, seed=2), drawn(7, 3, seed=3)]
    joined = join(sets)
    whole = np.concatenate([s.blocks[0] for s in sets])
    rows = np.array([12, 0, 5, 4, 6, 5, 12])
    np.testing.assert_array_equal(joined.take(rows), whole[rows])
    slots = np.array([1, 0, 0, 1, 1, 0, 0])
    np.testing.assert_array_equal(joined.take(rows, slots), whole[rows, slots])
    assert joined.take(rows[:0]).shape == (0, 2, 6, 6, 3)


def test_sources_of_joined_sets_stay_apart() -> None:
    joined = join([drawn(5, 2, seed=1), drawn(4, 3, seed=2)])
    assert joined.sources.tolist() == [0, 1, 0, 1, 0, 2, 3, 4, 2]
    assert joined.names == ("slide-1-0", "slide-1-1", "slide-2-0", "slide-2-1", "slide-2-2")
    assert len(joined) == 9 and (joined.slots, joined.tile) == (2, 6)
    assert joined.identity != join([drawn(4, 3, seed=2), drawn(5, 2, seed=1)]).identity


def test_sets_of_other_kinds_are_not_joined() -> None:
    with pytest.raises(PatchError, match=r"2 kinds.*with neighbours.*expected one"):
        join([drawn(5, 2), replace(drawn(5, 2), spacing=0.25)])
    with pytest.raises(PatchError, match="without neighbours"):
        join([drawn(5, 2), drawn(5, 2, slots=1)])


def test_a_labelled_set_gives_its_rows_in_order_and_its_groups_as_sources() -> None:
    tiles = drawn(4, 1, slots=1).blocks[0][:, 0]
    patches = PatchSet(
        task=PatchTask(name="toy", kind="binary", layout="table", classes=("no", "yes")),
        spacing=0.5,
        tiles=tiles,
        targets=np.zeros(4, np.float32),
        groups=np.array(["b", "a", "b", "c"]),
        parts=np.array(["train", "train", "tuning", "train"]),
        names=np.array(list("wxyz")),
        identity="0123",
    )
    found = from_patches(patches)
    assert np.shares_memory(found.blocks[0], tiles) and found.slots == 1
    assert [found.names[i] for i in found.sources] == ["toy:b", "toy:a", "toy:b", "toy:c"]
    np.testing.assert_array_equal(found.take(patches.rows("train"))[:, 0], tiles[[0, 1, 3]])


@pytest.mark.parametrize("count", [3, 4, 11])
def test_no_source_is_in_both_parts(count: int) -> None:
    sources = np.random.default_rng(0).integers(0, count, 200)
    train, tuning = hold_out(sources, 0.25, seed=5)
    assert sorted([*train, *tuning]) == list(range(200))
    assert not set(sources[train]) & set(sources[tuning])
    assert len(set(sources[tuning])) == max(1, round(0.25 * count))
    again = hold_out(sources, 0.25, seed=5)
    assert all(np.array_equal(a, b) for a, b in zip((train, tuning), again, strict=True))


def test_few_sources_are_dealt_by_rows_so_that_both_train() -> None:
    sources = np.array([0] * 10 + [1] * 10)
    train, tuning = hold_out(sources, 0.2, seed=0)
    assert len(tuning) == 4 and set(sources[train]) == {0, 1}
    assert len(hold_out(sources, 0.0, seed=0)[1]) == 0
