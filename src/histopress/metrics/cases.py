"""Cases: what one table answers for every patient of one target, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.data.predictions import ENSEMBLE, class_columns, to_patients
from histopress.data.predictions_checks import CLASS_PREFIX
from histopress.metrics.scores import THRESHOLD

Kind = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class Cases:
    """One answer a patient.

    Attributes:
        kind: of the target.
        classes: in the order of the table; the last of two is the positive one; empty for regression.
        patients: (patients,) ids, sorted.
        truth: (patients,) number of the class, or the label itself for regression.
        probabilities: (patients, classes), or (patients, 0) for regression.
        score: (patients,) probability of the positive class, or the answer on the label's scale; NaN for
            more than two classes.
        fold: (patients,) run that answered.
    """

    kind: Kind
    classes: tuple[str, ...]
    patients: NDArray[np.str_]
    truth: NDArray[np.int64] | NDArray[np.float64]
    probabilities: NDArray[np.float64]
    score: NDArray[np.float64]
    fold: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.patients)

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
        """(patients,) 1 - probability of the true class, or the distance to the label."""
        if self.kind == "regression":
            return np.abs(self.score - self.truth)
        return np.asarray(1 - self.probabilities[np.arange(len(self)), self.truth.astype(np.int64)])

    @property
    def counts(self) -> dict[str, int]:
        """Patients of every class; empty for regression."""
        return {name: int((self.truth == i).sum()) for i, name in enumerate(self.classes)}

    @property
    def smallest(self) -> int:
        """Patients of the rarest class that occurs, or all patients for regression."""
        return min((n for n in self.counts.values() if n), default=len(self))


@dataclass(frozen=True)
class Answers:
    """What a predictions table answers about one target.

    Attributes:
        pooled: every patient once: the ensemble's answer where there is one, or else the mean over the runs
            that answered; in cross-validation that is the one fold that tested the patient.
        by_run: the same patients run by run, ensembles aside.
        slides: how many slides were answered; None where the table tells only of patients.
        parts: which of "test" and "new" the answers come from.
        averaged: whether any pooled answer is the mean of several models.
    """

    pooled: Cases
    by_run: dict[str, Cases]
    slides: int | None
    parts: tuple[str, ...]
    averaged: bool

    @property
    def run_word(self) -> str:
        """What a run is called: a fold of cross-validation, or else a run."""
        return "fold" if "test" in self.parts and all(run.isdigit() for run in self.by_run) else "run"


def usable(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that may be evaluated: never those trained or tuned on, and only those with a truth."""
    return table[table["part"].isin(["test", "new"]) & (table["truth"] != "")]


def answers(table: pd.DataFrame, target: str) -> Answers:
    """Patients of one target, from the usable rows of a validated predictions table.

    Patients without a row of level "patient" in a run get the mean of their slides.
    """
    rows = usable(table)
    rows = rows[rows["target"] == target]
    columns = class_columns(rows, target)
    slides, patients = rows[rows["level"] == "slide"], rows[rows["level"] == "patient"]
    if len(slides):
        pooled = to_patients(slides.drop(columns=[c for c in rows if _foreign(str(c), columns)]))
        own = pd.MultiIndex.from_frame(patients[["patient", "run"]])
        patients = pd.concat(
            [patients, pooled[~pd.MultiIndex.from_frame(pooled[["patient", "run"]]).isin(own)]]
        )
    members = patients[patients["run"] != ENSEMBLE]
    whole = patients[patients["run"] == ENSEMBLE]
    rest = members[~members["patient"].isin(whole["patient"])]
    chosen = (
        pd.concat([whole, _mean_over_runs(rest, columns)]) if len(whole) else _mean_over_runs(rest, columns)
    )
    return Answers(
        pooled=_cases(chosen, columns),
        by_run={
            str(run): _cases(part, columns) for run, part in sorted(members.groupby("run"), key=_run_order)
        },
        slides=slides["slide"].nunique() if len(slides) else None,
        parts=tuple(sorted(set(rows["part"]))),
        averaged=bool((chosen["models"] > 1).any()),
    )


def _foreign(name: str, columns: list[str]) -> bool:
    return name.startswith(CLASS_PREFIX) and name not in columns


def _run_order(item: tuple[object, pd.DataFrame]) -> tuple[int, str]:
    name = str(item[0])
    return (int(name) if name.isdigit() else 1 << 30, name)


def _mean_over_runs(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    groups = rows.groupby(["patient", "target", "kind", "truth"], sort=False)
    means = groups[[*columns, "score"]].mean()
    runs = groups["run"].agg(lambda names: names.iloc[0] if len(names) == 1 else ENSEMBLE)
    return means.assign(run=runs, models=groups["models"].sum()).reset_index()


def _cases(rows: pd.DataFrame, columns: list[str]) -> Cases:
    rows = rows.sort_values("patient")
    classes = tuple(c.removeprefix(CLASS_PREFIX) for c in columns)
    numbers = {name: i for i, name in enumerate(classes)}
    kind: Kind = rows["kind"].iloc[0]
    return Cases(
        kind=kind,
        classes=classes,
        patients=rows["patient"].to_numpy(np.str_),
        truth=np.array([numbers[t] for t in rows["truth"]])
        if classes
        else rows["truth"].to_numpy(np.float64),
        probabilities=rows[columns].to_numpy(np.float64),
        score=rows["score"].to_numpy(np.float64),
        fold=rows["run"].to_numpy(np.str_),
    )
