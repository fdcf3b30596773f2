"""Can a power study be believed? Half of a phantom cohort predicts what all of it then really gives.

The half is a study of its own: other test patients, fewer to learn from. Its curve is read at as many
patients as the whole cohort learns from, about twice what it has tried.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from histopress.core.errors import RecipeError
from histopress.core.files import write_whole
from histopress.studies.learning_curve import LEVEL, LearningCurve
from histopress.studies.power_recipe import PowerRecipe

TOLERANCE = 0.05
"""AUROC by which a prediction may be off and still be of use."""


@dataclass(frozen=True)
class Prediction:
    """What half a cohort said, and what all of it gave.

    Attributes:
        cohort: number of the phantom cohort.
        o2i: object-to-image ratio.
        tried: patients that the half has learned from at most.
        learned: patients that the whole learns from.
        predicted: AUROC by the curve of the half.
        low: limit of its band.
        high: limit of its band.
        reached: AUROC of the whole, mean over replicates.
        sd: standard error of that.
    """

    cohort: int
    o2i: float
    tried: int
    learned: int
    predicted: float
    low: float
    high: float
    reached: float
    sd: float

    @property
    def error(self) -> float:
        """How much too high the prediction was."""
        return self.predicted - self.reached

    @property
    def covered(self) -> bool:
        """Whether the band, widened by what is not known of the whole, holds what it reached."""
        reach = 1.96 * self.sd
        below, above = self.predicted - self.low, self.high - self.predicted
        return -math.hypot(above, reach) <= self.error <= math.hypot(below, reach)

    @property
    def row(self) -> dict[str, Any]:
        """As columns of a table."""
        return {**vars(self), "error": self.error, "covered": self.covered}


@dataclass(frozen=True)
class Calibration:
    """How predictions fared.

    Attributes:
        predictions: one for each phantom cohort and object-to-image ratio.
    """

    predictions: Sequence[Prediction]

    @property
    def facts(self) -> dict[str, Any]:
        """Bias, spread, and how many bands held, over all and by object-to-image ratio."""
        by = {f"{o:g}": _facts([p for p in self.predictions if p.o2i == o]) for o in self._ratios}
        return {**_facts(self.predictions), "by_o2i": by}

    @property
    def text(self) -> str:
        """For people."""
        facts = self.facts
        return (
            f"{facts['covered']} of {facts['predictions']} bands (asked: {LEVEL:.0%}) hold what the whole "
            f"cohort gave; predictions are off by {facts['bias']:+.3f} on average, {facts['error']:.3f} in "
            f"the mean of sizes; {facts['close']} within {TOLERANCE:g}"
        )

    @property
    def _ratios(self) -> list[float]:
        return sorted({p.o2i for p in self.predictions})


def calibrate(signal: str, output: Path, recipe: PowerRecipe, cohorts: int = 6) -> Calibration:
    """Study halves and wholes of phantom cohorts.

    Args:
        signal: what is planted, an effect.
        output: folder; what is there is not done again.
        recipe: of the whole cohort; `patients` are halved, and `sizes` must be left to it.
        cohorts: how many; their seeds follow that of the recipe.

    Raises:
        RecipeError: the recipe names sizes.
    """
    if recipe.sizes:
        raise RecipeError(f"sizes {recipe.sizes} are named, expected none: halves and wholes have their own")
    predictions = []
    for number in range(cohorts):
        own = replace(recipe, seed=recipe.seed + 1000 * number)
        predictions += _one_cohort(signal, output / f"cohort-{number}", own, number)
    calibration = Calibration(predictions)
    _write(calibration, output)
    return calibration


def predicted(
    half: LearningCurve, learned: int, scores: Sequence[float], sd: float, *, cohort: int, o2i: float
) -> Prediction:
    """Read the curve of the half where the whole learned, and set what that reached beside it.

    Args:
        half: curve of half the cohort.
        learned: patients that the whole learned from.
        scores: AUROC of its trainings.
        sd: standard error of their mean.
        cohort: number of the cohort.
        o2i: object-to-image ratio.
    """
    low, high = half.band([learned])
    value = float(half.at([learned])[0])
    return Prediction(
        cohort, o2i, half.tried, learned, value, float(low[0]), float(high[0]), float(np.mean(scores)), sd
    )


def _one_cohort(signal: str, output: Path, recipe: PowerRecipe, number: int) -> list[Prediction]:
    """The study of the half, the trainings of the whole, and what either says."""
    from histopress.studies.power import study_power
    from histopress.studies.power_plan import Plan, train_all

    half = study_power(None, None, signal, output / "half", replace(recipe, patients=recipe.patients // 2))
    plan = Plan.of(None, None, signal, recipe)
    found, _ = train_all(plan, output / "whole", [plan.pool])
    rows = []
    for answer in half.answers:
        own = [t for t in found if t.o2i == answer.o2i and not t.permuted]
        if own:
            scores, sd = reached(own, recipe)
            rows.append(predicted(answer.curve, plan.pool, scores, sd, cohort=number, o2i=answer.o2i))
    return rows


def reached(trainings: Sequence[Any], recipe: PowerRecipe) -> tuple[list[float], float]:
    """(AUROC of each training, standard error of their mean, from test patients and replicates)."""
    from histopress.studies.power_answers import resampled

    scores = [float(t.tested.auroc()[0]) for t in trainings]
    tested = float(resampled(trainings, recipe).mean(axis=1).std(ddof=1))
    repeated = float(np.std(scores, ddof=1)) / math.sqrt(len(scores)) if len(scores) > 1 else 0.0
    return scores, math.hypot(tested, repeated)


def _facts(predictions: Sequence[Prediction]) -> dict[str, Any]:
    errors = np.array([p.error for p in predictions])
    return {
        "predictions": len(predictions),
        "covered": sum(p.covered for p in predictions),
        "close": int((np.abs(errors) <= TOLERANCE).sum()),
        "bias": float(errors.mean()) if len(errors) else math.nan,
        "error": float(np.abs(errors).mean()) if len(errors) else math.nan,
    }


def _write(calibration: Calibration, output: Path) -> None:
    """Write calibration.csv and calibration.json."""
    import json

    import pandas as pd

    table = pd.DataFrame([p.row for p in calibration.predictions])
    write_whole(output / "calibration.csv", table.to_csv(index=False, lineterminator="\n"))
    told = {"text": calibration.text, **calibration.facts}
    write_whole(output / "calibration.json", json.dumps(told, indent=2) + "\n")
