"""Scores of subgroups (site, sex, age band) with intervals, and whether they differ by more than chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from histopress.core.errors import PredictionsError
from histopress.metrics.intervals import Interval, ScoreOfWeights, bootstrap, draw_resamples
from histopress.metrics.permutation import TINY, deal

Array = NDArray[np.float64]
Bands = int | Sequence[float]

SMALL = 10
"""Patients below which a group is flagged, and left out of the test."""

MISSING = "missing"
BANDS = 3
DISTINCT = 6
"""Distinct whole numbers up to which each is a group of its own, such as stages."""


@dataclass(frozen=True)
class Grouping:
    """How a covariate divides the patients.

    Attributes:
        name: of the covariate.
        groups: names of the groups, in order; patients without a value come last.
        group: (patients,) number of each patient's group.
    """

    name: str
    groups: tuple[str, ...]
    group: NDArray[np.intp]


@dataclass(frozen=True)
class GroupScore:
    """The score of one group.

    Attributes:
        group: its name.
        patients: how many.
        events: how many of them are positive, or had the event; None where there is no such thing.
        value: NaN where undefined.
        interval: of it.
        small: whether patients are so few that the value says little.
    """

    group: str
    patients: int
    events: int | None
    value: float
    interval: Interval
    small: bool


@dataclass(frozen=True)
class SubgroupTable:
    """Scores of all groups of one covariate.

    Attributes:
        covariate: its name.
        rows: one a group.
        p: that of no difference between the groups that are compared; NaN for fewer than two.
        compared: names of those groups: all that have a value and are neither small nor `MISSING`.
    """

    covariate: str
    rows: tuple[GroupScore, ...]
    p: float
    compared: tuple[str, ...]


def groupings(
    covariates: pd.DataFrame, patients: ArrayLike, bands: Mapping[str, Bands] | None = None
) -> tuple[Grouping, ...]:
    """Divide patients by each covariate: text by value, numbers in bands, missing as a group of its own.

    Args:
        covariates: one row a patient, its id as index; one column a covariate.
        patients: (patients,) ids, in the order of the scores.
        bands: of a number, either edges (50, 65 makes "< 50", "50 to < 65", ">= 65") or into how many bands
            of equally many patients; three where nothing is said. Few whole numbers are groups of their own.

    Raises:
        PredictionsError: a patient stands twice in the covariates, or a band names no column.
    """
    bands = bands or {}
    if covariates.index.has_duplicates:
        twice = covariates.index[covariates.index.duplicated()][0]
        raise PredictionsError(
            f"covariates hold patient {twice} twice, expected one row a patient; remove the others"
        )
    unknown = sorted(set(bands) - set(map(str, covariates)))
    if unknown:
        raise PredictionsError(
            f"bands for {', '.join(unknown)}, found {', '.join(map(str, covariates))}; correct the name"
        )
    rows = covariates.reindex(pd.Index(np.asarray(patients, np.str_), dtype=object))
    return tuple(grouping(str(name), rows[name], bands.get(str(name))) for name in rows)


def grouping(name: str, values: pd.Series, bands: Bands | None = None) -> Grouping:
    """Divide patients by one covariate.

    Args:
        name: of the covariate.
        values: (patients,) text, numbers or flags; empty where missing.
        bands: see `groupings`.
    """
    known = values.notna() & (values.astype(str).str.strip() != "")
    numbers = pd.to_numeric(values.where(known), errors="coerce").astype(np.float64)
    if pd.api.types.is_bool_dtype(values) or not known.any() or numbers[known].isna().any():
        found, number = np.unique(values[known].astype(str).to_numpy(np.str_), return_inverse=True)
        names = [str(name) for name in found]
    else:
        names, number = _banded(np.asarray(numbers[known], np.float64), bands)
    group = np.full(len(values), len(names))
    group[known.to_numpy()] = number
    return Grouping(name, (*names, *([] if known.all() else [MISSING])), group)


def subgroup_table(
    score: ScoreOfWeights,
    grouping: Grouping,
    classes: ArrayLike | None,
    events: NDArray[np.bool_] | None = None,
    *,
    resamples: int,
    seed: int,
    level: float,
    interval: Callable[[NDArray[np.intp]], Interval] | None = None,
) -> SubgroupTable:
    """Score every group, and test whether the groups differ.

    The test deals the groups anew between patients, within classes, and compares the spread of the scores:
    the variance between groups, weighed by their patients.

    Args:
        score: weights (resamples, patients) -> (resamples,), one row a patient.
        grouping: the groups.
        classes: (patients,) class of each, within which groups are dealt; or none.
        events: (patients,) whether positive, or with the event.
        resamples: of the bootstrap and of the test.
        seed: of both.
        level: confidence.
        interval: patients' numbers -> interval of their score, in place of the bootstrap.
    """
    patients = np.arange(len(grouping.group))
    counts = draw_resamples(patients, grouping.group, resamples, seed)
    rows = []
    for number, name in enumerate(grouping.groups):
        members = grouping.group == number
        within = _within(score, members)
        limits = interval(np.flatnonzero(members)) if interval else bootstrap(within, patients, counts, level)
        rows.append(
            GroupScore(
                group=name,
                patients=int(members.sum()),
                events=None if events is None else int(events[members].sum()),
                value=float(within(np.ones((1, len(members))))[0]),
                interval=limits,
                small=int(members.sum()) < SMALL,
            )
        )
    compared = [
        i for i, row in enumerate(rows) if not row.small and row.group != MISSING and np.isfinite(row.value)
    ]
    strata = _strata(np.isin(grouping.group, compared), classes)
    p = heterogeneity(score, grouping.group, compared, deal(patients, resamples, seed, strata))
    return SubgroupTable(grouping.name, tuple(rows), p, tuple(rows[i].group for i in compared))


def heterogeneity(
    score: ScoreOfWeights, group: NDArray[np.intp], compared: Sequence[int], dealt: NDArray[np.intp]
) -> float:
    """P of no difference between groups, by permutation.

    Args:
        score: weights (resamples, patients) -> (resamples,).
        group: (patients,) number of each patient's group.
        compared: numbers of the groups that are compared.
        dealt: (deals, patients) see `permutation.deal`.
    """
    if len(compared) < 2:
        return float("nan")
    found = _spread(score, group[None], compared)[0]
    by_chance = _spread(score, group[dealt], compared)
    by_chance = by_chance[np.isfinite(by_chance)]
    return float((1 + (by_chance >= found - TINY).sum()) / (1 + len(by_chance)))


def _spread(score: ScoreOfWeights, groups: NDArray[np.intp], compared: Sequence[int]) -> Array:
    """(deals,) variance of the groups' scores, weighed by patients; groups (deals, patients)."""
    values = np.stack([score((groups == number).astype(np.float64)) for number in compared])
    sizes = np.array([(groups[0] == number).sum() for number in compared])
    shares = sizes / sizes.sum()
    return np.asarray(shares @ (values - shares @ values) ** 2)


def _within(score: ScoreOfWeights, members: NDArray[np.bool_]) -> ScoreOfWeights:
    return lambda weights: score(weights * members)


def _strata(group: NDArray[np.intp] | NDArray[np.bool_], classes: ArrayLike | None) -> NDArray[np.intp]:
    """Number of every pair of group and class."""
    if classes is None:
        return group.astype(np.intp)
    names, number = np.unique(np.asarray(classes), return_inverse=True)
    return np.asarray(group * len(names) + number)


def _banded(values: Array, bands: Bands | None) -> tuple[list[str], NDArray[np.intp]]:
    """Names of the bands that hold somebody, and the band of each value."""
    distinct = np.unique(values)
    if bands is None and len(distinct) <= DISTINCT and (distinct == np.round(distinct)).all():
        return [f"{v:g}" for v in distinct], np.searchsorted(distinct, values)
    bands = BANDS if bands is None else bands
    if isinstance(bands, int):
        bands = np.unique(np.quantile(values, np.linspace(0, 1, bands + 1)[1:-1])).tolist()
    edges = np.sort(np.asarray(bands, np.float64))
    names = [
        f"< {edges[0]:g}",
        *(f"{low:g} to < {high:g}" for low, high in pairwise(edges)),
        f">= {edges[-1]:g}",
    ]
    held, number = np.unique(np.searchsorted(edges, values, side="right"), return_inverse=True)
    return [names[i] for i in held], number
