"""The scores of classes: two, several, and several in order."""

from __future__ import annotations

import math

from histopress.metrics import class_scores, probability_scores, scores
from histopress.metrics.case_arrays import Cases
from histopress.metrics.measure import Array, Measure, two_classes
from histopress.metrics.measures_limits import (
    BOYD,
    MEAN,
    NEWCOMBE,
    SHARE,
    WILSON,
    accuracy_limits,
    area_limits,
    f1_limits,
    mcc_limits,
    precision_limits,
)


def shares(cases: Cases) -> list[float]:
    """Share of the patients of every class."""
    return [n / len(cases) for n in cases.counts.values()]


def _area(cases: Cases, weights: Array | None) -> Array:
    if cases.kind == "binary":
        return scores.auroc(cases.positive, cases.score, weights)
    return scores.macro(scores.auroc, cases.truth, cases.probabilities, weights)


def _precision(cases: Cases, weights: Array | None) -> Array:
    if cases.kind == "binary":
        return scores.average_precision(cases.positive, cases.score, weights)
    return scores.macro(scores.average_precision, cases.truth, cases.probabilities, weights)


def _accuracy(cases: Cases, weights: Array | None) -> Array:
    return scores.balanced_accuracy(cases.truth, cases.answer, weights)


def _f1(cases: Cases, weights: Array | None) -> Array:
    if cases.kind == "binary":
        return class_scores.f1(cases.positive, cases.answer == 1, weights)
    return class_scores.macro_f1(cases.truth, cases.answer, weights)


def _brier(cases: Cases, weights: Array | None) -> Array:
    if cases.kind == "binary":
        return probability_scores.brier(cases.positive, cases.score, weights)
    return probability_scores.multiclass_brier(cases.truth, cases.probabilities, weights)


def _calibration(cases: Cases, weights: Array | None) -> Array:
    if cases.kind == "binary":
        return probability_scores.calibration_error(cases.positive, cases.score, weights)
    return probability_scores.top_label_calibration_error(cases.truth, cases.probabilities, weights)


def _present(cases: Cases) -> list[float]:
    return [share for share in shares(cases) if share]


def _spread(cases: Cases) -> float:
    """Brier score of saying of everybody what the shares of the classes are."""
    rest = 1 - sum(share**2 for share in shares(cases))
    return rest / 2 if cases.kind == "binary" else rest


CORRELATION = (-1.0, 1.0)

AUROC = Measure(
    "auroc",
    "AUROC",
    "chance that a random positive patient scores above a random negative one",
    _area,
    limits=area_limits,
    method=NEWCOMBE,
    chance=lambda _: 0.5,
    needs=two_classes,
)
MACRO_AUROC = Measure(
    "macro_auroc",
    "macro AUROC",
    "AUROC of each class against all others, averaged over classes",
    _area,
    limits=area_limits,
    method=NEWCOMBE + MEAN,
    chance=lambda _: 0.5,
    needs=two_classes,
)
MCC = Measure(
    "mcc",
    "MCC",
    "Matthews' correlation of called and true classes: 0 for guessing, 1 at best",
    lambda c, w: class_scores.mcc(c.truth, c.answer, w),
    ends=CORRELATION,
    limits=mcc_limits,
    method="limits of balanced accuracy, rescaled",
    chance=lambda _: 0.0,
    needs=two_classes,
)
LOG_LOSS = Measure(
    "log_loss",
    "Log loss",
    "mean of -ln(probability of the true class); 0 at best, sure and wrong answers cost most",
    lambda c, w: probability_scores.log_loss(c.truth, c.probabilities, w),
    ends=(0.0, math.inf),
    chance=lambda c: -sum(share * math.log(share) for share in _present(c)),
    higher=False,
)

BINARY = (
    AUROC,
    Measure(
        "average_precision",
        "Average precision",
        "precision averaged over the positive patients, from the highest score down",
        _precision,
        limits=precision_limits,
        method=BOYD,
        chance=lambda c: shares(c)[-1],
        needs=two_classes,
    ),
    Measure(
        "balanced_accuracy",
        "Balanced accuracy",
        "mean of sensitivity and specificity at a probability of 0.5",
        _accuracy,
        limits=accuracy_limits,
        method=WILSON,
        chance=lambda _: 0.5,
        needs=two_classes,
    ),
    Measure(
        "f1",
        "F1",
        "harmonic mean of sensitivity and positive predictive value at a probability of 0.5",
        _f1,
        limits=f1_limits,
        method=SHARE,
        needs=two_classes,
    ),
    MCC,
    Measure(
        "brier",
        "Brier score",
        "mean squared distance of the probability to what came true; 0 at best",
        _brier,
        chance=_spread,
        higher=False,
    ),
    LOG_LOSS,
    Measure(
        "calibration_error",
        "Calibration error (ECE)",
        "mean distance between what was said and how often it came true; chance alone lifts it above 0",
        _calibration,
        higher=False,
        biased=True,
    ),
)
SEVERAL = (
    Measure(
        "macro_average_precision",
        "macro average precision",
        "average precision of each class against all others, averaged over classes",
        _precision,
        limits=precision_limits,
        method=BOYD + MEAN,
        chance=lambda c: sum(_present(c)) / len(_present(c)),
        needs=two_classes,
    ),
    Measure(
        "balanced_accuracy",
        "Balanced accuracy",
        "share of patients called right, averaged over classes; the most probable class is called",
        _accuracy,
        limits=accuracy_limits,
        method=WILSON,
        chance=lambda c: 1 / len(_present(c)),
        needs=two_classes,
    ),
    Measure(
        "macro_f1",
        "macro F1",
        "harmonic mean of recall and precision of each class, averaged over classes",
        _f1,
        limits=f1_limits,
        method=SHARE,
        needs=two_classes,
    ),
    MCC,
    Measure(
        "brier",
        "Brier score",
        "squared distances of the probabilities to what came true, summed over classes; 0 to 2, 0 at best",
        _brier,
        ends=(0.0, 2.0),
        chance=_spread,
        higher=False,
    ),
    LOG_LOSS,
    Measure(
        "calibration_error",
        "Calibration error (ECE)",
        "mean distance between the probability of the called class and how often the call was right",
        _calibration,
        higher=False,
        biased=True,
    ),
)
MULTICLASS = (MACRO_AUROC, *SEVERAL)
