"""Who trains, tunes and tests: groups are never shared, and order does not matter."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from histopress.core.errors import PatchError
from histopress.data.patch_parts import make_parts
from histopress.data.patch_source import Label, Place
from histopress.data.patch_task import Kind, PatchTask, SplitRule

CLASSES = {"binary": 2, "multiclass": 3, "ordinal": 3, "multilabel": 3, "regression": 0}


def task(kind: Kind = "multiclass", **split: float) -> PatchTask:
    classes = tuple("abc"[: CLASSES[kind]])
    return PatchTask("t", kind, "table", classes, split=replace(SplitRule(), **split))  # type: ignore[arg-type]


def places(labels: list[Label], size: int = 3, part: str = "") -> list[Place]:
    """One group a label, each of some places."""
    return [
        Place(f"{group}/{index}", "", label, f"g{group}", part)
        for group, label in enumerate(labels)
        for index in range(size)
    ]


def by_group(given: list[Place], of: PatchTask) -> dict[str, set[str]]:
    parts: dict[str, set[str]] = {}
    for place, part in zip(given, make_parts(given, of), strict=True):
        parts.setdefault(place.group, set()).add(str(part))
    return parts


@pytest.mark.parametrize("kind", ["binary", "multiclass", "ordinal", "multilabel", "regression"])
def test_order_does_not_matter_and_groups_stay_whole(kind: Kind) -> None:
    rng = np.random.default_rng(3)
    drawn = rng.integers(0, max(CLASSES[kind], 1), 60)
    labels: dict[str, list[Label]] = {
        "multilabel": [tuple(map(float, rng.integers(0, 2, 3))) for _ in drawn],
        "regression": [float(number) for number in rng.normal(size=60)],
    }
    given = places(labels.get(kind, [float(number) for number in drawn]))
    first = by_group(given, task(kind))
    assert all(len(parts) == 1 for parts in first.values())
    assert Counter(next(iter(parts)) for parts in first.values()).keys() == {"train", "tuning", "test"}
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(given))
        assert by_group([given[index] for index in order], task(kind)) == first
    assert by_group(given, task(kind, seed=1)) != first


def test_shares_hold_in_every_class() -> None:
    given = places([0.0] * 40 + [1.0] * 20 + [2.0] * 4)
    parts = make_parts(given, task(test=0.25, tuning=0.2))
    for label, counts in {0.0: (24, 6, 10), 1.0: (12, 3, 5), 2.0: (2, 1, 1)}.items():
        own = parts[[place.label == label for place in given]]
        assert [int((own == part).sum()) // 3 for part in ("train", "tuning", "test")] == list(counts)


def test_stated_parts_hold_and_only_what_is_missing_is_drawn() -> None:
    train, test = places([0.0, 1.0] * 10, part="train"), places([0.0, 1.0] * 30, part="test")[60:]
    parts = make_parts(train + test, task("binary"))
    assert (parts[len(train) :] == "test").all()
    assert Counter(parts[: len(train)].tolist()) == {"train": 48, "tuning": 12}
    tuning = [replace(place, group=f"u{place.group}", part="tuning") for place in test]
    stated = train + tuning
    assert make_parts(stated, task("binary")).tolist() == [place.part for place in stated]


def test_without_a_share_nothing_is_drawn() -> None:
    assert set(make_parts(places([0.0, 1.0] * 5), task("binary", tuning=0, test=0))) == {"train"}


def test_a_class_of_one_group_trains() -> None:
    given = places([0.0] * 5 + [1.0])
    parts = by_group(given, task("binary"))
    assert parts["g5"] == {"train"}


def test_a_group_counts_as_its_most_frequent_class_and_unknown_ones_apart() -> None:
    mixed = [Place(f"{g}{i}", "", 1.0 if i < 2 else 0.0, f"g{g}") for g in range(4) for i in range(3)]
    unknown = [Place(f"u{g}", "", math.nan, f"u{g}") for g in range(4)]
    parts = by_group(mixed + unknown, task("binary", test=0.5, tuning=0))
    assert Counter(next(iter(parts[f"g{g}"])) for g in range(4)) == {"train": 2, "test": 2}
    assert Counter(next(iter(parts[f"u{g}"])) for g in range(4)) == {"train": 2, "test": 2}


def test_shared_groups_are_named() -> None:
    shared = [*places([0.0, 1.0], part="train"), *places([0.0], part="test")]
    with pytest.raises(PatchError, match=r"1 of 2 groups \(picture\).*'g0' in test and train"):
        make_parts(shared, task("binary"))


def test_half_stated_parts_are_an_error() -> None:
    with pytest.raises(PatchError, match="2/0 has no part though others have"):
        make_parts([*places([0.0, 1.0], part="train"), Place("2/0", "", 0.0, "g2")], task("binary"))


def test_something_must_train() -> None:
    with pytest.raises(PatchError, match="none trains"):
        make_parts(places([0.0, 1.0], part="test"), task("binary"))
