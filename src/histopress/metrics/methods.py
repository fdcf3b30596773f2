"""What was done, in the words of a paper's methods section: it can be pasted, and only says what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from histopress.data.predictions import ENSEMBLE
from histopress.metrics.measure import FEW
from histopress.metrics.results import Result, Sureness

CALLED = {
    "binary": (" Unless said otherwise, calls are made from a probability of 0.5, which was not tuned."),
    "multiclass": " The most probable class is called.",
    "ordinal": " The most probable grade is called; correlations use the expected grade.",
    "survival": (
        " Concordance compares only patients that the same model answered for, as risks of different folds "
        "need not share a scale."
    ),
}


def describe(
    result: Result, sureness: Sureness, record: Mapping[str, Any], further: Sequence[str] = ()
) -> list[str]:
    """Paragraphs that say who was counted, what was trained, who answered, and how sure that is.

    Args:
        result: what is told of.
        sureness: how intervals were made.
        record: of the run, as `run.json` holds it; empty where there is none.
        further: sentences of the sections that were told.
    """
    paragraphs = [
        " ".join(filter(None, (_counted(result), _trained(record), _answered(result)))),
        _sure(result, sureness),
        " ".join(further),
    ]
    return [text for text in paragraphs if text]


def _counted(result: Result) -> str:
    cases, slides = result.cases, result.answers.slides
    of = f" ({cases.counted})" if cases.counts else ""
    text = f"{len(cases)} patients{of} were evaluated, each counting once."
    if slides is None:
        return text + " The table tells only of patients, not of slides."
    return (
        text + f" They have {slides} slides; the answer for a patient is the mean over the patient's slides."
    )


def _trained(record: Mapping[str, Any]) -> str:
    recipe = record.get("recipe", {})
    head = recipe.get("head") or recipe.get("heads")
    if not head:
        return ""
    version = record.get("environment", {}).get("histopress", "of unknown version")
    named = head if isinstance(head, str) else ", ".join(map(str, head))
    text = f"Models ({named}) were trained with histopress {version}"
    folds, seed = recipe.get("folds"), recipe.get("seed")
    if record.get("inputs", {}).get("split"):
        text += " on a split given by the cohort table"
    elif folds:
        text += f" in {folds}-fold cross-validation, split by patient"
    return text + (f" (seed {seed})." if seed is not None else ".")


def _answered(result: Result) -> str:
    answers = result.answers
    if result.foreign:
        return (
            "Predictions were made elsewhere; whether models were trained or tuned on these patients is not "
            "told by the table."
        )
    if answers.parts == ("new",):
        who = "The patients are marked as new: they are no part of the cohort that the models learned from."
    else:
        who = (
            "Every answer comes from a model that was neither trained nor tuned on the patient: rows of the "
            "train and tuning parts are left out."
        )
    if (answers.pooled.fold == ENSEMBLE).any():
        return f"{who} Answers are the mean of several models."
    if len(answers.by_run) > 1:
        return (
            f"{who} The patients of {len(answers.by_run)} cross-validation folds are pooled: each was "
            "answered by the model whose test part held the patient."
        )
    return who


def _sure(result: Result, sureness: Sureness) -> str:
    closed = any(score.method and "bootstrap over" not in score.method for score in result.scores)
    text = (
        f"Intervals are at {sureness.level:.0%} confidence. Bootstrap intervals are bias-corrected and "
        f"accelerated (BCa), from {sureness.resamples:,} resamples of patients with replacement "
        f"(seed {sureness.seed}), expanded for few patients by Student's quantiles (Hesterberg 2015)."
    )
    if closed:
        text += (
            f" Where a class has fewer than {FEW} patients, or where the bootstrap reaches the end of the "
            "scale and would claim certainty, the closed form named beside the interval takes its place."
        )
    return (
        text
        + " Intervals tell of the choice of patients, not of training the models again."
        + CALLED.get(result.cases.kind, "")
    )
