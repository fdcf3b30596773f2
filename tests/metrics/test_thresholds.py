from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from histopress.core.errors import PredictionsError, RecipeError
from histopress.metrics import class_scores
from histopress.metrics.intervals import draw_resamples
from histopress.metrics.thresholds import (
    Scored,
    ThresholdRule,
    call,
    choose_threshold,
    proportions,
    thresholds_by_run,
)

SEEDS = range(8)


def cohort(seed: int, cases: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.permutation(np.arange(cases) % 3 == 0)
    return positive, np.round(rng.normal(size=cases) + 1.2 * positive, 1 if seed % 2 else 5)


def every_threshold(score: np.ndarray) -> np.ndarray:
    return np.append(np.unique(score), np.inf)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_threshold_is_better_than_the_one_chosen(seed: int) -> None:
    positive, score = cohort(seed)

    def best(of) -> float:  # type: ignore[no-untyped-def]
        return max(of(score >= t) for t in every_threshold(score))

    def youden(called: np.ndarray) -> float:
        rates = class_scores.sensitivity, class_scores.specificity
        return float(sum(rate(positive, called)[0] for rate in rates))

    def cheapness(called: np.ndarray) -> float:
        return -float(4 * (positive & ~called).sum() + (~positive & called).sum())

    def f1(called: np.ndarray) -> float:
        return float(sklearn.metrics.f1_score(positive, called))

    for text, of in (("youden", youden), ("cost:4", cheapness), ("f1", f1)):
        chosen = score >= choose_threshold(ThresholdRule.parse(text), positive, score)
        assert of(chosen) == pytest.approx(best(of))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [0.8, 0.95, 1.0])
def test_a_wanted_sensitivity_is_reached_at_the_least_expense(seed: int, share: float) -> None:
    positive, score = cohort(seed)
    for name, other in (("sensitivity", "specificity"), ("specificity", "sensitivity")):
        of, rest = getattr(class_scores, name), getattr(class_scores, other)
        called = score >= choose_threshold(ThresholdRule(name, share), positive, score)  # type: ignore[arg-type]
        assert of(positive, called)[0] >= share - 1e-12
        fitting = [
            rest(positive, score >= t)[0]
            for t in every_threshold(score)
            if of(positive, score >= t)[0] >= share - 1e-12
        ]
        assert rest(positive, called)[0] == pytest.approx(max(fitting))


def test_thresholds_lie_between_the_scores_that_occur() -> None:
    positive, score = np.array([False, False, True, True]), np.array([0.1, 0.2, 0.6, 0.9])
    assert choose_threshold(ThresholdRule("youden"), positive, score) == pytest.approx(0.4)
    assert choose_threshold(ThresholdRule("youden"), ~positive, score) == pytest.approx(0.1)
    assert choose_threshold(ThresholdRule("specificity", 1.0), ~positive, score) > 0.9


def test_rules_are_read_and_told() -> None:
    assert ThresholdRule.parse("sensitivity:0.95") == ThresholdRule("sensitivity", 0.95)
    assert (
        str(ThresholdRule.parse("cost:5"))
        == "lowest cost, a missed positive costing as much as 5 false alarms"
    )
    for text in ("sensitivity", "youden:2", "sensitivity:95", "cost:0", "best", "cost:x"):
        with pytest.raises(RecipeError, match="expected"):
            ThresholdRule.parse(text)


def test_every_run_calls_its_test_patients_by_its_own_threshold() -> None:
    parts = {"0": cohort(0), "1": (cohort(1)[0], cohort(1)[1] + 10)}
    tuning = Scored(
        np.concatenate([p for p, _ in parts.values()]),
        np.concatenate([s for _, s in parts.values()]),
        np.repeat(["0", "1"], 50),
    )
    rule = ThresholdRule("youden")
    found = thresholds_by_run(rule, tuning)
    assert found == {name: choose_threshold(rule, *part) for name, part in parts.items()}
    score, run = np.array([5.0, 5.0, 5.0]), np.array(["0", "1", "mean"])
    assert call(score, run, found).tolist() == [True, False, np.mean(list(found.values())) <= 5.0]
    with pytest.raises(PredictionsError, match="no threshold for run 2, found 0, 1"):
        call(score, np.array(["2", "0", "1"]), found)
    with pytest.raises(PredictionsError, match="run 1 has 50 tuning patients of one class"):
        thresholds_by_run(rule, Scored(tuning.positive & (tuning.run == "0"), tuning.score, tuning.run))


def test_the_test_patients_have_no_say() -> None:
    positive, score = cohort(2)
    rule = ThresholdRule("sensitivity", 0.9)
    runs = np.full(50, "0")
    thresholds = thresholds_by_run(rule, Scored(positive, score, runs))
    called = call(score, runs, thresholds)
    assert call(score[:1], runs[:1], thresholds)[0] == called[0]


def test_proportions_are_counted_with_both_intervals() -> None:
    positive, score = cohort(4, 90)
    called = score > 0.7
    drawn = draw_resamples(np.arange(90), positive, 500, 0)
    found = {p.name: p for p in proportions(positive, called, np.arange(90), drawn, 0.95)}
    table = sklearn.metrics.confusion_matrix(positive, called)
    for name, hits, trials in (
        ("sensitivity", table[1, 1], table[1].sum()),
        ("specificity", table[0, 0], table[0].sum()),
        ("positive predictive value", table[1, 1], table[:, 1].sum()),
        ("negative predictive value", table[0, 0], table[:, 0].sum()),
    ):
        one = found[name]
        assert (one.hits, one.trials) == (hits, trials)
        theirs = scipy.stats.binomtest(int(hits), int(trials)).proportion_ci(0.95, method="wilson")
        assert (one.wilson.low, one.wilson.high) == pytest.approx((theirs.low, theirs.high))
        assert one.bootstrap.low <= one.value <= one.bootstrap.high
        assert one.bootstrap.high - one.bootstrap.low == pytest.approx(theirs.high - theirs.low, rel=0.35)
    assert found["sensitivity"].plain["hits"] == table[1, 1]


def test_nobody_called_leaves_the_predictive_value_open() -> None:
    positive = np.arange(20) < 5
    drawn = draw_resamples(np.arange(20), positive, 100, 0)
    found = {p.name: p for p in proportions(positive, np.zeros(20, bool), np.arange(20), drawn, 0.95)}
    assert np.isnan(found["positive predictive value"].value)
    assert found["positive predictive value"].plain["low"] is None
    assert found["sensitivity"].value == 0
    assert found["sensitivity"].wilson.high > 0.3
