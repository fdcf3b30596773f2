"""Which patches train, tune and test: stated parts hold, groups are never shared, order does not matter."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.data.patch_source import Label, Place
from histopress.data.patch_task import PatchTask

BINS = 4
"""Groups with numbers as labels are stratified by so many quantiles of their means."""


def make_parts(places: Sequence[Place], task: PatchTask) -> NDArray[np.str_]:
    """(n,) train, tuning or test for every place.

    Where the source states no parts, `task.split.test` of the groups test; where nothing tunes,
    `task.split.tuning` of the training groups do. Both are drawn within strata of the groups' labels, at
    least one group and never all of a stratum, by a digest of seed and name: the order of places changes
    nothing.

    Raises:
        PatchError: some places have a part and others none, parts share groups, or nothing trains.
    """
    stated = {place.part for place in places}
    if "" in stated and len(stated) > 1:
        missing = next(place for place in places if not place.part)
        raise PatchError(
            f"task {task.name!r}: {missing.name} has no part though others have, expected all or none; "
            "complete them"
        )
    _check_groups(places, task)
    part = {place.group: place.part or "train" for place in places}
    strata = _strata(places, task)
    if stated == {""}:
        _move(part, strata, task.split.test, task.split.seed, "test")
    if "tuning" not in stated:
        _move(part, strata, task.split.tuning, task.split.seed, "tuning")
    if "train" not in part.values():
        raise PatchError(
            f"task {task.name!r}: of {len(places)} patches none trains, expected some; mend `source.parts` "
            "or `split`"
        )
    return np.array([part[place.group] for place in places], np.str_)


def _check_groups(places: Sequence[Place], task: PatchTask) -> None:
    parts = defaultdict(set)
    for place in places:
        parts[place.group].add(place.part)
    shared = sorted(group for group, found in parts.items() if len(found) > 1)
    if shared:
        shown = ", ".join(f"{g!r} in {' and '.join(sorted(parts[g]))}" for g in shared[:10])
        more = f" and {len(shared) - 10} more" if len(shared) > 10 else ""
        raise PatchError(
            f"task {task.name!r}: {len(shared)} of {len(parts)} groups ({task.groups}) are in several parts: "
            f"{shown}{more}; expected each in one: leave the parts out so that they are drawn by group, or "
            "name finer groups if these are not what must stay together"
        )


def _move(part: dict[str, str], strata: Mapping[str, int], share: float, seed: int, to: str) -> None:
    """Move a share of the training groups of each stratum to another part."""
    members = defaultdict(list)
    for group in sorted((g for g, p in part.items() if p == "train"), key=lambda g: _rank(seed, to, g)):
        members[strata[group]].append(group)
    for groups in members.values():
        count = min(max(1, round(share * len(groups))), len(groups) - 1) if share > 0 else 0
        for group in groups[:count]:
            part[group] = to


def _rank(seed: int, to: str, group: str) -> bytes:
    return hashlib.sha256(f"{seed}/{to}/{group}".encode()).digest()


def _strata(places: Sequence[Place], task: PatchTask) -> dict[str, int]:
    """A number for every group: alike where their labels are alike."""
    labels: dict[str, list[Label]] = defaultdict(list)
    for place in places:
        labels[place.group].append(place.label)
    if task.kind == "multilabel":
        return _rarest(labels, len(task.classes))
    if task.kind == "regression":
        return _quantiles({group: _mean(own) for group, own in labels.items()})
    return {group: _majority(own) for group, own in labels.items()}


def _majority(labels: Iterable[Label]) -> int:
    """The most frequent class, of equals the lowest; -1 where none is known."""
    counts = Counter(int(label) for label in labels if not isinstance(label, tuple) and not math.isnan(label))
    return min(counts, key=lambda label: (-counts[label], label), default=-1)


def _mean(labels: Iterable[Label]) -> float:
    known = [label for label in labels if not isinstance(label, tuple) and not math.isnan(label)]
    return math.fsum(known) / len(known) if known else math.nan


def _quantiles(means: Mapping[str, float]) -> dict[str, int]:
    known = sorted((mean, group) for group, mean in means.items() if not math.isnan(mean))
    bins = {group: index * BINS // len(known) for index, (_, group) in enumerate(known)}
    return {group: bins.get(group, -1) for group in means}


def _rarest(labels: Mapping[str, Sequence[Label]], classes: int) -> dict[str, int]:
    """The class that fewest groups have, of those that a group has; -1 where it has none."""
    has = {
        group: {c for label in own if isinstance(label, tuple) for c in range(classes) if label[c] == 1}
        for group, own in labels.items()
    }
    counts = Counter(c for found in has.values() for c in found)
    return {group: min(found, key=lambda c: (counts[c], c), default=-1) for group, found in has.items()}
