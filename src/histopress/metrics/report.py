"""The report: one HTML page that needs nothing else, readable on screens and on paper."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np

from histopress.core.files import write_whole
from histopress.metrics import report_figures as figures
from histopress.metrics.intervals import draw_resamples
from histopress.metrics.methods import describe
from histopress.metrics.report_tables import (
    confusion_table,
    hardest_table,
    run_table,
    score_table,
    side_by_side_table,
)
from histopress.metrics.results import Result, Sureness, number

MOST_CURVE_RESAMPLES = 500
"""Enough for a band that is looked at."""


def write_report(path: Path, results: Sequence[Result], sureness: Sureness, version: str) -> None:
    """Write the page, all of it or nothing.

    Args:
        path: .html file.
        results: sections, in this order; several about one target are also told side by side.
        sureness: how the intervals were made.
        version: of this package.
    """
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    title = ", ".join(dict.fromkeys(r.target for r in results))
    body = [_side_by_side(results), *(_section(r, len(results) > 1, sureness) for r in results)]
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: how good, and how sure</title><style>\n{style}</style></head>"
        f"<body><main><h1>How good are the predictions, and how sure is that?</h1>{''.join(body)}"
        f"<footer>Written by histopress {escape(version)}. Research use only: these figures say nothing of a "
        "single patient's diagnosis.</footer></main></body></html>\n"
    )
    write_whole(path, page)


def _side_by_side(results: Sequence[Result]) -> str:
    """For every target that several tables answer, their scores in one table, and their ROC curves in one."""
    targets: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        targets[result.target].append(result)
    blocks = []
    for target, several in targets.items():
        if len(several) < 2:
            continue
        cards = [_card("Scores side by side", side_by_side_table(several), _shared_patients(several))]
        comparable = [r for r in several if r.cases.kind == "binary" and not _undefined(r)]
        if len(comparable) > 1:
            chart = figures.overlay_figure([r.cases for r in comparable], [r.name for r in comparable])
            cards.append(_card("ROC curves", chart))
        row = _row(cards, "row main" if len(cards) > 1 else "row wide")
        blocks.append(f'<section class="result"><h2>{escape(target)}, side by side</h2>{row}</section>')
    return "".join(blocks)


def _shared_patients(results: Sequence[Result]) -> str:
    sets = [set(r.cases.patients.tolist()) for r in results]
    shared = len(set.intersection(*sets))
    if all(len(s) == shared for s in sets):
        return f"All tables answer for the same {shared} patients."
    return f"The tables answer for different patients and have {shared} in common: compare with care."


def _section(result: Result, named: bool, sureness: Sureness) -> str:
    cases = result.cases
    name = f'<p class="soft">{escape(result.name)}</p>' if named else ""
    notes = "".join(f"<p>{escape(note)}</p>" for note in result.notes)
    scores = _card(
        "Scores", score_table(result, sureness.level), "The tick on a scale is what guessing would score."
    )
    done = "".join(f'<p class="plain">{escape(line)}</p>' for line in describe(result, sureness))
    return "".join(
        [
            f'<section class="result"><h2>{escape(result.target)}</h2>{name}{_headline(result)}',
            f'<div class="notes">{notes}</div>' if notes else "",
            scores,
            _numbers(result) if cases.kind == "regression" else _classes(result, sureness),
            _row([*_runs(result), _hardest(result)], "row wide"),
            f'<div class="card"><h3>What was done</h3>{done}</div></section>',
        ]
    )


def _hardest(result: Result) -> str:
    words = "Patients worth looking at again: the slide, the label, the tissue mask."
    return _card("Where it was most wrong", hardest_table(result), words)


def _runs(result: Result) -> list[str]:
    score, runs, run = result.scores[0], len(result.answers.by_run), result.answers.run_word
    if not runs:
        return []
    words = ""
    if np.isfinite(score.run_sd):
        words = (
            f"{score.label}: mean {number(score.run_mean)}, standard deviation {number(score.run_sd)} over "
            f"{runs} {run}s. With few patients each, single {run}s scatter."
        )
    return [_card(f"{run.capitalize()} by {run}", run_table(result), words)]


def _headline(result: Result) -> str:
    score = result.scores[0]
    limits = f"[{number(score.low)}, {number(score.high)}]" if np.isfinite(score.low) else ""
    slides = f", {result.answers.slides} slides" if result.answers.slides is not None else ""
    classes = ", ".join(f"{n} {name}" for name, n in result.cases.counts.items())
    counts = f"{len(result.cases)} patients{slides}" + (f": {classes}" if classes else "")
    return (
        f'<div class="headline"><span class="value">{number(score.value)}</span>'
        f'<span class="limits">{limits}</span><span class="what">{escape(score.label)}</span></div>'
        f'<p>{escape(_in_words(result))}</p><p class="soft">{escape(counts)}</p>'
    )


def _in_words(result: Result) -> str:
    score, cases = result.scores[0], result.cases
    if _undefined(result):
        return f"No score: {score.note}."
    if cases.kind == "binary":
        negative, positive = cases.classes
        return (
            f"Of 100 pairs of one {positive} and one {negative} patient, it scores the {positive} patient "
            f"higher in about {round(score.value * 100)}; guessing would in 50."
        )
    meaning = score.meaning[0].upper() + score.meaning[1:]
    return f"{meaning}. Guessing would give {0.5 if cases.kind == 'multiclass' else 0:g}."


def _classes(result: Result, sureness: Sureness) -> str:
    cases, level = result.cases, sureness.level
    called = "probability 0.5" if cases.kind == "binary" else "the highest probability"
    middle = _card("Answers by true class", figures.distribution_figure(cases), "One dot a patient.") + _card(
        f"Called at {called}", confusion_table(cases, level)
    )
    if _undefined(result):
        return middle
    resamples = min(sureness.resamples, MOST_CURVE_RESAMPLES)
    counts = draw_resamples(cases.patients, cases.truth, resamples, sureness.seed)
    shown = [1] if cases.kind == "binary" else [i for i, n in enumerate(cases.counts.values()) if n]
    band = f"Band: {level:.0%} of resamples, point by point."
    rocs = [
        _card(f"ROC: {cases.classes[i]}", figures.roc_figure(cases, i, counts, level), band) for i in shown
    ]
    precisions = [
        _card(f"Precision: {cases.classes[i]}", figures.precision_figure(cases, i, counts, level), band)
        for i in shown
    ]
    chart, patients = figures.calibration_figure(cases, level)
    words = f"Each dot: {patients}. On the dashed line probabilities can be taken at their word."
    calibration = _card("Calibration", chart, words)
    if cases.kind == "binary":
        return _row([*rocs, *precisions, calibration]) + middle
    return _row(rocs) + middle + _row([*precisions, calibration])


def _numbers(result: Result) -> str:
    cases = result.cases
    return _row(
        [
            _card(
                "Answer and label", figures.scatter_figure(cases), "On the dashed line the answer is right."
            ),
            _card(
                "Residuals", figures.residual_figure(cases), "Above the dashed line the answer is too high."
            ),
        ]
    )


def _undefined(result: Result) -> bool:
    return bool(np.isnan(result.scores[0].value))


def _card(title: str, content: str, words: str = "") -> str:
    below = f"<p>{escape(words)}</p>" if words else ""
    return f'<div class="card"><h3>{escape(title)}</h3>{content}{below}</div>'


def _row(cards: Iterable[str], style: str = "row") -> str:
    return f'<div class="{style}">{"".join(cards)}</div>'
