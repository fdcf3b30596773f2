"""What a power study tells in words: the answer, its assumptions, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from histopress.metrics.results import number
from histopress.studies.learning_curve import FAR, TRUSTED
from histopress.studies.planner import Design
from histopress.studies.planting_object import object_size
from histopress.studies.power_answers import (
    MISFIT,
    Answer,
    Control,
    smallest_detected,
    smallest_useful,
)
from histopress.studies.power_cohort import LEAST
from histopress.studies.power_recipe import PowerRecipe


@dataclass(frozen=True)
class Study:
    """All that the report tells.

    Attributes:
        signal: in the words it was asked for.
        recipe: settings.
        design: patients of the planned study.
        negatives: patients that could be planted into.
        slides: of these.
        drawn: whether the slides are drawn noise.
        answers: one for each object-to-image ratio, smallest first.
        control: heads that learned from permuted labels.
        found: what was noticed about the slides.
    """

    signal: str
    recipe: PowerRecipe
    design: Design
    negatives: int
    slides: int
    drawn: bool
    answers: Sequence[Answer]
    control: Control | None
    found: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The answer in two sentences."""
        return in_short(self.answers, self.design, self.negatives, self.recipe)

    @property
    def notes(self) -> tuple[str, ...]:
        """What readers must know."""
        return (*self.found, *notes_of(self.negatives, self.answers, self.control))


def share(o2i: float) -> str:
    """A share of cells in percent, as short as can be."""
    return f"{100 * o2i:.3g} %"


def in_short(answers: Sequence[Answer], design: Design, negatives: int, recipe: PowerRecipe) -> str:
    """The answer in two sentences."""
    if not answers and negatives >= LEAST:
        return (
            "No training was finished, so nothing can be told but how wide the interval of an AUROC will be."
        )
    if not answers:
        return (
            f"With {negatives} negative patients no learning curve can be drawn, {LEAST} are needed; what "
            "is left is how wide the interval of an AUROC will be."
        )
    found, useful = smallest_detected(answers), smallest_useful(answers, recipe.threshold)
    return f"{_told(found, answers, design)} {_useful(useful, answers, recipe.threshold)}"


def _told(found: Answer | None, answers: Sequence[Answer], design: Design) -> str:
    if found is None:
        return (
            f"With {design.patients} patients, no object that was tried, up to {share(answers[-1].o2i)} of "
            "the tissue cells, can be told from chance."
        )
    limit = f"an object of {share(found.o2i)} of the tissue cells"
    if found is answers[0]:
        limit += ", the smallest that was tried,"
    return (
        f"With {design.patients} patients, {limit} can be told from chance: expected AUROC "
        f"{number(found.auroc)}, "
        f"interval [{number(found.report.low)}, {number(found.report.high)}]."
    )


def _useful(found: Answer | None, answers: Sequence[Answer], threshold: float) -> str:
    if found is None:
        return f"None that was tried reaches an AUROC of {threshold:g}."
    tried = " (the smallest that was tried)" if found is answers[0] else ""
    return f"An AUROC of {threshold:g} is reached from {share(found.o2i)}{tried}."


def notes_of(negatives: int, answers: Sequence[Answer], control: Control | None) -> list[str]:
    """What readers must know before they believe the figures."""
    notes = []
    if negatives < LEAST:
        notes.append(
            f"{negatives} negative patients, {LEAST} or more are needed to train and test apart: the "
            "smallest object, and patients for a wanted AUROC, cannot be told"
        )
    if answers and len(answers[-1].curve.scores) == len(answers[-1].curve.sizes):
        notes.append("no training was repeated: how much they scatter is a guess, ask for replicates")
    if answers and answers[-1].reach > TRUSTED:
        notes.append(
            f"the planned study learns from {answers[-1].reach:.1f} times as many patients as could be "
            f"tried: expected AUROCs are extrapolated; beyond {TRUSTED:g} times they should not be relied on"
        )
    bad = [share(a.o2i) for a in answers if a.curve.misfit > MISFIT]
    if bad:
        notes.append(
            f"at {', '.join(bad)} the power law misses a point by more than {MISFIT:g} standard errors: "
            "believe the points, not the curve"
        )
    if control is not None and not control.held:
        notes.append(
            f"heads that learned from permuted labels score {number(control.auroc)}, which excludes chance: "
            "something tells test patients apart, find it before you believe the rest"
        )
    return notes


def same_objects(o2i: Sequence[float], tiles: Sequence[int]) -> list[str]:
    """Ratios that mean the same cells in every slide, as slides are small.

    Args:
        o2i: object-to-image ratios.
        tiles: tissue cells of every slide.
    """
    told: dict[tuple[int, ...], list[float]] = {}
    for ratio in sorted(o2i):
        told.setdefault(tuple(object_size(ratio, n) for n in tiles), []).append(ratio)
    return [
        f"{' and '.join(map(share, same))} are the same cells in every slide, as slides have {min(tiles)} to "
        f"{max(tiles)}: one question, not {len(same)}"
        for same in told.values()
        if len(same) > 1
    ]


def criteria(study: Study) -> list[str]:
    """What the answers mean, in words."""
    recipe, design = study.recipe, study.design
    learned = study.answers[0].learned if study.answers else 0
    return [
        f"The planned study: {design.patients} patients, {share(design.prevalence)} positive, "
        f"{recipe.folds}-fold cross-validation, so that every head learns from {learned} and every patient "
        "is tested once.",
        "Told from chance: the lower limit of the 95 % interval of the expected AUROC, as the report of "
        "that study would show it, lies above 0.5. At that border about every second study finds it; the "
        "chance is in the table, 80 % is the usual wish.",
        f"Useful: the expected AUROC is {recipe.threshold:g} or more.",
        f"Patients needed are those of the whole study. Up to {TRUSTED:g} times what was tried a curve is "
        f"believed, up to {FAR:g} times it is a guess (*), beyond that only the limit is told.",
    ]


def assumptions(study: Study) -> list[str]:
    """What was done, and what it takes for granted."""
    recipe = study.recipe
    where = "drawn noise, not tissue" if study.drawn else "your own grids"
    spoiled = [
        f"{share(recipe.label_noise)} of training labels wrong" if recipe.label_noise else "",
        f"sites {recipe.site_shift:g} standard deviations apart" if recipe.site_shift else "",
        f"site goes with label (confounding {recipe.confounding:g}) in training"
        if recipe.confounding
        else "",
    ]
    told = ", ".join(s for s in spoiled if s) or "right labels, no difference between sites"
    return [
        f"Signal {study.signal}, planted into {study.slides} negative slides of {study.negatives} patients "
        f"({where}): "
        f"{recipe.foci} {'focus' if recipe.foci == 1 else 'foci'}, contrast {recipe.contrast:g}, "
        f"{recipe.inside}; {told}.",
        f"{share(recipe.test_share)} of the patients only test; each is seen without and with the signal. "
        f"The others teach, {recipe.replicates} times for each size, planted anew, each once, with it or "
        "without.",
        f"Head {recipe.head}, {recipe.visits} slides looked at in a training, the epoch chosen by a fifth "
        "of the patients that it learns from.",
        "Curves: AUROC = a - b / n^c, never below 0.5; bands from resampled test patients and the scatter of "
        "replicates. They leave out that your next patients may differ from these.",
    ]


def changes(study: Study) -> list[tuple[str, str]]:
    """What would change the answer: what, and which way."""
    recipe = study.recipe
    return [
        (
            "Encoder",
            "Codes that set the object farther apart need fewer patients. Run this again on grids of "
            "another.",
        ),
        (
            "Head",
            f"{recipe.head} is one of many: heads that average all cells lose small objects, see --head.",
        ),
        ("Contrast", "A fainter object than the one you planted needs more. Try --contrast 0.5."),
        ("Foci", "One focus, or the same cells scattered: heads that look at neighbours tell them apart."),
        ("Context", "An object that counts in one part of the tissue alone is harder: --inside border."),
        ("Label noise", "Wrong labels flatten the curve, and the top with it: --label-noise 0.1."),
        (
            "Sites",
            "Other scanners and stains in training and testing cost; confounded ones mislead: --site-shift "
            "1.",
        ),
        (
            "Prevalence",
            f"Planned with {share(study.design.prevalence)} positive. The rarer class decides how wide the "
            "interval is.",
        ),
        (
            "Test patients",
            "More of them narrow the interval, not the curve; cross-validation tests everybody.",
        ),
    ]
