"""What was predicted for whom, and how well, in words for readers who know the clinic."""

from __future__ import annotations

from html import escape

import numpy as np

from histopress.metrics.case_arrays import Cases
from histopress.metrics.report_html import limits, paragraph
from histopress.metrics.results import Result, Score, number

CONTENT = {
    "binary": "whether a patient is {positive} or {negative}",
    "multiclass": "which of {classes} a patient is",
    "ordinal": "the grade of a patient, from {first} up to {last}",
    "regression": "a number for every patient",
    "survival": "which patients have the event earlier",
}


def headline(result: Result) -> str:
    """The score, its interval, and what they mean."""
    score = result.scores[0]
    shown = limits(score.low, score.high) if np.isfinite(score.low) else ""
    return (
        f"{paragraph(predicted(result), 'lead')}"
        f'<div class="headline"><span class="value">{number(score.value)}</span>'
        f'<span class="limits">{shown}</span><span class="what">{escape(score.label)}</span></div>'
        f"{paragraph(in_words(result))}{paragraph(sure(score, result.cases))}"
    )


def predicted(result: Result) -> str:
    """What was predicted, and for whom."""
    cases, answers = result.cases, result.answers
    named = {"positive": "", "negative": "", "first": "", "last": "", "classes": ", ".join(cases.classes)}
    if cases.classes:
        first, last = cases.classes[0], cases.classes[-1]
        named |= {"positive": last, "negative": first, "first": first, "last": last}
    slides = f" from {answers.slides} slides" if answers.slides is not None else ""
    seen = "no model had seen them in training"
    if answers.parts == ("new",):
        seen = "they are new: no part of the cohort that was learned from"
    if result.foreign:
        seen = "the table comes from elsewhere, and that no model had seen them is for its makers to say"
    return (
        f"Predicted was {CONTENT[cases.kind].format(**named)}, for {len(cases)} patients{slides}"
        + (f" ({cases.counted})" if cases.counts else "")
        + f"; {seen}."
    )


def in_words(result: Result) -> str:
    """The headline as a sentence."""
    score, cases = result.scores[0], result.cases
    if np.isnan(score.value):
        return f"No score: {score.note}."
    hundred = round(score.value * 100)
    if cases.kind == "binary":
        negative, positive = cases.classes
        return (
            f"Of 100 pairs of one {positive} and one {negative} patient, it scores the {positive} patient "
            f"higher in about {hundred}; guessing would in 50."
        )
    if cases.kind == "survival":
        return (
            f"Of 100 pairs of patients of whom it is known who had the event first, it gives that one the "
            f"higher risk in about {hundred}; guessing would in 50."
        )
    if cases.kind == "ordinal":
        off = np.abs(cases.answer - cases.truth)
        return (
            f"The called grade is right for {np.mean(off == 0):.0%} of patients and at most one off for "
            f"{np.mean(off <= 1):.0%}. Kappa is 0 for guessing and 1 for perfect agreement."
        )
    meaning = score.meaning[0].upper() + score.meaning[1:]
    return f"{meaning}. Guessing would give {0.5 if cases.kind == 'multiclass' else 0:g}."


def sure(score: Score, cases: Cases) -> str:
    """The interval as a sentence."""
    if not np.isfinite(score.low):
        return ""
    guess = {"regression": 0.0, "ordinal": 0.0}.get(cases.kind, 0.5)
    told = (
        f"With {len(cases)} patients, true values from {number(score.low)} to {number(score.high)} would "
        "be no surprise"
    )
    if score.low > guess:
        return f"{told}; all of them are better than guessing ({guess:g})."
    if score.high < guess:
        return f"{told}; all of them are worse than guessing ({guess:g}): look for labels that are swapped."
    return f"{told}, and guessing ({guess:g}) is among them: nothing is shown to be predicted."
