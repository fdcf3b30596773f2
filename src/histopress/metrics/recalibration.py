"""Probabilities put right on tuning data: temperature, logistic (Platt) and isotonic.

In cross-validation every run is put right on tuning patients of its own; the test part has no say.
Temperature serves any number of classes and ordered grades; it and the logistic form keep the order of the
patients of two classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from histopress.core.errors import PredictionsError
from histopress.metrics.calibration import calibration_line, log_odds, logistic
from histopress.metrics.probability_scores import SMALLEST

Array = NDArray[np.float64]
Method = Literal["temperature", "logistic", "isotonic"]

LIMITS = (0.05, 20.0)
"""Lowest and highest temperature."""


class Recalibration(Protocol):
    """What puts probabilities right."""

    def __call__(self, probabilities: Array) -> Array:
        """(cases, classes) -> (cases, classes)."""

    def __str__(self) -> str:
        """In words, with its numbers."""


@dataclass(frozen=True)
class Temperature:
    """Log probabilities divided by one number (Guo, ICML 2017).

    Attributes:
        value: above 1 makes answers less sure.
    """

    value: float

    def __call__(self, probabilities: Array) -> Array:
        """(cases, classes) -> (cases, classes)."""
        logits = np.log(np.clip(probabilities, SMALLEST, 1.0)) / self.value
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def __str__(self) -> str:
        return f"temperature {self.value:.3g}"


@dataclass(frozen=True)
class Logistic:
    """Log odds of the positive class on a new line (Platt 1999).

    Attributes:
        intercept: added to the log odds.
        slope: by which they are multiplied before.
    """

    intercept: float
    slope: float

    def __call__(self, probabilities: Array) -> Array:
        """(cases, 2) -> (cases, 2)."""
        return _of_two(logistic(self.intercept + self.slope * log_odds(probabilities[:, 1])))

    def __str__(self) -> str:
        return f"logistic, intercept {self.intercept:.3g}, slope {self.slope:.3g}"


@dataclass(frozen=True)
class Isotonic:
    """Any rising steps, of each class against the others (Zadrozny and Elkan, KDD 2002).

    Attributes:
        steps: of every class that is mapped, (told, true) probabilities at the corners; of two classes only
            the positive one.
    """

    steps: tuple[tuple[Array, Array], ...]

    def __call__(self, probabilities: Array) -> Array:
        """(cases, classes) -> (cases, classes)."""
        first = probabilities.shape[1] - len(self.steps)
        mapped = np.stack(
            [np.interp(probabilities[:, first + i], *corners) for i, corners in enumerate(self.steps)], axis=1
        )
        if len(self.steps) == 1:
            return _of_two(mapped[:, 0])
        total = mapped.sum(axis=1, keepdims=True)
        return np.where(total > 0, mapped / np.where(total > 0, total, 1.0), probabilities)

    def __str__(self) -> str:
        return f"isotonic, {' and '.join(str(len(told)) for told, _ in self.steps)} corners"


@dataclass(frozen=True)
class Tuning:
    """Answers for tuning patients, from which a recalibration is learned.

    Attributes:
        truth: (cases,) class numbers.
        probabilities: (cases, classes).
        run: (cases,) run that answered.
    """

    truth: NDArray[np.int64]
    probabilities: Array
    run: NDArray[np.str_]


def recalibrate(
    method: Method, tuning: Tuning, probabilities: Array, run: ArrayLike
) -> tuple[Array, dict[str, Recalibration]]:
    """Put the answers of every run right by what its own tuning patients show.

    Args:
        method: "temperature" for any classes; "logistic" for two; "isotonic" for any, given many patients.
        tuning: answers of all runs for their tuning patients.
        probabilities: (cases, classes) of the cases to put right.
        run: (cases,) run that answered each.

    Returns:
        (cases, classes), and what was fitted for every run.

    Raises:
        PredictionsError: a run has no tuning patients, or too few classes among them.
    """
    run, result = np.asarray(run, np.str_), np.empty_like(probabilities)
    fitted: dict[str, Recalibration] = {}
    for name in map(str, np.unique(run)):
        own = tuning.run == name
        if len(np.unique(tuning.truth[own])) < 2:
            raise PredictionsError(
                f"run {name} has {int(own.sum())} tuning patients of fewer than two classes, expected two "
                "classes at least; give a table that holds rows of part tuning, or do not recalibrate"
            )
        fitted[name] = FITS[method](tuning.truth[own], tuning.probabilities[own])
        result[run == name] = fitted[name](probabilities[run == name])
    return result, fitted


def fit_temperature(truth: NDArray[np.int64], probabilities: Array) -> Temperature:
    """The temperature of the lowest log loss, within `LIMITS`.

    Args:
        truth: (cases,) class numbers.
        probabilities: (cases, classes).
    """
    logs = np.log(np.clip(probabilities, SMALLEST, 1.0))
    own = logs[np.arange(len(truth)), truth]

    def loss(inverse: float) -> float:
        return float((np.logaddexp.reduce(logs * inverse, axis=1) - own * inverse).mean())

    found = minimize_scalar(
        loss, bounds=(1 / LIMITS[1], 1 / LIMITS[0]), method="bounded", options={"xatol": 1e-6}
    )
    return Temperature(1 / float(found.x))


def fit_logistic(truth: NDArray[np.int64], probabilities: Array) -> Logistic:
    """The likeliest line, with Platt's softened targets so that it exists even where classes are separated.

    Args:
        truth: (cases,) 0 or 1.
        probabilities: (cases, 2).
    """
    if probabilities.shape[1] != 2:
        raise PredictionsError(
            f"logistic recalibration found {probabilities.shape[1]} classes, expected 2; use temperature"
        )
    positives, negatives = int((truth == 1).sum()), int((truth != 1).sum())
    targets = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    intercept, slope = calibration_line(targets, probabilities[:, 1])
    if not np.isfinite(slope[0]):
        return Logistic(float(log_odds(targets.mean())), 0.0)
    return Logistic(float(intercept[0]), float(slope[0]))


def fit_isotonic(truth: NDArray[np.int64], probabilities: Array) -> Isotonic:
    """The rising steps of least squares, of every class against the others.

    Args:
        truth: (cases,) class numbers.
        probabilities: (cases, classes).
    """
    from sklearn.isotonic import IsotonicRegression

    classes = probabilities.shape[1]
    steps = []
    for c in range(1 if classes == 2 else 0, classes):
        model = IsotonicRegression(y_min=0.0, y_max=1.0).fit(probabilities[:, c], truth == c)
        steps.append((np.asarray(model.X_thresholds_), np.asarray(model.y_thresholds_)))
    return Isotonic(tuple(steps))


def _of_two(positive: Array) -> Array:
    return np.stack([1 - positive, positive], axis=1)


FITS: dict[Method, Callable[[NDArray[np.int64], Array], Recalibration]] = {
    "temperature": fit_temperature,
    "logistic": fit_logistic,
    "isotonic": fit_isotonic,
}
