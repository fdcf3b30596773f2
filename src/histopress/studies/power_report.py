"""The report of a power study: one HTML page that needs nothing else, and prints."""

from __future__ import annotations

from html import escape
from importlib.metadata import version
from pathlib import Path

from histopress import metrics
from histopress.core.files import write_whole
from histopress.metrics.report_html import beside, card, cell, figure, limits, line, paragraph, row, table
from histopress.metrics.results import number
from histopress.studies.learning_curve import Needed
from histopress.studies.power_answers import Answer
from histopress.studies.power_charts import curves, needed_chart
from histopress.studies.power_tables import WIDTHS, planner_rows
from histopress.studies.power_words import Study, assumptions, changes, criteria, share


def write_report(path: Path, study: Study) -> None:
    """Write the page, all of it or nothing.

    Args:
        path: .html file.
        study: what to tell.
    """
    style = (Path(metrics.__file__).parent / "report.css").read_text(encoding="utf-8")
    body = [
        f'<p class="lead">{escape(study.text)}</p>',
        f'<div class="notes">{"".join(paragraph(_sentence(n)) for n in study.notes)}</div>'
        if study.notes
        else "",
        _figures(study) if study.answers else "",
        card("Answers", _answers(study), _control(study)) if study.answers else "",
        card(
            _planner_title(study),
            _planner(study),
            "Closed forms for normal scores; nothing of this was trained.",
        ),
        row(
            [
                _words(study),
                card("What would change the answer", _changes(study)),
            ],
            "row wide",
        ),
    ]
    write_whole(
        path,
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>How many slides?</title><style>\n{style}</style></head>"
        "<body><main><header><h1>How small an object, and how many patients?</h1>"
        f"<h2>{escape(_title(study))}</h2></header>{''.join(body)}"
        f"<footer>Written by histopress {escape(version('histopress'))}. Planted signals are no patients: a "
        "plan, "
        "not a result.</footer></main></body></html>\n",
    )


def _words(study: Study) -> str:
    told = criteria(study) if study.answers else []
    means = "".join(paragraph(text, "plain") for text in told)
    taken = "".join(paragraph(text, "plain") for text in assumptions(study))
    if not means:
        return card("Assumptions", taken)
    return card("What these answers mean", f"{means}<h4 style='margin-top: 22px'>Assumptions</h4>{taken}")


def _title(study: Study) -> str:
    return f"{study.signal}, {study.design.patients} patients, {share(study.design.prevalence)} positive"


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}."


def _figures(study: Study) -> str:
    words = (
        "Left: each dot is a training, tested on patients apart; lines are fitted, bands hold the expected "
        "AUROC "
        "with 95 %. Right: patients of the whole study; whiskers are 95 %."
    )
    return card("", beside(curves(study), needed_chart(study), "even"), words)


def _answers(study: Study) -> str:
    head = [
        "object, share of the tissue cells",
        ("n", "expected AUROC"),
        ("n", "interval of the report"),
        ("n", "told from chance"),
        *(("n", f"patients for AUROC {target:g}") for target in study.recipe.targets),
    ]
    return table(head, [_row(answer, study) for answer in study.answers])


def _row(answer: Answer, study: Study) -> str:
    told = "yes" if answer.detected else "no"
    if answer.auroc >= study.recipe.threshold:
        told += ", useful"
    cells = [
        figure(number(answer.auroc), limits(answer.band.low, answer.band.high)),
        figure(limits(answer.report.low, answer.report.high), f"width {number(answer.report.width)}"),
        figure(told, f"in {share(round(answer.power, 2))} of studies"),
        *(figure(_needed(n), n.limits) for n in answer.needed),
    ]
    return line(share(answer.o2i), cells)


def _needed(needed: Needed) -> str:
    return f"{needed.text} *" if needed.trust == "beyond" else needed.text


def _control(study: Study) -> str:
    control = study.control
    if control is None:
        return ""
    held = "as it should be" if control.held else "which is not chance: do not believe the rest"
    heads = "1 head that learned" if control.trainings == 1 else f"{control.trainings} heads that learned"
    return (
        f"Null control: {heads} from permuted labels: AUROC "
        f"{number(control.auroc)} {limits(control.band.low, control.band.high)}, {held}."
    )


def _planner_title(study: Study) -> str:
    return f"How wide the interval will be, with {share(study.design.prevalence)} positive patients"


def _planner(study: Study) -> str:
    """Interval width by AUROC, for the patients that there are, and patients for a wanted width."""
    patients = study.design.patients
    head = [
        "if the AUROC is",
        ("n", f"expected interval, {patients} patients"),
        ("n", "width"),
        ("n", "told from chance"),
        ("n", "patients to be told in 80\u00a0%"),
        *(("n", f"patients for a width of {width:g}") for width in WIDTHS),
    ]
    rows = [
        line(
            number(r["auroc"]),
            [
                figure(limits(r["low"], r["high"])),
                figure(number(r["width"])),
                figure(share(round(r["power"], 2))),
                figure(f"{r['patients_power_80']:,}"),
                *(figure(f"{r[f'patients_width_{width:g}']:,}") for width in WIDTHS),
            ],
        )
        for r in planner_rows(study.design)
    ]
    return table(head, rows)


def _changes(study: Study) -> str:
    return table(["what", "which way"], [line(name, [cell(text)]) for name, text in changes(study)])
