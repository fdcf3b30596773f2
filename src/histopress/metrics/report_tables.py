"""The tables of the report, as HTML text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from histopress.metrics.case_arrays import Cases
from histopress.metrics.intervals import wilson
from histopress.metrics.measures import measures, recalls
from histopress.metrics.report_figures import meter
from histopress.metrics.report_html import beside, cell, figure, limits, line, table
from histopress.metrics.results import Result, number

HARDEST = 10


def score_table(result: Result, level: float) -> str:
    """Every score with its interval, how that was made where it is not by bootstrap, and a small scale."""
    rows, usual = [], "bootstrap over patients (BCa)"
    for score, measure in zip(result.scores, measures(result.cases), strict=True):
        scale = meter(score.value, score.low, score.high, measure.ends, measure.guess(result.cases))
        rows.append(
            line(
                score.label,
                [
                    figure(number(score.value), score.note),
                    figure(limits(score.low, score.high), score.method if score.method != usual else ""),
                    f"<td>{scale}</td>",
                ],
                score.meaning,
            )
        )
    return table(["score", ("n", "value"), ("n", f"{level:.0%} interval"), ""], rows, "scores")


def side_by_side_table(results: Sequence[Result]) -> str:
    """A row a score, a column a table."""
    labels = list(dict.fromkeys(s.label for r in results for s in r.scores))
    rows = []
    for label in labels:
        cells = []
        for result in results:
            found = next((s for s in result.scores if s.label == label), None)
            cells.append(
                "<td></td>" if found is None else figure(number(found.value), limits(found.low, found.high))
            )
        rows.append(line(label, cells))
    rows.append(line("patients", [figure(str(len(r.cases))) for r in results]))
    return table(["score", *(("n", r.name) for r in results)], rows)


def confusion_table(cases: Cases, level: float) -> str:
    """Patients by true and called class, and the share called right of every class with its interval."""
    size = len(cases.classes)
    counts = np.zeros((size, size), int)
    np.add.at(counts, (cases.truth.astype(int), cases.answer), 1)
    return beside(matrix(counts, cases.classes), _recall_table(cases, level))


def matrix(counts: NDArray[np.int_], classes: Sequence[str]) -> str:
    """Patients by true class (rows) and called class (columns)."""
    rows = [
        f"<tr><th>truly {escape(name)}</th>{_confusion_row(counts[i], i)}</tr>"
        for i, name in enumerate(classes)
    ]
    return table(["called", *classes], rows, "matrix")


def _confusion_row(counts: NDArray[np.int_], own: int) -> str:
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
        cells = [
            figure(number(right / patients)),
            figure(limits(*wilson(right / patients, patients, level))),
            figure(f"{right} of {patients}"),
        ]
        rows.append(line(names[cases.classes.index(name)], cells, name))
    return table(["", ("n", "value"), ("n", f"{level:.0%} interval (Wilson)"), ("n", "patients")], rows)


def hardest_table(result: Result) -> str:
    """The patients with the largest error."""
    cases, run = result.cases, result.answers.run_word
    order = np.argsort(-cases.error, kind="stable")[:HARDEST]
    head, told = _HARDEST[cases.kind]
    rows = [line(str(cases.patients[i]), [cell(str(cases.fold[i])), *told(cases, int(i))]) for i in order]
    return table(["patient", run, *head], rows)


def _told_number(cases: Cases, i: int) -> list[str]:
    truth, said = float(cases.truth[i]), float(cases.score[i])
    return [figure(f"{truth:.3g}"), figure(f"{said:.3g}"), figure(f"{said - truth:+.3g}")]


def _told_class(cases: Cases, i: int) -> list[str]:
    names = [cell(cases.classes[int(cases.truth[i])]), cell(cases.classes[int(cases.answer[i])])]
    return [*names, figure(number(float(cases.probabilities[i, int(cases.truth[i])])))]


def _told_survival(cases: Cases, i: int) -> list[str]:
    what = "event" if cases.event[i] else "no event seen"
    rank = float(np.mean(cases.score[cases.fold == cases.fold[i]] <= cases.score[i]))
    return [figure(f"{cases.time[i]:.3g}", what), figure(f"{rank:.0%}"), figure(f"{cases.error[i]:.0%}")]


_CLASS_HEAD = ("label", "called", ("n", "probability of the label"))
_HARDEST = {
    "binary": (_CLASS_HEAD, _told_class),
    "multiclass": (_CLASS_HEAD, _told_class),
    "ordinal": (_CLASS_HEAD, _told_class),
    "regression": ((("n", "label"), ("n", "answer"), ("n", "difference")), _told_number),
    "survival": (
        (("n", "time"), ("n", "risk above share of fold"), ("n", "pairs in wrong order")),
        _told_survival,
    ),
}
