"""A threshold chosen on tuning patients by a stated rule, and what it does to test patients.

In cross-validation every run chooses on tuning patients of its own and calls its own test patients; the calls
of all runs are then counted together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histopress.core.errors import PredictionsError, RecipeError
from histopress.data.predictions import ENSEMBLE
from histopress.metrics import class_scores
from histopress.metrics.intervals import UNKNOWN, Interval, bootstrap, wilson

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
RuleName = Literal["youden", "f1", "sensitivity", "specificity", "cost"]

POOLED = "each run's own threshold, chosen on its tuning patients, calls its test patients; all runs together"


@dataclass(frozen=True)
class ThresholdRule:
    """How a threshold is chosen.

    Attributes:
        name: "youden" and "f1" take the highest of that score; "sensitivity" and "specificity" the best other
            one among thresholds that reach `value`; "cost" the cheapest if a missed positive costs as much
            as `value` false alarms.
        value: share of "sensitivity" or "specificity", or the ratio of "cost".
    """

    name: RuleName
    value: float = math.nan

    def __post_init__(self) -> None:
        fine = {
            "youden": math.isnan(self.value),
            "f1": math.isnan(self.value),
            "sensitivity": 0 < self.value <= 1,
            "specificity": 0 < self.value <= 1,
            "cost": self.value > 0 and math.isfinite(self.value),
        }
        if not fine.get(self.name, False):
            raise RecipeError(
                f"threshold rule {self.name}:{self.value:g}, expected youden, f1, sensitivity:0.95, "
                "specificity:0.9 or cost:5; correct it"
            )

    @classmethod
    def parse(cls, text: str) -> ThresholdRule:
        """Read "youden", "f1", "sensitivity:0.95", "specificity:0.9" or "cost:5"."""
        name, _, value = text.partition(":")
        try:
            return cls(name, float(value) if value else math.nan)  # type: ignore[arg-type]
        except ValueError as error:
            raise RecipeError(
                f"threshold rule {text!r}, expected a number behind the colon, as in sensitivity:0.95; "
                "correct it"
            ) from error

    def __str__(self) -> str:
        return {
            "youden": "highest sum of sensitivity and specificity (Youden)",
            "f1": "highest F1",
            "sensitivity": f"highest specificity at a sensitivity of {self.value:g} or more",
            "specificity": f"highest sensitivity at a specificity of {self.value:g} or more",
            "cost": f"lowest cost, a missed positive costing as much as {self.value:g} false alarms",
        }[self.name]


@dataclass(frozen=True)
class Scored:
    """Answers for patients of two classes.

    Attributes:
        positive: (cases,) the truth.
        score: (cases,) higher for more likely positive.
        run: (cases,) run that answered.
    """

    positive: Flags
    score: Array
    run: NDArray[np.str_]


@dataclass(frozen=True)
class Proportion:
    """A share of test patients.

    Attributes:
        name: "sensitivity", "specificity", "positive predictive value" or "negative predictive value".
        hits: patients that count.
        trials: patients among whom.
        value: hits / trials; NaN without trials.
        wilson: score interval, right for one row a patient.
        bootstrap: over patients.
    """

    name: str
    hits: int
    trials: int
    value: float
    wilson: Interval
    bootstrap: Interval

    @property
    def plain(self) -> dict[str, Any]:
        """As plain values for JSON; None for what is undefined."""
        numbers = {
            "value": self.value,
            "low": self.wilson.low,
            "high": self.wilson.high,
            "bootstrap_low": self.bootstrap.low,
            "bootstrap_high": self.bootstrap.high,
        }
        finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        return {"name": self.name, "hits": self.hits, "trials": self.trials, **finite}


def choose_threshold(rule: ThresholdRule, positive: Flags, score: Array) -> float:
    """The threshold that fits the rule best on tuning patients; of equal ones the lowest, which misses fewer.

    A case is called from the threshold on; it lies in the middle between two scores that occur.

    Args:
        rule: what is best.
        positive: (cases,) both classes must occur.
        score: (cases,).
    """
    levels = np.unique(score)
    called = score[:, None] >= np.append(levels, np.inf)
    found = (called & positive[:, None]).sum(axis=0)
    alarms = (called & ~positive[:, None]).sum(axis=0)
    best = int(np.argmax(_merit(rule, found, alarms, (int(positive.sum()), int((~positive).sum())))))
    middles = np.concatenate([levels[:1], (levels[1:] + levels[:-1]) / 2, [np.nextafter(levels[-1], np.inf)]])
    return float(middles[best])


def thresholds_by_run(rule: ThresholdRule, tuning: Scored) -> dict[str, float]:
    """The threshold of every run, chosen on its own tuning patients.

    Args:
        rule: what is best.
        tuning: answers of all runs for their tuning patients.

    Raises:
        PredictionsError: the tuning patients of a run are of one class.
    """
    chosen = {}
    for name in map(str, np.unique(tuning.run)):
        own = tuning.run == name
        positive = tuning.positive[own]
        if positive.all() or not positive.any():
            raise PredictionsError(
                f"run {name} has {len(positive)} tuning patients of one class, expected both; no threshold "
                "can be chosen: make fewer folds, or a larger tuning part"
            )
        chosen[name] = choose_threshold(rule, positive, tuning.score[own])
    return chosen


def call(score: Array, run: ArrayLike, thresholds: dict[str, float]) -> Flags:
    """(cases,) whether each case is called, by the threshold of the run that answered.

    Args:
        score: (cases,).
        run: (cases,) run that answered; that of an ensemble, "mean", is called by the mean of
            all thresholds.
        thresholds: of every run.

    Raises:
        PredictionsError: a run has no threshold.
    """
    known = thresholds | {ENSEMBLE: float(np.mean(list(thresholds.values())))}
    runs = [str(name) for name in np.asarray(run)]
    missing = sorted(set(runs) - set(known))
    if missing:
        raise PredictionsError(
            f"no threshold for run {', '.join(missing)}, found {', '.join(thresholds)}; expected rows of "
            "part tuning of every run; give the table that `train` wrote"
        )
    return np.asarray(score >= np.array([known[name] for name in runs]))


def proportions(
    positive: Flags, called: Flags, patients: ArrayLike, counts: NDArray[np.uint16], level: float
) -> tuple[Proportion, ...]:
    """Sensitivity, specificity and predictive values of calls, with intervals.

    Args:
        positive: (cases,) the truth.
        called: (cases,) the calls, see `call`.
        patients: (cases,) id of the patient of every case.
        counts: see `intervals.draw_resamples`.
        level: confidence, for example 0.95.
    """
    tables = (
        ("sensitivity", class_scores.sensitivity, called, positive),
        ("specificity", class_scores.specificity, ~called, ~positive),
        ("positive predictive value", class_scores.positive_predictive_value, positive, called),
        ("negative predictive value", class_scores.negative_predictive_value, ~positive, ~called),
    )
    found = []
    for name, score, right, among in tables:
        hits, trials = int((right & among).sum()), int(among.sum())
        if not trials:
            found.append(Proportion(name, 0, 0, math.nan, UNKNOWN, UNKNOWN))
            continue
        limits = Interval(*wilson(hits / trials, trials, level), "score interval (Wilson)")
        drawn = bootstrap(_of_weights(score, positive, called), patients, counts, level)
        found.append(Proportion(name, hits, trials, hits / trials, limits, drawn))
    return tuple(found)


def _of_weights(score: Callable[..., Array], positive: Flags, called: Flags) -> Callable[[Array], Array]:
    return lambda weights: score(positive, called, weights)


def _merit(
    rule: ThresholdRule, found: NDArray[np.int64], alarms: NDArray[np.int64], of: tuple[int, int]
) -> Array:
    """(thresholds,) how good each is; found and alarms are called, of so many positives and negatives."""
    sensitivity, specificity = found / of[0], 1 - alarms / of[1]
    if rule.name == "youden":
        return np.round(sensitivity + specificity, 12)
    if rule.name == "f1":
        return np.asarray(2 * found / (found + alarms + of[0]))
    if rule.name == "cost":
        return np.asarray(-(rule.value * (of[0] - found) + alarms))
    held, other = (sensitivity, specificity) if rule.name == "sensitivity" else (specificity, sensitivity)
    return np.where(held >= rule.value - 1e-12, other, -1.0)
