from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from histopress.metrics.case_arrays import Cases
from histopress.metrics.intervals import draw_resamples
from histopress.metrics.measures import BINARY, MULTICLASS, REGRESSION, Measure, measures, recalls


def two_classes(positive: np.ndarray, score: np.ndarray) -> Cases:
    p = 1 / (1 + np.exp(-score))
    return Cases(
        kind="binary",
        classes=("normal", "tumour"),
        patients=np.array([f"P{i:04d}" for i in range(len(p))]),
        truth=positive.astype(int),
        probabilities=np.stack([1 - p, p], axis=1),
        score=p,
        fold=np.full(len(p), "0"),
    )


def numbers(truth: np.ndarray, score: np.ndarray) -> Cases:
    return Cases(
        kind="regression",
        classes=(),
        patients=np.array([f"P{i:04d}" for i in range(len(truth))]),
        truth=truth,
        probabilities=np.zeros((len(truth), 0)),
        score=score,
        fold=np.full(len(truth), "0"),
    )


def several_classes(truth: np.ndarray, probabilities: np.ndarray) -> Cases:
    return Cases(
        kind="multiclass",
        classes=tuple("abcdefg"[: probabilities.shape[1]]),
        patients=np.array([f"P{i:04d}" for i in range(len(truth))]),
        truth=truth,
        probabilities=probabilities,
        score=np.full(len(truth), np.nan),
        fold=np.full(len(truth), "0"),
    )


def drawn(cases: Cases, resamples: int = 400) -> np.ndarray:
    return draw_resamples(cases.patients, cases.strata, resamples, seed=0)


CLOSED = [m for m in BINARY if m.limits is not None]
CLOSED_SEVERAL = [m for m in MULTICLASS if m.limits is not None]


@pytest.mark.parametrize("measure", CLOSED, ids=lambda m: m.name)
def test_perfect_separation_is_not_told_as_certainty(measure: Measure) -> None:
    cases = two_classes(np.arange(30) >= 15, np.where(np.arange(30) >= 15, 3.0, -3.0))
    interval = measure.interval(cases, drawn(cases), 0.95)
    assert measure.of(cases) == 1.0
    assert 0.7 < interval.low < 0.95
    assert interval.high == pytest.approx(1.0, abs=1e-9)
    assert "would claim certainty" in interval.method


@pytest.mark.parametrize("measure", CLOSED_SEVERAL, ids=lambda m: m.name)
def test_nor_for_several_classes(measure: Measure) -> None:
    truth = np.arange(48) % 3
    cases = several_classes(truth, np.eye(3)[truth] * 0.7 + 0.1)
    interval = measure.interval(cases, drawn(cases), 0.95)
    assert 0.7 < interval.low < 0.97
    assert "would claim certainty" in interval.method


@pytest.mark.parametrize("measure", REGRESSION[:2], ids=lambda m: m.name)
def test_nor_for_perfect_correlation(measure: Measure) -> None:
    truth = np.linspace(0, 1, 14)
    cases = numbers(truth, 2 * truth + 1)
    interval = measure.interval(cases, drawn(cases), 0.95)
    assert measure.of(cases) == pytest.approx(1.0)
    assert 0.9 < interval.low < 1 - 1e-6
    assert "Fisher" in interval.method


def test_few_patients_of_a_class_get_a_closed_form() -> None:
    rng = np.random.default_rng(0)
    for rare, words in ((9, "few"), (10, "bootstrap")):
        positive = np.arange(60) < rare
        cases = two_classes(positive, rng.normal(size=60) + 0.5 * positive)
        for measure in CLOSED:
            assert words in measure.interval(cases, drawn(cases), 0.95).method


def test_every_interval_holds_its_point() -> None:
    rng = np.random.default_rng(1)
    for size in (2, 5, 9, 12, 40):
        truth = np.arange(3 * size) % 3
        every = [
            two_classes(truth == 0, rng.normal(size=3 * size) + (truth == 0)),
            several_classes(truth, rng.dirichlet(np.ones(3), 3 * size)),
            numbers(rng.normal(size=3 * size), rng.normal(size=3 * size)),
        ]
        for cases in every:
            for measure in (m for m in measures(cases) if not m.biased):
                interval = measure.interval(cases, drawn(cases, 200), 0.95)
                assert interval.low - 1e-9 <= measure.of(cases) <= interval.high + 1e-9
                assert measure.ends[0] <= interval.low
                assert interval.high <= measure.ends[1]


def test_undefined_scores_have_a_reason_and_no_interval() -> None:
    one = two_classes(np.ones(12, bool), np.arange(12.0))
    same = numbers(np.full(9, 2.0), np.arange(9.0))
    tiny = numbers(np.array([1.0, 2.0]), np.array([2.0, 1.0]))
    for cases, reason in (
        (one, "all 12 patients are 'tumour', two classes are needed"),
        (same, "the labels are all the same"),
        (tiny, "2 patients, a correlation needs at least 3"),
    ):
        measure = measures(cases)[0]
        assert measure.undefined(cases) == reason
        assert math.isnan(measure.of(cases))
        assert math.isnan(measure.interval(cases, drawn(cases), 0.95).low)
    assert (
        measures(numbers(np.arange(9.0), np.ones(9)))[0].undefined(numbers(np.arange(9.0), np.ones(9)))
        == "the answers are all the same"
    )
    assert REGRESSION[2].of(same) == pytest.approx(np.abs(np.arange(9) - 2).mean())


def test_a_class_that_nobody_has_is_told() -> None:
    truth = np.arange(24) % 2
    cases = several_classes(truth, np.random.default_rng(0).dirichlet(np.ones(3), 24))
    assert MULTICLASS[0].note(cases) == "mean over the classes that occur; no patient is c"
    assert math.isfinite(MULTICLASS[0].of(cases))


def test_recalls_count_every_class() -> None:
    cases = two_classes(np.array([1, 1, 0, 0, 0], bool), np.array([1.0, -1.0, -1.0, -2.0, 3.0]))
    assert recalls(cases) == [("normal", 2, 3), ("tumour", 1, 2)]
    assert BINARY[2].of(cases) == pytest.approx((2 / 3 + 1 / 2) / 2)


@pytest.mark.parametrize(
    ("positives", "negatives", "area"), [(15, 15, 0.97), (6, 24, 0.85), (12, 18, 0.5), (25, 40, 0.8)]
)
def test_intervals_of_auroc_cover_the_truth_as_often_as_they_say(
    positives: int, negatives: int, area: float
) -> None:
    """Simulated cohorts of small size: 95 % intervals must hold the true area about 95 times in 100.

    With plain percentiles the first two hold it in 78 and 86 %.
    """
    rng = np.random.default_rng(7)
    truth = np.arange(positives + negatives) < positives
    shift = math.sqrt(2) * norm.ppf(area) * truth
    counts = draw_resamples(np.arange(len(truth)), truth, 300, seed=1)
    held = 0
    for _ in range(300):
        cases = two_classes(truth, rng.normal(size=len(truth)) + shift)
        interval = BINARY[0].interval(cases, counts, 0.95)
        held += interval.low <= area <= interval.high
    assert 0.915 <= held / 300 <= 0.995


@pytest.mark.parametrize("measure", REGRESSION, ids=lambda m: m.name)
def test_intervals_of_numbers_cover_the_truth(measure: Measure) -> None:
    rho, cohorts = 0.7, 300
    expected = {
        "spearman": 6 / math.pi * math.asin(rho / 2),
        "pearson": rho,
        "r2": 2 * rho - 1,
        "mae": math.sqrt(2 * (1 - rho)) * math.sqrt(2 / math.pi),
    }[measure.name]
    rng = np.random.default_rng(3)
    counts = draw_resamples(np.arange(40), None, 300, seed=1)
    held = 0
    for _ in range(cohorts):
        x = rng.normal(size=40)
        cases = numbers(x, rho * x + math.sqrt(1 - rho**2) * rng.normal(size=40))
        interval = measure.interval(cases, counts, 0.95)
        held += interval.low <= expected <= interval.high
    assert 0.9 <= held / cohorts <= 0.99


def test_guesses_score_what_is_said() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(6000) % 3
    every = [
        two_classes(truth == 0, rng.normal(size=6000)),
        several_classes(truth, rng.dirichlet(np.ones(3), 6000)),
        numbers(rng.normal(size=6000), rng.normal(size=6000)),
    ]
    for cases in every:
        for measure in measures(cases):
            if measure.higher and measure.name != "r2" and math.isfinite(measure.guess(cases)):
                assert measure.of(cases) == pytest.approx(measure.guess(cases), abs=0.04)


def test_nobody_called_is_not_told_as_certainty_either() -> None:
    cases = two_classes(np.arange(60) < 15, np.full(60, 0.2))
    named = {m.name: m for m in measures(cases)}
    for name in ("balanced_accuracy", "mcc"):
        interval = named[name].interval(cases, drawn(cases, 200), 0.95)
        assert interval.high - interval.low > 0.05
        assert "would claim certainty" in interval.method


def test_a_score_that_chance_moves_one_way_has_no_interval() -> None:
    rng = np.random.default_rng(0)
    cases = two_classes(rng.random(60) < 0.4, rng.random(60))
    (error,) = (m for m in measures(cases) if m.biased)
    assert error.name == "calibration_error"
    assert np.isnan(error.interval(cases, drawn(cases, 200), 0.95).low)
