"""The scores of grades: classes in order."""

from __future__ import annotations

import numpy as np

from histopress.metrics import class_scores, probability_scores, scores
from histopress.metrics.case_arrays import Cases
from histopress.metrics.measure import Measure, three_patients, two_classes
from histopress.metrics.measures_classes import CORRELATION, LOG_LOSS, MACRO_AUROC, SEVERAL
from histopress.metrics.measures_numbers import rank_limits


def _ranks_known_from_shares(cases: Cases) -> float:
    """Ranked probability score of saying of everybody what the shares of the grades are."""
    counts = np.array(list(cases.counts.values()), np.float64)
    said = np.broadcast_to(counts / counts.sum(), (len(cases), len(counts)))
    return float(probability_scores.ranked_probability_score(cases.truth, said)[0])


ORDINAL = (
    Measure(
        "quadratic_kappa",
        "Quadratic kappa",
        "agreement of called and true grade beyond chance; two grades off costs four times as much as one",
        lambda c, w: class_scores.quadratic_kappa(c.truth, c.answer, w),
        ends=CORRELATION,
        chance=lambda _: 0.0,
        needs=two_classes,
    ),
    MACRO_AUROC,
    Measure(
        "mae",
        "Mean error in grades",
        "mean distance of the called grade to the true one",
        lambda c, w: scores.mean_absolute_error(c.truth, c.answer, w),
        ends=(0.0, np.inf),
        higher=False,
    ),
    Measure(
        "spearman",
        "Spearman",
        "correlation of the ranks of expected and true grade",
        lambda c, w: scores.spearman(c.truth, c.score, w),
        ends=CORRELATION,
        limits=rank_limits,
        method="Fisher's z (Bonett and Wright 2000)",
        chance=lambda _: 0.0,
        needs=lambda c: three_patients(c) or two_classes(c),
    ),
    *(m for m in SEVERAL if m.name in ("balanced_accuracy", "calibration_error")),
    Measure(
        "ranked_probability_score",
        "Ranked probability score",
        "Brier score over the steps between grades: near misses cost less; 0 at best",
        lambda c, w: probability_scores.ranked_probability_score(c.truth, c.probabilities, w),
        chance=_ranks_known_from_shares,
        higher=False,
    ),
    LOG_LOSS,
)
