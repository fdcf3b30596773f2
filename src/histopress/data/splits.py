"""Which patients train, tune and test: splits without leaks, the same whatever the order of the table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import CohortError

MOST_TUNING = 0.25
"""Largest share of the patients outside of the test part that tune; more are better spent on training."""

MOST_BINS = 10
"""Numbers are stratified by at most this many quantile bins."""

WHERE = "split of patients"


@dataclass(frozen=True)
class Fold:
    """Three parts without a patient in common; ids are sorted.

    Attributes:
        index: 0, 1, ...
        train: patients that weights are fitted to.
        tuning: patients that decide when to stop and what to choose.
        test: patients that are looked at once, at the end.
    """

    index: int
    train: tuple[str, ...]
    tuning: tuple[str, ...]
    test: tuple[str, ...]


def cross_validation(labels: pd.Series[Any], folds: int, seed: int, *, merge: bool = False) -> list[Fold]:
    """Stratified folds; every patient is in the test part of exactly one of them.

    The sizes of the test parts differ by at most one, and so do their numbers of patients of any class. Of
    the patients outside of the test part, one in `folds`, but at most a quarter, tunes: small cohorts keep
    enough to train on, and every class is still seen in every part.

    Args:
        labels: one label a patient, indexed by patient. Text, booleans and whole numbers are classes; floats
            are stratified by quantile bins.
        folds: at least 2.
        seed: the same seed and labels give the same folds, whatever the order of the labels.
        merge: classes too small for every fold are put together instead of being an error: for strata that
            only serve to deal patients evenly, such as bins of survival times.

    Raises:
        CohortError: fewer than 2 folds, missing labels, repeated patients, or too few patients of a class.
    """
    labels = _checked(labels)
    if folds < 2:
        raise CohortError(WHERE, [f"{folds} folds, expected at least 2; name another number of folds"])
    strata = _merged(_strata(labels, folds), folds) if merge else _strata(labels, folds)
    _check_sizes(strata, labels, folds)
    rng = np.random.default_rng(seed)
    return _folds(labels, _deal(strata, folds, rng), folds, rng)


def _folds(
    labels: pd.Series[Any], turn: NDArray[np.int64], folds: int, rng: np.random.Generator
) -> list[Fold]:
    """Folds from the one that tests each patient; tuning patients are drawn from the others."""
    strata = _strata(labels, folds)
    share = min(1 / folds, MOST_TUNING)
    result = []
    for index in range(folds):
        rest, own = turn != index, labels.index
        tunes = _draw(strata[rest], share, rng)
        result.append(Fold(index, _ids(own[rest][~tunes]), _ids(own[rest][tunes]), _ids(own[~rest])))
    return result


def site_validation(labels: pd.Series[Any], sites: pd.Series[Any], folds: int, seed: int) -> list[Fold]:
    """Folds that test on sites from which nobody trains or tunes.

    Where there are no more sites than folds, each site is tested by a fold of its own; else sites are dealt
    to folds, the largest first, each to the fold that has the fewest patients. Tuning patients are drawn from
    the sites that train, as in `cross_validation`.

    Args:
        labels: see `cross_validation`.
        sites: one a patient, indexed by patient; "" is a site of its own.
        folds: at least 2.
        seed: of the draw of tuning patients.

    Raises:
        CohortError: fewer than 2 folds or sites, missing labels, or repeated patients.
    """
    labels = _checked(labels)
    own = sites.set_axis(sites.index.astype(str)).reindex(labels.index).fillna("").astype(str)
    sizes = own.value_counts()
    if folds < 2 or len(sizes) < 2:
        raise CohortError(
            WHERE,
            [f"{folds} folds over {len(sizes)} sites, expected at least 2 of each; split by patient instead"],
        )
    loads = np.zeros(min(folds, len(sizes)), np.int64)
    turn = np.empty(len(own), np.int64)
    for site in sorted(sizes.index, key=lambda s: (-sizes[s], s)):
        fold = int(loads.argmin())
        turn[(own == site).to_numpy()] = fold
        loads[fold] += sizes[site]
    return _folds(labels, turn, len(loads), np.random.default_rng(seed))


def fixed_split(parts: pd.Series[Any], labels: pd.Series[Any] | None = None, seed: int = 0) -> list[Fold]:
    """The one fold that a `split` column describes.

    Args:
        parts: train, tuning or test for every patient, indexed by patient. The test part may be empty.
        labels: where no patient tunes, a fifth of the train part is drawn for it, stratified by these.
        seed: of that draw.

    Raises:
        CohortError: an unknown part, nobody to train on, or nobody to tune on and no labels to draw by.
    """
    parts = _checked(parts)
    unknown = sorted(set(parts) - {"train", "tuning", "test"})
    if unknown:
        raise CohortError(WHERE, [f"split {name!r}, expected train, tuning or test" for name in unknown])
    train, tuning, test = (parts.index[parts == part] for part in ("train", "tuning", "test"))
    if not len(train):
        raise CohortError(WHERE, [f"no patient of {len(parts)} has split train, expected some; mark them"])
    if len(tuning):
        return [Fold(0, _ids(train), _ids(tuning), _ids(test))]
    if labels is None:
        raise CohortError(WHERE, ["no patient has split tuning, expected some; mark about a fifth of train"])
    own = _checked(labels.reindex(train))
    strata = _strata(own, folds=2)
    chosen = _draw(strata, 0.2, np.random.default_rng(seed))
    if not chosen.any():
        raise CohortError(
            WHERE, [f"{len(train)} patients train, too few to tune with one; mark some as tuning"]
        )
    return [Fold(0, _ids(own.index[~chosen]), _ids(own.index[chosen]), _ids(test))]


def _checked(labels: pd.Series[Any]) -> pd.Series[Any]:
    """Sorted by patient; every patient once, every label there."""
    labels = labels.set_axis(labels.index.astype(str)).sort_index()
    twice = labels.index[labels.index.duplicated()].unique()
    problems = [f"patient {p!r} has several labels, expected one a patient" for p in twice]
    problems += [
        f"patient {p!r} has no label, expected one; leave it out" for p in labels.index[labels.isna()]
    ]
    if problems:
        raise CohortError(WHERE, problems)
    return labels


def _strata(labels: pd.Series[Any], folds: int) -> NDArray[np.int64]:
    """(patients,) number of the class or of the quantile bin of every patient."""
    if pd.api.types.is_float_dtype(labels.dtype):
        ranks = labels.rank(method="first").to_numpy(np.int64) - 1
        bins = int(np.clip(len(labels) // _needed(folds), 1, MOST_BINS))
        return np.asarray(ranks * bins // max(len(labels), 1), np.int64)
    return np.unique(labels.astype(str), return_inverse=True)[1].astype(np.int64)


def _merged(strata: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """The strata with those too small for so many folds as one, and with the next smallest if need be."""
    names, counts = np.unique(strata, return_counts=True)
    by_size = np.argsort(counts, kind="stable")
    small = int((counts < _needed(folds)).sum())
    if small and counts[by_size[:small]].sum() < _needed(folds):
        small += 1
    return np.where(np.isin(strata, names[by_size[:small]]), -1, strata) if small else strata


def _needed(folds: int) -> int:
    """Patients of a class that put one in every part of every fold."""
    return max(folds, 4) if folds == 2 else folds


def _check_sizes(strata: NDArray[np.int64], labels: pd.Series[Any], folds: int) -> None:
    needed = _needed(folds)
    problems = []
    for stratum, count in zip(*np.unique(strata, return_counts=True), strict=True):
        if count < needed:
            name = repr(str(labels.iloc[int(np.argmax(strata == stratum))]))
            numbers = pd.api.types.is_float_dtype(labels.dtype)
            who = "the cohort has" if numbers else f"class {name} has"
            remedy = f"ask for {count} folds" if count >= 3 else "merge it with another class or leave it out"
            problems.append(f"{who} {count} patients, expected at least {needed} for {folds} folds; {remedy}")
    if len(labels) == 0:
        problems.append(f"no patients, expected at least {needed}")
    if problems:
        raise CohortError(WHERE, problems)


def _deal(strata: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(patients,) the fold that tests each patient: every class shuffled, then all dealt like cards."""
    order = np.concatenate([rng.permutation(np.flatnonzero(strata == s)) for s in np.unique(strata)])
    turn = np.empty(len(strata), np.int64)
    turn[order] = np.arange(len(strata)) % folds
    return turn


def _draw(strata: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(patients,) True for about `share` of every class: at least one, but never all."""
    chosen = np.zeros(len(strata), np.bool_)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        count = min(max(1, round(share * len(members))), len(members) - 1)
        chosen[rng.permutation(members)[:count]] = True
    return chosen


def _ids(patients: Iterable[Any]) -> tuple[str, ...]:
    return tuple(sorted(map(str, patients)))
