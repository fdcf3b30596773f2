"""Labels of patients as groups or as numbers, so that it can be asked what tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.data.predictions_survival import is_survival, survival_times

Array = NDArray[np.float64]
Groups = NDArray[np.int64]

BINS = 4
"""Quantile bins that numbers are put into where groups are needed."""

MOST_CLASSES = 10
"""Whole numbers with at most so many values are classes."""


@dataclass(frozen=True)
class Label:
    """One target of all patients.

    Attributes:
        name: of the target.
        patients: (labelled,) those who have it.
        groups: (labelled,) number of the class; of the quantile bin for numbers.
        numbers: (labelled,) numbers; of survival, how many more events came than were to be expected in the
            time of follow-up (martingale residuals); None for classes.
    """

    name: str
    patients: NDArray[np.str_]
    groups: Groups
    numbers: Array | None


def label_of(name: str, kind: str, truths: Sequence[str], patients: Sequence[str]) -> Label:
    """A target from its truths, as a table of predictions writes them; "" where there is none.

    Args:
        name: of the target.
        kind: as a table of predictions calls it: survival and regression are numbers, all others classes.
        truths: one a patient.
        patients: ids.
    """
    has = np.array([truth != "" for truth in truths], np.bool_)
    texts = np.array([truth for truth in truths if truth != ""], np.str_)
    own = np.asarray(patients, np.str_)[has]
    if kind not in ("survival", "regression"):
        return Label(name, own, np.unique(texts, return_inverse=True)[1].astype(np.int64), None)
    numbers = _martingale(*survival_times(texts.tolist())) if kind == "survival" else texts.astype(np.float64)
    return Label(name, own, _bins(numbers), numbers)


def labels_of(table: pd.DataFrame | pd.Series[Any]) -> list[Label]:
    """A target a column; the kinds are told by the values.

    Fractions and many different whole numbers are numbers; texts that are times, some of them with a plus,
    are survival; the rest are classes.

    Args:
        table: indexed by patient.
    """
    frame = table.to_frame() if isinstance(table, pd.Series) else table
    patients = [str(p) for p in frame.index]
    labels = []
    for name in frame:
        values = frame[name]
        truths = ["" if pd.isna(v) else str(v).strip() for v in values]
        labels.append(label_of(str(name), _kind(values, truths), truths, patients))
    return labels


def _kind(values: pd.Series[Any], truths: Sequence[str]) -> str:
    given = [t for t in truths if t]
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.dropna()
        whole = bool((numbers == numbers.round()).all())
        return "multiclass" if whole and numbers.nunique() <= MOST_CLASSES else "regression"
    if any(t.endswith("+") for t in given) and all(map(is_survival, given)):
        return "survival"
    return "multiclass"


def _martingale(times: Array, events: NDArray[np.bool_]) -> Array:
    """(patients,) 1 for an event, minus the cumulative hazard (Nelson-Aalen) up to the last contact."""
    order = np.argsort(times, kind="stable")
    distinct, starts, place = np.unique(times[order], return_index=True, return_inverse=True)
    if not len(distinct):
        return np.empty(0)
    at_risk = len(times) - starts
    hazard = np.cumsum(np.bincount(place, events[order], len(distinct)) / at_risk)
    residuals = np.empty(len(times))
    residuals[order] = events[order] - hazard[place]
    return residuals


def _bins(numbers: Array) -> Groups:
    if not len(numbers):
        return np.empty(0, np.int64)
    edges = np.unique(np.quantile(numbers, np.arange(1, BINS) / BINS))
    return np.unique(np.searchsorted(edges, numbers, side="left"), return_inverse=True)[1].astype(np.int64)
