"""What was done, in the words of a paper's methods section."""

from __future__ import annotations

from histopress.data.predictions import ENSEMBLE
from histopress.metrics.measures import FEW
from histopress.metrics.results import Result, Sureness

CALLED = {
    "binary": (
        " Sensitivity, specificity and balanced accuracy call a patient positive from a probability of 0.5; "
        "no threshold was tuned."
    ),
    "multiclass": " The most probable class is called.",
    "regression": "",
}


def describe(result: Result, sureness: Sureness) -> list[str]:
    """Paragraphs that say what was counted, who answered for whom, and how intervals were made."""
    return [_counted(result), _answered(result), _sure(result, sureness), f"Table: {result.source}."]


def _counted(result: Result) -> str:
    cases, slides = result.cases, result.answers.slides
    of = ", ".join(f"{n} {name}" for name, n in cases.counts.items())
    text = f"{len(cases)} patients{f' ({of})' if of else ''} were evaluated, each counting once. "
    if slides is None:
        return text + "The table tells only of patients, not of slides."
    return (
        text + f"They have {slides} slides; the answer for a patient is the mean over the patient's slides."
    )


def _answered(result: Result) -> str:
    answers = result.answers
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
            "answered by the one model whose test part held the patient."
        )
    return who


def _sure(result: Result, sureness: Sureness) -> str:
    strata = "" if result.cases.kind == "regression" else ", within each class"
    return (
        f"Intervals are at {sureness.level:.0%} confidence. Bootstrap intervals are bias-corrected and "
        f"accelerated (BCa), from {sureness.resamples:,} resamples of patients with replacement{strata} "
        f"(seed {sureness.seed}). Where a class has fewer than {FEW} patients, or where the bootstrap "
        "reaches the end of the scale and would claim certainty, a closed form named beside the interval "
        "takes its place. Intervals tell of the choice of patients, not of training the models again."
        + CALLED[result.cases.kind]
    )
