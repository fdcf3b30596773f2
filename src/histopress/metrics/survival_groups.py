"""Cases grouped by risk, and what was said of groups at a time beside what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.metrics.survival_curves import kaplan_meier

Array = NDArray[np.float64]

NAMES = {2: ("low risk", "high risk"), 3: ("low risk", "middle risk", "high risk")}
MOST_GROUPS = 5
GROUP_CASES = 20
"""Cases a group of the calibration should hold at least."""


@dataclass(frozen=True)
class RiskGroups:
    """Which group of risk every case belongs to.

    Attributes:
        names: of the groups, lowest risk first.
        member: (cases,) number of the group.
        cuts: groups - 1 risks; a case above a cut belongs to a higher group. Several where folds have their
            own, by fold.
        rule: how the cuts were found, in words.
    """

    names: tuple[str, ...]
    member: NDArray[np.int64]
    cuts: Mapping[str, tuple[float, ...]]
    rule: str

    @property
    def counts(self) -> dict[str, int]:
        """Cases of every group; 0 for groups that equal risks leave empty."""
        return {name: int((self.member == i).sum()) for i, name in enumerate(self.names)}


@dataclass(frozen=True)
class SurvivalCalibration:
    """Survival at a time in groups of about equally many cases: as it was said, and as it came.

    Attributes:
        horizon: the time.
        said: (groups,) mean probability to be event-free, rising.
        came: (groups,) Kaplan-Meier estimate; NaN for groups that are not followed up so far.
        low: (groups,) lower limit of it.
        high: (groups,) upper limit.
        cases: (groups,) how many.
    """

    horizon: float
    said: Array
    came: Array
    low: Array
    high: Array
    cases: NDArray[np.int64]


def quantile_cuts(risk: ArrayLike, groups: int = 2) -> tuple[float, ...]:
    """Risks that part cases into equal groups: the median for two, the thirds for three.

    Args:
        risk: (cases,) of these cases, or of those of a tuning part.
        groups: 2 or more.
    """
    values = np.asarray(risk, np.float64)
    return tuple(np.quantile(values, np.arange(1, groups) / groups).tolist()) if len(values) else ()


def risk_groups(
    risk: ArrayLike,
    groups: int = 2,
    *,
    cuts: Mapping[str, Sequence[float]] | None = None,
    fold: ArrayLike | None = None,
) -> RiskGroups:
    """Part cases by their risk.

    Args:
        risk: (cases,) higher for an earlier event.
        groups: how many.
        cuts: learned elsewhere, such as on tuning parts: `quantile_cuts` by fold, under "" where there are no
            folds. Without, they are the quantiles of these cases.
        fold: (cases,) models that answered, whose risks need not share a scale: each has its own cuts.
    """
    values = np.asarray(risk, np.float64)
    folds = np.full(len(values), "") if fold is None else np.asarray(fold, np.str_)
    own = {
        str(f): tuple(cuts[str(f)]) if cuts is not None else quantile_cuts(values[folds == f], groups)
        for f in np.unique(folds)
    }
    member = np.zeros(len(values), np.int64)
    for name, limits in own.items():
        member[folds == name] = np.searchsorted(limits, values[folds == name], side="left")
    share = {2: "the median", 3: "the thirds"}.get(groups, f"{groups} equal shares")
    source = "of these cases' risk" if cuts is None else "of the risk in the tuning part"
    apart = "" if fold is None else ", within each fold"
    names = NAMES.get(groups, tuple(f"risk group {i + 1} of {groups}" for i in range(groups)))
    return RiskGroups(names, member, own, f"cut at {share} {source}{apart}")


def survival_calibration(
    time: ArrayLike, event: ArrayLike, survival: ArrayLike, horizon: float, level: float = 0.95
) -> SurvivalCalibration:
    """Compare what was said of survival up to a time with Kaplan-Meier estimates, group by group.

    Args:
        time: (cases,) of the event or of the last contact.
        event: (cases,) whether it was the event.
        survival: (cases,) said probability to be event-free at the horizon.
        horizon: a time.
        level: of the limits.
    """
    time, event = np.asarray(time, np.float64), np.asarray(event, np.bool_)
    said = np.asarray(survival, np.float64)
    groups = int(np.clip(len(said) // GROUP_CASES, 1, MOST_GROUPS))
    place = np.searchsorted(np.unique(quantile_cuts(said, groups)), said, side="left")
    members = [place == g for g in np.unique(place)]
    came = np.array([kaplan_meier(time[m], event[m], level).at(horizon) for m in members]).reshape(-1, 3)
    return SurvivalCalibration(
        horizon=float(horizon),
        said=np.array([said[m].mean() for m in members]),
        came=came[:, 0],
        low=came[:, 1],
        high=came[:, 2],
        cases=np.array([m.sum() for m in members], np.int64),
    )
