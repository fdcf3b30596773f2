"""What trainings of a power study answer: curves, the smallest object, patients needed, widths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.metrics.intervals import draw_resamples
from histopress.studies.learning_curve import LEVEL, LearningCurve, Needed, fit_curve
from histopress.studies.planner import Design, Limits, power_above_chance, reported_limits
from histopress.studies.power_recipe import PowerRecipe
from histopress.studies.power_trial import Answered

MISFIT = 3.0
"""Standard errors from the curve beyond which readers are told that it does not fit."""


@dataclass(frozen=True)
class Training:
    """One training that is done.

    Attributes:
        o2i: object-to-image ratio.
        patients: learned from.
        permuted: the null control.
        tested: what the head says.
    """

    o2i: float
    patients: int
    permuted: bool
    tested: Answered


@dataclass(frozen=True)
class Answer:
    """What is to be expected of one object-to-image ratio.

    Attributes:
        o2i: share of the tissue cells.
        curve: AUROC by patients to learn from.
        learned: patients that each head of the planned cross-validation learns from.
        auroc: expected then.
        band: of the expectation: replicates and test patients.
        report: the interval that the report of the planned study is expected to show.
        power: chance that AUROC is found to differ from 0.5 then.
        needed: patients in all for each wanted AUROC, of whom the cross-validation learns its share.
    """

    o2i: float
    curve: LearningCurve
    learned: int
    auroc: float
    band: Limits
    report: Limits
    power: float
    needed: tuple[Needed, ...]

    @property
    def detected(self) -> bool:
        """Whether the lower limit of the expected interval lies above 0.5."""
        return self.report.low > 0.5

    @property
    def reach(self) -> float:
        """How many times the largest number of patients that was tried the planned study learns from."""
        return self.learned / self.curve.tried

    @property
    def row(self) -> dict[str, Any]:
        """As columns of a table."""
        facts: dict[str, Any] = {
            "o2i": self.o2i,
            "learned_from": self.learned,
            "auroc": self.auroc,
            "band_low": self.band.low,
            "band_high": self.band.high,
            "interval_low": self.report.low,
            "interval_high": self.report.high,
            "interval_width": self.report.width,
            "power": self.power,
            "detected": self.detected,
            "extrapolated": self.reach,
            "levels_off_at": float(self.curve.best.top[0]),
            "misfit": self.curve.misfit,
        }
        for needed in self.needed:
            name = f"patients_{needed.score:g}"
            facts |= {
                name: needed.patients,
                f"{name}_low": needed.low,
                f"{name}_high": needed.high,
                f"{name}_trust": needed.trust,
            }
        return facts


@dataclass(frozen=True)
class Control:
    """Heads that learned from permuted labels: they know nothing.

    Attributes:
        trainings: how many.
        auroc: their mean.
        band: of it; should hold 0.5.
    """

    trainings: int
    auroc: float
    band: Limits

    @property
    def held(self) -> bool:
        """Whether chance lies within the band."""
        return self.band.low <= 0.5 <= self.band.high


def answer(o2i: float, trainings: Sequence[Training], design: Design, recipe: PowerRecipe) -> Answer:
    """Fit the curve of one object-to-image ratio, and read it.

    Args:
        o2i: of these trainings.
        trainings: of two sizes or more.
        design: patients of the planned study.
        recipe: settings.
    """
    share = learned_share(recipe)
    curve = fit_curve(
        [t.patients for t in trainings],
        [float(t.tested.auroc()[0]) for t in trainings],
        resampled=resampled(trainings, recipe),
        seed=recipe.seed,
    )
    learned = round(share * design.patients)
    expected = float(curve.at([learned])[0])
    low, high = curve.band([learned])
    return Answer(
        o2i=o2i,
        curve=curve,
        learned=learned,
        auroc=expected,
        band=Limits(float(low[0]), float(high[0])),
        report=reported_limits(expected, design),
        power=power_above_chance(expected, design),
        needed=tuple(_in_all(curve.needed(target), share) for target in recipe.targets),
    )


def control(trainings: Sequence[Training], recipe: PowerRecipe) -> Control:
    """What heads with permuted labels score: chance, if nothing leaks.

    Args:
        trainings: all permuted.
        recipe: settings.
    """
    scores = np.array([float(t.tested.auroc()[0]) for t in trainings])
    moved = resampled(trainings, recipe)
    random = np.random.default_rng(recipe.seed)
    drawn = random.integers(0, len(scores), moved.shape)
    means = np.take_along_axis(moved, drawn, axis=1).mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    mean = float(scores.mean())
    return Control(len(scores), mean, Limits(min(float(low), mean), max(float(high), mean)))


def resampled(trainings: Sequence[Training], recipe: PowerRecipe) -> NDArray[np.float64]:
    """(resamples, trainings) AUROC of the same resamples of test patients, drawn with both answers."""
    patients = trainings[0].tested.patients
    counts = draw_resamples(patients, None, recipe.resamples, recipe.seed).astype(np.float64)
    return np.stack([training.tested.auroc(counts) for training in trainings], axis=1)


def learned_share(recipe: PowerRecipe) -> float:
    """Share of all patients that a head of the planned cross-validation learns from, tuning included."""
    return (recipe.folds - 1) / recipe.folds


def smallest_detected(answers: Sequence[Answer]) -> Answer | None:
    """The smallest object that is told from chance, if all larger ones are, too."""
    return _smallest(answers, [a.detected for a in answers])


def smallest_useful(answers: Sequence[Answer], threshold: float) -> Answer | None:
    """The smallest object whose expected AUROC reaches the threshold, if those of all larger ones do, too."""
    return _smallest(answers, [a.auroc >= threshold for a in answers])


def _smallest(answers: Sequence[Answer], passed: Sequence[bool]) -> Answer | None:
    found = None
    for one, good in sorted(zip(answers, passed, strict=True), key=lambda pair: -pair[0].o2i):
        if not good:
            break
        found = one
    return found


def _in_all(needed: Needed, share: float) -> Needed:
    """Patients of the whole study instead of those that a head learns from."""
    return Needed(
        needed.score,
        needed.patients / share,
        needed.low / share,
        needed.high / share,
        round(needed.tried / share),
        round(needed.least / share),
    )
