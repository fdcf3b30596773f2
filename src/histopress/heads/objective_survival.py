"""Time until an event, of which for some patients is only known that it had not come by then."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from histopress.core.errors import HeadError
from histopress.data.predictions_survival import survival_text, survival_times
from histopress.heads.objective import Objective
from histopress.heads.objective_labels import column, events, numbers, refuse, texts

LEAST = 10
"""Patients in a stratum, if there are as many: so many folds can each have one."""

MOST_BINS = 4
"""Times are stratified by at most so many quantile bins."""


@dataclass(frozen=True)
class Survival(Objective):
    """Time to an event, right-censored; targets are the time and 1 for an event, 0 for none.

    Attributes:
        time: column of times, in any unit; without `event`, as R's Surv prints them: 34.2, 34.2+ if censored.
        event: column that says whether there was an event at that time.
        censored: whether `event` says the opposite, that the time is censored.
        at: times at which the probability to be event-free is told, in order; same unit.
        least: what a time of 0 is taken as: what happened on the first day happened after it had begun.
    """

    kind: ClassVar[str] = "survival"
    time: str = ""
    event: str = ""
    censored: bool = False
    at: tuple[float, ...] = ()
    least: float = 0.0

    @property
    def width(self) -> int:
        """See `Objective.width`: time and event."""
        return 2

    @property
    def sources(self) -> tuple[str, ...]:
        """See `Objective.sources`."""
        return (self.time or self.target, *filter(None, [self.event]))

    @property
    def values(self) -> tuple[str, ...]:
        """See `Objective.values`: the risk, and the probability to be event-free at some times."""
        return ("score", *(f"s:{time:g}" for time in self.at))

    def followed(self, labels: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(patients,) times above 0 and (patients,) 1 for an event, 0 for none; both NaN without a label.

        Raises:
            HeadError: times that are no times, or words that do not say whether there was an event.
        """
        times = column(labels, self.sources[0])
        if self.event:
            found = numbers(times, self.target, "survival")
            happened = events(column(labels, self.event), self.target, censored=self.censored)
        else:
            found, happened = _written(times, self.target)
        refuse(times, found < 0, self.target, "to be survival", "times of 0 or later")
        missing = np.isnan(found) | np.isnan(happened)
        lifted = np.where(found == 0, self.least, found)
        return np.where(missing, np.nan, lifted), np.where(missing, np.nan, happened)

    def targets(self, labels: pd.DataFrame) -> Tensor:
        """See `Objective.targets`."""
        return torch.from_numpy(np.stack(self.followed(labels), axis=1)).float()

    def learned(self, labels: pd.DataFrame) -> Self:
        """See `Objective.learned`."""
        times, happened = self.followed(labels)
        known = ~np.isnan(times)
        if not (happened[known] == 1).any():
            raise HeadError(
                f"none of {known.sum()} patients to train on has an event of {self.target}, expected some; "
                "check which column tells the event, or add patients"
            )
        return self._learned(times[known], happened[known] == 1)

    @abstractmethod
    def _learned(self, times: NDArray[np.float64], happened: NDArray[np.bool_]) -> Self:
        """`learned` from times and whether there was an event."""

    def rare(self, targets: Tensor) -> Tensor | None:
        """See `Objective.rare`: the events."""
        return targets[:, 1] == 1

    def single(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Objective.single`: the risk."""
        return values[:, 0]

    def truth(self, labels: pd.DataFrame) -> list[str]:
        """See `Objective.truth`: as R's Surv prints it."""
        rows = zip(*self.followed(labels), strict=True)
        return ["" if np.isnan(time) else survival_text(time, bool(event)) for time, event in rows]

    def strata(self, labels: pd.DataFrame) -> pd.Series[Any]:
        """See `Objective.strata`: events and censored times, each in quantile bins."""
        times, happened = self.followed(labels)
        names = np.full(len(times), "", dtype=object)
        for name, own in (("event", happened == 1), ("censored", happened == 0)):
            bins = _bins(times[own])
            names[own] = [f"{name} {number}" for number in bins]
        return pd.Series(names, index=labels.index, dtype=str)


def _written(cells: pd.Series[Any], target: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    written = texts(cells)
    times, happened = survival_times(written)
    unreadable = np.isnan(times) & np.array([text != "" for text in written], np.bool_)
    expected = (
        "times as 34.2, or 34.2+ where no event was seen; or name two columns, as in "
        f"{target}:survival(time=MONTHS,event=DEAD)"
    )
    refuse(cells, unreadable, target, "to be survival", expected)
    return times, np.where(np.isnan(times), np.nan, happened.astype(np.float64))


def _bins(times: NDArray[np.float64]) -> NDArray[np.int64]:
    """(cases,) number of the quantile bin, from 1."""
    count = max(1, min(MOST_BINS, len(times) // LEAST))
    ranks = pd.Series(times).rank(method="first").to_numpy()
    return np.ceil(ranks * count / max(1, len(times))).astype(np.int64)
