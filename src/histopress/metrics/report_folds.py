"""Section: the same score pooled over folds, as the mean of the folds, fold by fold, and seed by seed."""

from __future__ import annotations

import math

import numpy as np

from histopress.metrics.intervals import Interval
from histopress.metrics.report_html import card, figure, limits, line, row, table
from histopress.metrics.report_section import Inquiry, Section
from histopress.metrics.results import Score, number

SHOWN = 2
"""Scores told fold by fold on the page; the JSON holds all."""


def folds(inquiry: Inquiry) -> Section | None:
    """Where there is more than one run; None otherwise."""
    answers, scores = inquiry.answers, inquiry.result.scores
    if not answers.by_run:
        return None
    cards = [*_across(inquiry), _run_card(inquiry), *_seeds(scores[0])]
    rows = [
        {"run": run.run, "score": score.name, "value": run.value, "patients": run.patients}
        for score in scores
        for run in (*score.runs, *score.seeds)
    ]
    word = answers.run_word
    facts = {
        "across_folds": [
            {"name": e.name, "value": e.value, "low": e.interval.low, "high": e.interval.high}
            for e in scores[0].across
        ],
        "seeds": {seed.run: seed.value for seed in scores[0].seeds},
    }
    return Section(
        "folds",
        f"How much do {word}s differ?",
        row(cards, "row uneven" if len(cards) == 2 else "row wide"),
        facts,
        tuple(rows),
        _methods(scores[0]),
    )


def _across(inquiry: Inquiry) -> list[str]:
    score = inquiry.result.scores[0]
    if not score.across:
        return []
    rows = [
        line(
            e.name,
            [figure(number(e.value)), figure(_limits(e.interval))],
            _MEANING[e.name.split()[0]],
        )
        for e in score.across
    ]
    head = [score.label, ("n", "value"), ("n", f"{inquiry.level:.0%} interval")]
    words = "Both intervals tell of the choice of patients; models are not trained anew for them."
    return [card("Two ways to sum up folds", table(head, rows), words)]


_MEANING = {
    "pooled": "all tested patients judged together",
    "mean": "each fold judged by itself, then averaged",
}


def _limits(interval: Interval) -> str:
    """The interval, unless no resample differs from another, which would claim certainty."""
    return limits(interval.low, interval.high) if interval.low < interval.high else "not told: all alike"


def _run_card(inquiry: Inquiry) -> str:
    result, word = inquiry.result, inquiry.answers.run_word
    score, shown = result.scores[0], result.scores[:SHOWN]
    rows = []
    for i, (run, cases) in enumerate(result.answers.by_run.items()):
        cells = [figure(str(len(cases))), *(_cell(s.runs[i].value, s.runs[i].note) for s in shown)]
        rows.append(line(run, cells))
    if len(rows) > 1:
        means = [figure(f"{number(s.run_mean)} ± {number(s.run_sd)}") for s in shown]
        rows.append(line("mean ± SD", ['<td class="n"></td>', *means], style="total"))
    words = ""
    if np.isfinite(score.run_sd):
        words = f"With few patients each, single {word}s scatter by chance alone."
    head = [word, ("n", "patients"), *(("n", s.label) for s in shown)]
    return card(f"{word.capitalize()} by {word}", table(head, rows), words)


def _seeds(score: Score) -> list[str]:
    values = [s.value for s in score.seeds if math.isfinite(s.value)]
    if len(values) < 2:
        return []
    rows = [line(f"seed {s.run}", [figure(str(s.patients)), figure(number(s.value))]) for s in score.seeds]
    spread = f"{number(float(np.mean(values)))} ± {number(float(np.std(values, ddof=1)))}"
    rows.append(line("mean ± SD", ['<td class="n"></td>', figure(spread)], style="total"))
    words = (
        "The same patients and folds, trained again from other random numbers: how much of the score is luck "
        "of training. The headline averages the answers of all seeds."
    )
    return [card("Seed by seed", table(["seed", ("n", "patients"), ("n", score.label)], rows), words)]


def _cell(value: float, note: str) -> str:
    return figure(number(value)) if not note else figure(number(value), note)


def _methods(score: Score) -> str:
    text = ""
    if score.across:
        pooled, mean = score.across
        text = (
            f"Across {pooled.folds} folds, {score.label} was {number(pooled.value)} "
            f"{limits(pooled.interval.low, pooled.interval.high)} pooled over all tested patients, and "
            f"{number(mean.value)} {limits(mean.interval.low, mean.interval.high)} as the mean of the folds, "
            "with patients resampled within folds."
        )
    values = [s.value for s in score.seeds if math.isfinite(s.value)]
    if len(values) > 1:
        text += (
            f" Training was repeated from {len(values)} seeds, whose scores were "
            f"{number(float(np.mean(values)))} ± {number(float(np.std(values, ddof=1)))} (mean ± SD)."
        )
    return text.strip()
