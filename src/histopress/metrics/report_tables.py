"""The tables of the report, as HTML text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from histopress.metrics.cases import Cases
from histopress.metrics.intervals import wilson
from histopress.metrics.measures import measures, recalls
from histopress.metrics.report_figures import meter
from histopress.metrics.results import Result, Score, number

HARDEST = 10

Cell = str | tuple[str, str]
"""Text of a head cell, or its CSS class and text."""


def score_table(result: Result, level: float) -> str:
    """Every score with its interval, how that was made, and a small scale."""
    rows = []
    for score, measure in zip(result.scores, measures(result.cases), strict=True):
        scale = meter(score.value, score.low, score.high, measure.ends, measure.guess(result.cases))
        note = f'<span class="soft">{escape(score.note)}</span>' if score.note else ""
        rows.append(
            f'<tr><th>{escape(score.label)}<span class="soft">{escape(score.meaning)}</span></th>'
            f'<td class="n">{number(score.value)}{note}</td><td class="n">{_limits(score)}</td>'
            f'<td>{scale}</td><td><span class="soft">{escape(score.method)}</span></td></tr>'
        )
    head: list[Cell] = ["score", ("n", "value"), ("n", f"{level:.0%} interval"), "", "interval by"]
    return _table(head, rows)


def side_by_side_table(results: Sequence[Result]) -> str:
    """A row a table, a column a score."""
    labels = list(dict.fromkeys(s.label for r in results for s in r.scores))
    rows = []
    for result in results:
        scores = {s.label: s for s in result.scores}
        cells = "".join(
            f'<td class="n">{number(scores[x].value)}<span class="soft">{_limits(scores[x])}</span></td>'
            if x in scores
            else '<td class="n"></td>'
            for x in labels
        )
        first, measure = result.scores[0], measures(result.cases)[0]
        scale = meter(first.value, first.low, first.high, measure.ends, measure.guess(result.cases))
        rows.append(
            f"<tr><th>{escape(result.name)}</th>{cells}<td>{scale}</td>"
            f'<td class="n">{len(result.cases)}</td></tr>'
        )
    head: list[Cell] = [
        "table",
        *(("n", label) for label in labels),
        results[0].scores[0].label,
        ("n", "patients"),
    ]
    return _table(head, rows)


def run_table(result: Result) -> str:
    """Scores run by run, with mean and standard deviation."""
    rows = []
    for i, (run, cases) in enumerate(result.answers.by_run.items()):
        values = "".join(_run_cell(score.runs[i].value, score.runs[i].note) for score in result.scores)
        rows.append(f'<tr><th>{escape(run)}</th><td class="n">{len(cases)}</td>{values}</tr>')
    if len(rows) > 1:
        means = "".join(
            f'<td class="n">{number(score.run_mean)} ± {number(score.run_sd)}</td>' for score in result.scores
        )
        rows.append(f'<tr class="total"><th>mean ± SD</th><td class="n"></td>{means}</tr>')
    return _table(
        [result.answers.run_word, ("n", "patients"), *(("n", s.label) for s in result.scores)], rows
    )


def confusion_table(cases: Cases, level: float) -> str:
    """Patients by true and called class, and the share called right of every class with its interval."""
    size = len(cases.classes)
    counts = np.zeros((size, size), int)
    np.add.at(counts, (cases.truth.astype(int), cases.answer), 1)
    head = "".join(f"<th>{escape(name)}</th>" for name in cases.classes)
    rows = [
        f"<tr><th>truly {escape(name)}</th>{_confusion_row(counts[i], i)}</tr>"
        for i, name in enumerate(cases.classes)
    ]
    matrix = (
        f'<table class="matrix"><thead><tr><th>called</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    return f'<div class="beside">{matrix}{_recall_table(cases, level)}</div>'


def _confusion_row(counts: np.ndarray[tuple[int, ...], np.dtype[np.int_]], own: int) -> str:
    total = max(int(counts.sum()), 1)
    cells = []
    for i, n in enumerate(counts):
        tint = f"background: rgba(var(--tint), {0.45 * n / total:.3f})"
        share = f'<span class="soft">{n / total:.0%}</span>'
        cells.append(f'<td class="{"right" if i == own else ""}" style="{tint}">{n}{share}</td>')
    return "".join(cells)


def _recall_table(cases: Cases, level: float) -> str:
    names = ("Specificity", "Sensitivity") if cases.kind == "binary" else ("Recall",) * len(cases.classes)
    rows = []
    for name, right, patients in recalls(cases):
        low, high = wilson(right / patients, patients, level)
        label = f'{names[cases.classes.index(name)]}<span class="soft">{escape(name)}</span>'
        rows.append(
            f'<tr><th>{label}</th><td class="n">{number(right / patients)}</td>'
            f'<td class="n">[{number(low)}, {number(high)}]</td>'
            f'<td class="n">{right} of {patients}</td></tr>'
        )
    return _table(["", ("n", "value"), ("n", f"{level:.0%} interval (Wilson)"), ("n", "patients")], rows)


def hardest_table(result: Result) -> str:
    """The patients with the largest error."""
    cases, run = result.cases, result.answers.run_word
    order = np.argsort(-cases.error, kind="stable")[:HARDEST]
    if cases.kind == "regression":
        rows = [
            f"<tr><th>{escape(str(cases.patients[i]))}</th><td>{escape(str(cases.fold[i]))}</td>"
            f'<td class="n">{cases.truth[i]:.3g}</td><td class="n">{cases.score[i]:.3g}</td>'
            f'<td class="n">{cases.score[i] - cases.truth[i]:+.3g}</td></tr>'
            for i in order
        ]
        return _table(["patient", run, ("n", "label"), ("n", "answer"), ("n", "difference")], rows)
    rows = [
        f"<tr><th>{escape(str(cases.patients[i]))}</th><td>{escape(str(cases.fold[i]))}</td>"
        f"<td>{escape(cases.classes[int(cases.truth[i])])}</td><td>{escape(cases.classes[cases.answer[i]])}</td>"
        f'<td class="n">{number(1 - cases.error[i])}</td></tr>'
        for i in order
    ]
    return _table(["patient", run, "label", "called", ("n", "probability of the label")], rows)


def _run_cell(value: float, note: str) -> str:
    hint = f' title="{escape(note)}"' if note else ""
    return f'<td class="n"{hint}>{number(value)}</td>'


def _limits(score: Score) -> str:
    return f"[{number(score.low)}, {number(score.high)}]" if np.isfinite(score.low) else "unknown"


def _table(head: Sequence[Cell], rows: Sequence[str]) -> str:
    cells = "".join(
        f"<th>{escape(h)}</th>" if isinstance(h, str) else f'<th class="{h[0]}">{escape(h[1])}</th>'
        for h in head
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
