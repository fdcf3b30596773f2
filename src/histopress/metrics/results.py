"""Results: the scores of one table and target, with intervals, fold by fold, and what a reader must know."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from histopress.metrics.case_arrays import Cases
from histopress.metrics.cases import Answers
from histopress.metrics.fold_intervals import FoldEstimate, fold_estimates
from histopress.metrics.intervals import draw_resamples
from histopress.metrics.measure import Measure
from histopress.metrics.measures import measures

PILOT = 30
"""Patients of the rarest class below which readers are told that the figures are those of a pilot."""


@dataclass(frozen=True)
class Sureness:
    """How intervals are made: bootstrap resamples, their seed, and the confidence level."""

    resamples: int
    seed: int
    level: float


@dataclass(frozen=True)
class FoldScore:
    """The score of the patients that one run answered; NaN and a note where it is undefined."""

    run: str
    patients: int
    value: float
    note: str


@dataclass(frozen=True)
class Score:
    """One score with its interval, over all patients and run by run.

    Attributes:
        name: in files.
        label: in words.
        meaning: one sentence.
        value: over all patients; NaN where undefined.
        low: lower limit.
        high: upper limit.
        method: how the limits were found.
        note: why the value is undefined, or what it leaves out.
        runs: run by run, ensembles aside.
        seeds: seed by seed, each pooled over its folds; empty for a single seed.
        across: pooled and as the mean of the folds, each with its interval; of the headline alone.
    """

    name: str
    label: str
    meaning: str
    value: float
    low: float
    high: float
    method: str
    note: str
    runs: tuple[FoldScore, ...]
    seeds: tuple[FoldScore, ...] = ()
    across: tuple[FoldEstimate, ...] = ()

    @property
    def run_mean(self) -> float:
        """Mean over the runs in which the score is defined."""
        values = self._defined()
        return float(np.mean(values)) if values else math.nan

    @property
    def run_sd(self) -> float:
        """Standard deviation over those runs; NaN for fewer than two."""
        values = self._defined()
        return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan

    def _defined(self) -> list[float]:
        return [run.value for run in self.runs if math.isfinite(run.value)]

    def __str__(self) -> str:
        if math.isnan(self.value):
            return f"{self.label} undefined ({self.note})"
        limits = f" [{number(self.low)}, {number(self.high)}]" if math.isfinite(self.low) else ""
        return f"{self.label} {number(self.value)}{limits}"


@dataclass(frozen=True)
class Result:
    """What one predictions table is worth for one target.

    Attributes:
        name: of the table.
        source: file name and fingerprint of the table.
        target: label column.
        answers: the patients and what was answered.
        scores: the first is the headline.
        notes: sentences a reader must know.
        foreign: whether the table comes from elsewhere, so that nothing is known of the training.
    """

    name: str
    source: str
    target: str
    answers: Answers
    scores: tuple[Score, ...]
    notes: tuple[str, ...]
    foreign: bool = False

    @property
    def cases(self) -> Cases:
        """Every patient once."""
        return self.answers.pooled

    @property
    def plain(self) -> dict[str, Any]:
        """As plain values for JSON; None for what is undefined."""
        return {
            "table": self.name,
            "source": self.source,
            "target": self.target,
            "kind": self.cases.kind,
            "patients": len(self.cases),
            "slides": self.answers.slides,
            "classes": self.cases.counts,
            "positive": self.cases.classes[-1] if self.cases.kind == "binary" else None,
            "runs": sorted(self.answers.by_run),
            "scores": [_plain_score(score) for score in self.scores],
            "notes": list(self.notes),
        }


def assess(name: str, source: str, target: str, answers: Answers, sureness: Sureness) -> Result:
    """Score the patients of one target, with intervals.

    Args:
        name: of the table.
        source: file name and fingerprint of the table.
        target: label column.
        answers: see `cases.answers`.
        sureness: how intervals are made.
    """
    cases = answers.pooled
    counts = draw_resamples(cases.patients, None, sureness.resamples, sureness.seed)
    scored: list[Score] = []
    for measure in measures(cases):
        interval = measure.interval(cases, counts, sureness.level)
        scored.append(
            Score(
                name=measure.name,
                label=measure.label,
                meaning=measure.meaning,
                value=measure.of(cases),
                low=interval.low,
                high=interval.high,
                method=interval.method,
                note=measure.undefined(cases) or measure.note(cases),
                runs=tuple(_run_score(measure, run, part) for run, part in answers.by_run.items()),
                seeds=tuple(_run_score(measure, seed, part) for seed, part in answers.by_seed.items()),
                across=() if scored else _across_folds(measure, cases, sureness),
            )
        )
    return Result(name, source, target, answers, tuple(scored), tuple(_notes(answers)))


def number(value: float) -> str:
    """Two decimals, or three digits for values of ten and more; "undefined" for NaN."""
    if math.isnan(value):
        return "undefined"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"


def _run_score(measure: Measure, run: str, cases: Cases) -> FoldScore:
    return FoldScore(run, len(cases), measure.of(cases), measure.undefined(cases) or measure.note(cases))


def _across_folds(measure: Measure, cases: Cases, sureness: Sureness) -> tuple[FoldEstimate, ...]:
    if len(np.unique(cases.fold)) < 2 or measure.undefined(cases):
        return ()
    return fold_estimates(
        lambda weights: measure.score(cases, weights),
        cases.patients,
        cases.fold,
        None,
        resamples=sureness.resamples,
        seed=sureness.seed,
        level=sureness.level,
    )


def _notes(answers: Answers) -> list[str]:
    cases, notes = answers.pooled, []
    if cases.smallest < PILOT:
        others = {"regression": "patients", "survival": "patients with the event"}
        who = others.get(cases.kind, "patients of the rarest class")
        notes.append(f"{cases.smallest} {who}: figures of a pilot, which another cohort may well not repeat.")
    absent = [name for name, n in cases.counts.items() if not n and cases.classed]
    if absent:
        notes.append(f"No patient is {', '.join(absent)}; the scores tell nothing of it.")
    if cases.classed and _separated(cases):
        why = "make sure that nothing but the tissue tells the classes apart, such as site, scanner or stain."
        notes.append(f"Not one patient is on the wrong side: {why}")
    if answers.averaged:
        notes.append("Each patient's answer is the mean of several models.")
    return notes


def _separated(cases: Cases) -> bool:
    """Whether every class scores above all others without a single exception."""
    area = measures(cases)[0].of(cases)
    return math.isfinite(area) and area >= 1 - 1e-12


def _plain_score(score: Score) -> dict[str, Any]:
    return {
        "name": score.name,
        "label": score.label,
        "value": _finite(score.value),
        "low": _finite(score.low),
        "high": _finite(score.high),
        "method": score.method,
        "note": score.note,
        "run_mean": _finite(score.run_mean),
        "run_sd": _finite(score.run_sd),
        "by_run": [_plain_run(r) for r in score.runs],
        "by_seed": [_plain_run(s) for s in score.seeds],
        "across_folds": [
            {
                "name": estimate.name,
                "value": _finite(estimate.value),
                "low": _finite(estimate.interval.low),
                "high": _finite(estimate.interval.high),
                "folds": estimate.folds,
            }
            for estimate in score.across
        ],
    }


def _plain_run(run: FoldScore) -> dict[str, Any]:
    return {"run": run.run, "patients": run.patients, "value": _finite(run.value), "note": run.note}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
