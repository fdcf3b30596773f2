"""Answers: what a table says of one target, patient by patient: pooled, by fold, by seed, and when tuning."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from histopress.data.predictions import ENSEMBLE, class_columns
from histopress.data.predictions_survival import horizon_columns
from histopress.metrics.case_arrays import (
    Cases,
    Kind,
    cases_of,
    fold_of,
    mean_over_runs,
    patient_rows,
    seed_of,
    usable,
)

__all__ = ["Answers", "Cases", "Kind", "answers", "usable"]


@dataclass(frozen=True)
class Answers:
    """What a predictions table answers about one target.

    Attributes:
        pooled: every patient once: the ensemble's answer where there is one, or else the mean over the runs
            that answered; in cross-validation that is the one fold that tested the patient.
        by_run: the same patients fold by fold (run by run), ensembles aside, seeds of a fold averaged.
        slides: how many slides were answered; None where the table tells only of patients.
        parts: which of "test" and "new" the answers come from.
        averaged: whether any pooled answer is the mean of several models.
        by_seed: the same patients, each seed pooled over its folds; empty for a single seed.
        tuning: by fold, the patients of its tuning part, seeds averaged.
    """

    pooled: Cases
    by_run: dict[str, Cases]
    slides: int | None
    parts: tuple[str, ...]
    averaged: bool
    by_seed: dict[str, Cases] = field(default_factory=dict)
    tuning: dict[str, Cases] = field(default_factory=dict)

    @property
    def run_word(self) -> str:
        """What a run is called: a fold of cross-validation, or else a run."""
        return "fold" if "test" in self.parts and all(run.isdigit() for run in self.by_run) else "run"


def answers(table: pd.DataFrame, target: str) -> Answers:
    """Patients of one target, from the usable rows of a validated predictions table.

    Patients without a row of level "patient" in a run get the mean of their slides.
    """
    table = table[table["target"] == target]
    columns, horizons = class_columns(table, target), horizon_columns(table, target)
    values = [*columns, *horizons]
    rows = usable(table)
    patients = patient_rows(rows, target)
    members, whole = patients[patients["run"] != ENSEMBLE], patients[patients["run"] == ENSEMBLE]
    rest = mean_over_runs(members[~members["patient"].isin(whole["patient"])], values)
    chosen = pd.concat([whole, rest]) if len(whole) else rest
    tuned = table[(table["part"] == "tuning") & (table["truth"] != "") & (table["run"] != ENSEMBLE)]

    def cut(some: pd.DataFrame) -> Cases:
        return cases_of(mean_over_runs(some, values), columns, horizons)

    return Answers(
        pooled=cases_of(chosen, columns, horizons),
        by_run={run: cut(part) for run, part in _by_fold(members)},
        slides=_slides(rows),
        parts=tuple(sorted(set(rows["part"]))),
        averaged=bool((chosen["models"] > 1).any()),
        by_seed={seed: cut(part) for seed, part in _by_seed(members)},
        tuning={run: cut(part) for run, part in _by_fold(patient_rows(tuned, target))},
    )


def _slides(rows: pd.DataFrame) -> int | None:
    slides = rows[rows["level"] == "slide"]
    return int(slides["slide"].nunique()) if len(slides) else None


def _by_fold(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    groups = [(str(fold), part) for fold, part in rows.groupby(rows["run"].map(fold_of))]
    return sorted(groups, key=lambda item: _order(item[0]))


def _by_seed(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    groups = [(str(seed), part) for seed, part in rows.groupby(rows["run"].map(seed_of))]
    return sorted(groups, key=lambda item: _order(item[0])) if len(groups) > 1 else []


def _order(name: str) -> tuple[int, str]:
    return (int(name) if name.isdigit() else 1 << 30, name)
