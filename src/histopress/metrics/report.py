"""The report: one HTML page that needs nothing else, readable on screens and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

from histopress.core.files import write_whole
from histopress.metrics.checklist import FILLED, Item, checklist
from histopress.metrics.checklist_answers import Study
from histopress.metrics.evaluate import EvaluateRecipe
from histopress.metrics.flow import IN_TABLE, flow_figure
from histopress.metrics.methods import describe
from histopress.metrics.provenance import provenance
from histopress.metrics.report_html import card, cell, line, paragraph, row, table
from histopress.metrics.report_inputs import Finding, Input
from histopress.metrics.report_parts import figures_of
from histopress.metrics.report_section import Inquiry, Section
from histopress.metrics.report_tables import hardest_table, score_table
from histopress.metrics.report_words import headline

LEVELS = {"problem": "Problem", "warning": "Warning", "note": "Note"}


@dataclass(frozen=True)
class Page:
    """All that the page tells.

    Attributes:
        asked: results, in the order of the page.
        sections: of each result.
        comparisons: of targets that several tables answer.
        inputs: the tables.
        recipe: what was asked.
        version: of this package.
    """

    asked: Sequence[Inquiry]
    sections: Sequence[Sequence[Section]]
    comparisons: Sequence[Section]
    inputs: Sequence[Input]
    recipe: EvaluateRecipe
    version: str

    @property
    def several(self) -> bool:
        """Whether results are of several tables, whose names then tell them apart."""
        return len(self.inputs) > 1

    @cached_property
    def checklist(self) -> list[Item]:
        """What a reviewer asks, as far as it is answered."""
        return checklist(_study(self))


def write_report(path: Path, page: Page) -> None:
    """Write the page, all of it or nothing.

    Args:
        path: .html file.
        page: what to tell.
    """
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    title = ", ".join(dict.fromkeys(i.result.target for i in page.asked))
    body = [
        _alerts(page.inputs),
        *(_comparison(section, i) for i, section in enumerate(page.comparisons)),
        *(_result(page, i) for i in range(len(page.asked))),
        _flows(page.inputs),
        _methods(page),
        _checklist(page),
        f'<section id="provenance"><h2>Where the figures come from</h2>'
        f"{provenance(page.inputs, page.recipe, page.version)}</section>",
    ]
    write_whole(
        path,
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: how good, and how sure</title><style>\n{style}</style></head>"
        f"<body><main><header><h1>How good are the predictions, and how sure is that?</h1>{_contents(page)}"
        f"</header>{''.join(body)}"
        f"<footer>Written by histopress {escape(page.version)}. Research use only: these figures say nothing "
        "of a single patient's diagnosis.</footer></main></body></html>\n",
    )


def _contents(page: Page) -> str:
    links = [(f"comparison-{i}", f"{s.title}, compared") for i, s in enumerate(page.comparisons)]
    links += [
        (f"result-{i}", f"{a.result.target}{f' ({a.result.name})' if page.several else ''}")
        for i, a in enumerate(page.asked)
    ]
    links += [
        ("flow", "Who was counted"),
        ("methods", "Methods"),
        ("checklist", "Checklist"),
        ("provenance", "Provenance"),
    ]
    return "<nav>" + "".join(f'<a href="#{at}">{escape(name)}</a>' for at, name in links) + "</nav>"


def _alerts(inputs: Sequence[Input]) -> str:
    """Problems and warnings of the leakage reports; their notes stand with the flow."""
    found = [(i.name, f) for i in inputs for f in i.findings or () if f.level in ("problem", "warning")]
    boxes = "".join(
        f'<div class="alert {f.level}"><strong>{LEVELS[f.level]}: {escape(f.title)}</strong>'
        f"{paragraph(f.text + (f' ({name})' if len(inputs) > 1 else ''))}</div>"
        for name, f in found
    )
    return f'<section id="alerts">{boxes}</section>' if boxes else ""


def _comparison(section: Section, index: int) -> str:
    head = f"<h2>{escape(section.title)}, side by side</h2>"
    return f'<section class="result" id="comparison-{index}">{head}{section.html}</section>'


def _result(page: Page, index: int) -> str:
    inquiry, sections = page.asked[index], page.sections[index]
    result = inquiry.result
    name = paragraph(result.name, "soft") if page.several else ""
    notes = "".join(paragraph(note) for note in result.notes)
    scores = card(
        "Scores",
        score_table(result, inquiry.level),
        "The tick on a scale is what knowing nothing of the single patient would score.",
    )
    told = [f"<h3>{escape(s.title)}</h3>{s.html}" for s in sections if s.html]
    untold = "".join(paragraph(s.reason) for s in sections if s.reason)
    parts = figures_of(inquiry)
    return "".join(
        [
            f'<section class="result" id="result-{index}"><h2>{escape(result.target)}</h2>{name}',
            headline(result),
            f'<div class="notes">{notes}</div>' if notes else "",
            scores,
            parts,
            *told,
            f"<h3>Where was it most wrong?</h3>{_hardest(inquiry)}",
            f'<div class="untold">{untold}</div>' if untold else "",
            "</section>",
        ]
    )


def _hardest(inquiry: Inquiry) -> str:
    words = "Patients worth looking at again: the slide, the label, the tissue mask."
    return card("", hardest_table(inquiry.result), words)


def _flows(inputs: Sequence[Input]) -> str:
    cards = [
        card(i.name if len(inputs) > 1 else "Cohort flow", flow_figure(i.flow), _unknown(i)) for i in inputs
    ]
    notes = [f for i in inputs for f in i.findings or () if f.level not in ("problem", "warning")]
    if any(i.findings is not None for i in inputs):
        cards.append(card("Leakage", _leakage(inputs, notes)))
    return f'<section id="flow"><h2>Who was counted</h2>{row(cards, "row wide")}</section>'


def _unknown(given: Input) -> str:
    if given.flow[0].step != IN_TABLE:
        return ""
    return "No flow.csv lies beside the table: who was left out before is yours to tell."


def _leakage(inputs: Sequence[Input], notes: Sequence[Finding]) -> str:
    severe = sum(f.level in ("problem", "warning") for i in inputs for f in i.findings or ())
    first = (
        f"{severe} finding{'s' * (severe != 1)} at the top of this page."
        if severe
        else "No patient, slide or site was found to give the label away."
    )
    return paragraph(first, "plain") + "".join(
        f'<p class="plain"><strong>{escape(f.title)}.</strong> {escape(f.text)}</p>' for f in notes
    )


def _methods(page: Page) -> str:
    compared = [s.methods for s in page.comparisons if s.methods]
    blocks = []
    for index, inquiry in enumerate(page.asked):
        result = inquiry.result
        record = next((i.record for i in page.inputs if i.name == result.name), {})
        further = [s.methods for s in page.sections[index] if s.methods]
        lines = describe(result, inquiry.sureness, record, further)
        told = f"{result.target} ({result.name})" if page.several else result.target
        name = told if len(page.asked) > 1 else "What was done"
        blocks.append(card(name, "".join(paragraph(text, "plain") for text in lines)))
    if compared:
        blocks.append(card("Comparison", "".join(paragraph(text, "plain") for text in compared)))
    return f'<section id="methods"><h2>Methods, to be pasted into a paper</h2>{"".join(blocks)}</section>'


def _checklist(page: Page) -> str:
    items = page.checklist
    rows = [
        line(
            item.topic,
            [
                cell(item.asked),
                cell(item.text, item.status) if item.text else f'<td class="open">{item.status}</td>',
            ],
            item.where,
        )
        for item in items
    ]
    done = sum(item.status == FILLED for item in items)
    words = (
        f"{done} of {len(items)} topics are filled in automatically, the others are yours. Topics follow the "
        "numbered items of TRIPOD+AI (2024) and CLAIM (2020) in words of our own; hand in the originals."
    )
    content = card("What a reviewer will look for", table(["topic", "asked", "answer"], rows, "check"), words)
    return f'<section id="checklist"><h2>Checklist after TRIPOD+AI and CLAIM</h2>{content}</section>'


def _study(page: Page) -> Study:
    """What the page knows, for the checklist."""
    told = [s for own in page.sections for s in own]
    findings = [f.title for i in page.inputs for f in i.findings or ()]
    return Study(
        results=[i.result for i in page.asked],
        records=[i.record for i in page.inputs],
        flow=page.inputs[0].flow,
        findings=findings if any(i.findings is not None for i in page.inputs) else None,
        methods={s.name: s.methods for s in reversed(told) if s.methods},
        covariates=list(map(str, page.asked[0].known.subgroups)),
        fingerprints=[i.fingerprint for i in page.inputs],
        version=page.version,
    )
