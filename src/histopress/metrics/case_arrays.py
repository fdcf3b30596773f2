"""Cases: one answer a patient, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.data.predictions import ENSEMBLE, answer_columns, class_columns, to_patients
from histopress.data.predictions_checks import CLASS_PREFIX
from histopress.data.predictions_survival import horizon, horizon_columns, survival_times
from histopress.metrics.scores import THRESHOLD

Kind = Literal["binary", "multiclass", "ordinal", "regression", "survival"]
CLASSED = ("binary", "multiclass", "ordinal")
BLOCK = 500
"""Patients that are compared with all others at once: bounds the memory."""

SEED = "#"
"""Parts the number of a fold from that of a seed in the name of a run."""


@dataclass(frozen=True)
class Cases:
    """One answer a patient.

    Attributes:
        kind: of the target.
        classes: in the order of the table; the last of two is the positive one; grades from the lowest up;
            empty for regression and survival.
        patients: (patients,) ids, sorted.
        truth: (patients,) number of the class; the label itself for regression; the time for survival.
        probabilities: (patients, classes), or (patients, 0).
        score: (patients,) probability of the positive class, expected rank, answer on the label's scale, or
            risk; NaN for classes without order.
        fold: (patients,) run that answered, its seed aside.
        event: (patients,) whether the time is that of the event; empty but for survival.
        horizons: times of which survival is said; empty but for survival.
        survival: (patients, horizons) chance to be event-free at each of them.
    """

    kind: Kind
    classes: tuple[str, ...]
    patients: NDArray[np.str_]
    truth: NDArray[np.int64] | NDArray[np.float64]
    probabilities: NDArray[np.float64]
    score: NDArray[np.float64]
    fold: NDArray[np.str_]
    event: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    horizons: tuple[float, ...] = ()
    survival: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def classed(self) -> bool:
        """Whether there are classes."""
        return self.kind in CLASSED

    @property
    def time(self) -> NDArray[np.float64]:
        """(patients,) of the event or of the last contact."""
        return np.asarray(self.truth, np.float64)

    @property
    def positive(self) -> NDArray[np.bool_]:
        """(patients,) whether the patient belongs to the positive class."""
        return np.asarray(self.truth == 1)

    @property
    def answer(self) -> NDArray[np.int64]:
        """(patients,) number of the class that is called: from probability 0.5, or the most probable one."""
        if self.kind == "binary":
            return (self.score >= THRESHOLD).astype(np.int64)
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def error(self) -> NDArray[np.float64]:
        """(patients,) how far off an answer is.

        1 - probability of the true class; distance to the label or grade; for survival the share of the
        patients it can be compared with that it is ordered wrongly against.
        """
        if self.kind == "survival":
            return _disorder(self.time, self.event, self.score)
        if self.kind in ("regression", "ordinal"):
            return np.abs(self.score - self.truth)
        return np.asarray(1 - self.probabilities[np.arange(len(self)), self.truth.astype(np.int64)])

    @property
    def counts(self) -> dict[str, int]:
        """Patients of every class; with and without the event for survival; empty for regression."""
        if self.kind == "survival":
            events = int(self.event.sum())
            return {"with the event": events, "without": len(self) - events}
        return {name: int((self.truth == i).sum()) for i, name in enumerate(self.classes)}

    @property
    def counted(self) -> str:
        """Patients of every class, in words."""
        return ", ".join(
            f"{n} labelled {name}" if name.replace(".", "").isdigit() else f"{n} {name}"
            for name, n in self.counts.items()
        )

    @property
    def smallest(self) -> int:
        """Patients of the rarest class that occurs; with the event for survival; all for regression."""
        if self.kind == "survival":
            return int(self.event.sum())
        return min((n for n in self.counts.values() if n), default=len(self))

    @property
    def strata(self) -> NDArray[np.int64] | None:
        """(patients,) what patients have in common by their truth: class, or event; none for regression."""
        if self.kind == "survival":
            return self.event.astype(np.int64)
        return self.truth.astype(np.int64) if self.classed else None

    def at(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Cases:
        """Some of the patients."""
        survival = self.kind == "survival"
        return Cases(
            kind=self.kind,
            classes=self.classes,
            patients=self.patients[rows],
            truth=self.truth[rows],
            probabilities=self.probabilities[rows],
            score=self.score[rows],
            fold=self.fold[rows],
            event=self.event[rows] if survival else self.event,
            horizons=self.horizons,
            survival=self.survival[rows] if survival else self.survival,
        )


def usable(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that may be evaluated: never those trained or tuned on, and only those with a truth."""
    return table[table["part"].isin(["test", "new"]) & (table["truth"] != "")]


def fold_of(run: str) -> str:
    """The fold of a run, its seed aside."""
    return run.partition(SEED)[0]


def seed_of(run: str) -> str:
    """The seed of a run; "" where it names none."""
    return run.partition(SEED)[2]


def patient_rows(rows: pd.DataFrame, target: str) -> pd.DataFrame:
    """Rows of level "patient" of one target; patients without one in a run get the mean of their slides."""
    own = [*class_columns(rows, target), *horizon_columns(rows, target)]
    slides, patients = rows[rows["level"] == "slide"], rows[rows["level"] == "patient"]
    if slides.empty:
        return patients
    foreign = [c for c in answer_columns(rows) if c not in own]
    pooled = to_patients(slides.drop(columns=foreign))
    given = pd.MultiIndex.from_frame(patients[["patient", "run"]])
    return pd.concat([patients, pooled[~pd.MultiIndex.from_frame(pooled[["patient", "run"]]).isin(given)]])


def mean_over_runs(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """One row a patient; its `run` is the fold that answered, or "mean" where several did."""
    groups = rows.assign(run=rows["run"].map(fold_of)).groupby(
        ["patient", "target", "kind", "truth"], sort=False
    )
    means = groups[[*columns, "score"]].mean()
    runs = groups["run"].agg(lambda names: names.iloc[0] if names.nunique() == 1 else ENSEMBLE)
    return means.assign(run=runs, models=groups["models"].sum()).reset_index()


def cases_of(rows: pd.DataFrame, columns: Sequence[str], horizons: Sequence[str]) -> Cases:
    """Rows of level "patient", one a patient, as arrays.

    Args:
        rows: of one target, all with a truth.
        columns: its `p:` columns.
        horizons: its `s:` columns.
    """
    rows = rows.sort_values("patient")
    classes = tuple(c.removeprefix(CLASS_PREFIX) for c in columns)
    kind: Kind = rows["kind"].iloc[0]
    truth, event = _truths(rows["truth"], kind, classes)
    return Cases(
        kind=kind,
        classes=classes,
        patients=rows["patient"].to_numpy(np.str_),
        truth=truth,
        probabilities=rows[list(columns)].to_numpy(np.float64),
        score=rows["score"].to_numpy(np.float64),
        fold=rows["run"].map(fold_of).to_numpy(np.str_),
        event=event,
        horizons=tuple(horizon(c) for c in horizons),
        survival=rows[list(horizons)].to_numpy(np.float64),
    )


def _truths(
    truths: pd.Series[str], kind: Kind, classes: tuple[str, ...]
) -> tuple[NDArray[np.int64] | NDArray[np.float64], NDArray[np.bool_]]:
    if kind == "survival":
        return survival_times(truths)
    none = np.zeros(0, np.bool_)
    if kind == "regression":
        return truths.to_numpy(np.float64), none
    numbers = {name: i for i, name in enumerate(classes)}
    return np.array([numbers[t] for t in truths], np.int64), none


def _disorder(
    time: NDArray[np.float64], event: NDArray[np.bool_], risk: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(patients,) share of comparable pairs of each that its risk puts in the wrong order, ties half."""
    wrong, pairs = np.zeros(len(time)), np.zeros(len(time))
    for start in range(0, len(time), BLOCK):
        own = slice(start, start + BLOCK)
        first = event[own, None] & ((time[own, None] < time) | ((time[own, None] == time) & ~event))
        lost = first * (1 - np.sign(risk[own, None] - risk)) / 2
        wrong += lost.sum(axis=0)
        wrong[own] += lost.sum(axis=1)
        pairs += first.sum(axis=0)
        pairs[own] += first.sum(axis=1)
    return wrong / np.maximum(pairs, 1)
