from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from histopress.metrics import scores
from histopress.metrics.intervals import (
    bootstrap,
    draw_resamples,
    fisher,
    mean_of_independent,
    newcombe,
    resample,
    wilson,
)


def test_rows_of_a_patient_move_together_and_classes_keep_their_size() -> None:
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 23, 90)
    classes = patients % 3
    drawn = draw_resamples(patients, classes, 300, seed=1)
    assert drawn.shape == (300, 90)
    for patient in np.unique(patients):
        rows = drawn[:, patients == patient]
        assert (rows == rows[:, :1]).all()
    _, first = np.unique(patients, return_index=True)
    for name in range(3):
        own = first[classes[first] == name]
        assert (drawn[:, own].sum(axis=1) == len(own)).all()
    assert len(np.unique(drawn, axis=0)) > 290


def test_draws_depend_on_the_seed_alone() -> None:
    patients = np.array(["b", "a", "c", "b", "d"])
    np.testing.assert_array_equal(
        draw_resamples(patients, None, 50, seed=3), draw_resamples(patients, None, 50, seed=3)
    )
    assert (draw_resamples(patients, None, 50, seed=3) != draw_resamples(patients, None, 50, seed=4)).any()
    order = np.array([2, 0, 1, 4, 3])
    np.testing.assert_array_equal(
        draw_resamples(patients[order], None, 50, seed=3),
        draw_resamples(patients, None, 50, seed=3)[:, order],
    )


def test_the_interval_of_a_mean_equals_scipys() -> None:
    values = np.random.default_rng(5).exponential(size=600)
    drawn = draw_resamples(np.arange(600), None, 10000, seed=0)
    found = bootstrap(lambda w: w @ values / w.sum(axis=1), np.arange(600), drawn, 0.9)
    theirs = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=10000,
        batch=500,
        confidence_level=0.9,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert found.low == pytest.approx(theirs.low, rel=0.005)
    assert found.high == pytest.approx(theirs.high, rel=0.005)
    assert "bootstrap" in found.method


@pytest.mark.parametrize("seed", range(25))
def test_intervals_hold_their_point_and_widen_with_confidence(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(33) < 12)
    score = rng.normal(size=33) + rng.uniform(0, 2) * truth
    drawn = draw_resamples(np.arange(33), truth, 400, seed)
    for one in (scores.auroc, scores.average_precision, scores.spearman, scores.mean_absolute_error):
        point = float(one(truth, score)[0])
        narrow, wide = (
            bootstrap(lambda w, one=one: one(truth, score, w), np.arange(33), drawn, level)
            for level in (0.6, 0.95)
        )
        assert narrow.low <= point <= narrow.high
        assert wide.low <= narrow.low < narrow.high <= wide.high


def test_the_interval_of_the_mean_of_few_is_about_students() -> None:
    drawn = draw_resamples(np.arange(14), None, 4000, seed=0)
    ratios = []
    for seed in range(30):
        values = np.random.default_rng(seed).normal(size=14)
        found = bootstrap(lambda w, v=values: w @ v / w.sum(axis=1), np.arange(14), drawn, 0.95)
        theirs = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
        ratios.append((found.high - found.low) / (theirs.high - theirs.low))
    assert 1 < np.mean(ratios) < 1.1


def test_one_patient_who_outweighs_the_others_widens_the_interval() -> None:
    values = np.random.default_rng(1).normal(size=40)
    outlier = np.where(np.arange(40) == 7, 12.0, values)
    widths = []
    for one in (values, outlier):
        drawn = draw_resamples(np.arange(40), None, 4000, seed=0)
        found = bootstrap(lambda w, one=one: w @ one / w.sum(axis=1), np.arange(40), drawn, 0.95)
        widths.append((found.high - found.low) / one.std())
    assert widths[1] > 1.1 * widths[0]


def test_p_is_that_of_students_test_for_a_mean() -> None:
    rng = np.random.default_rng(4)
    patients = np.arange(50)
    drawn = draw_resamples(patients, None, 20000, seed=0)
    for shift in (0.0, 0.2, 0.35):
        values = rng.normal(size=50) + shift
        found = resample(lambda w, v=values: w @ v / w.sum(axis=1), patients, drawn).p_value()
        assert found == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue, rel=0.2, abs=0.01)


def test_even_a_biased_score_lies_in_its_interval() -> None:
    values = np.random.default_rng(0).normal(size=15)
    drawn = draw_resamples(np.arange(15), None, 300, seed=0)
    found = bootstrap(
        lambda w: w @ values / w.sum(axis=1) + 5 * (w.max(axis=1) > 1), np.arange(15), drawn, 0.95
    )
    assert found.low == pytest.approx(values.mean())
    assert found.high > 3


def test_repeating_every_row_of_a_patient_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    truth, score = np.arange(20) % 2 == 0, rng.normal(size=20)
    once, thrice = np.arange(20), np.repeat(np.arange(20), 3)
    one = bootstrap(lambda w: scores.auroc(truth, score, w), once, draw_resamples(once, truth, 300, 7), 0.95)
    other = bootstrap(
        lambda w: scores.auroc(truth[thrice], score[thrice], w),
        thrice,
        draw_resamples(thrice, truth[thrice], 300, 7),
        0.95,
    )
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-12)


def test_many_patients_are_left_out_in_groups() -> None:
    values = np.random.default_rng(3).normal(size=2600)
    drawn = draw_resamples(np.arange(2600), None, 400, seed=0)
    found = bootstrap(lambda w: w @ values / w.sum(axis=1), np.arange(2600), drawn, 0.95)
    half = 1.96 * values.std() / np.sqrt(2600)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.15)


def test_undefined_resamples_are_left_aside_until_they_are_too_many() -> None:
    values = np.array([0.0, 0.0, 0.0, 1.0, 2.0])
    patients = np.arange(5)
    drawn = draw_resamples(patients, None, 500, seed=0)
    found = bootstrap(lambda w: scores.pearson(values, values**2, w), patients, drawn, 0.95)
    assert np.isfinite([found.low, found.high]).all()
    nothing = bootstrap(lambda w: np.where(w.max(axis=1) > 1, np.nan, 1.0), patients, drawn, 0.95)
    assert np.isnan(nothing.low)
    assert nothing.method == "none"


@pytest.mark.parametrize(("hits", "trials"), [(0, 7), (3, 11), (15, 15), (41, 200)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_wilson_equals_scipys(hits: int, trials: int, level: float) -> None:
    theirs = scipy.stats.binomtest(hits, trials).proportion_ci(level, method="wilson")
    assert wilson(hits / trials, trials, level) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize("area", [0.0, 0.2, 0.5, 0.83, 0.999, 1.0])
@pytest.mark.parametrize(("positives", "negatives"), [(1, 4), (15, 15), (9, 80)])
def test_newcombe_solves_its_equation(area: float, positives: int, negatives: int) -> None:
    low, high = newcombe(area, positives, negatives, 0.95)
    assert 0 <= low <= area <= high <= 1
    assert (low > 0) == (area > 0)
    assert (high < 1) == (area < 1)
    assert high - low > 0.01
    balance = (positives + negatives) / 2 - 1
    for limit in (low, high):
        if 0 < limit < 1:
            shape = 1 + balance * ((1 - limit) / (2 - limit) + limit / (1 + limit))
            deviation = np.sqrt(limit * (1 - limit) * shape / (positives * negatives))
            assert abs(limit - area) == pytest.approx(1.959964 * deviation, rel=1e-4)
    mirrored = newcombe(1 - area, positives, negatives, 0.95)
    assert (low, high) == pytest.approx((1 - mirrored[1], 1 - mirrored[0]), abs=1e-9)


def test_fisher_equals_scipys_and_survives_perfect_correlation() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=25)
    y = x + rng.normal(size=25)
    theirs = scipy.stats.pearsonr(x, y)
    low, high = fisher(float(theirs.statistic), 25, 0.95)
    assert (low, high) == pytest.approx(tuple(theirs.confidence_interval(0.95)), abs=1e-9)
    assert 0.5 < fisher(1.0, 12, 0.95)[0] < 1
    assert fisher(1.0, 3, 0.95) == (-1.0, 1.0)


def test_the_mean_of_one_estimate_has_its_limits_and_of_several_narrower_ones() -> None:
    assert mean_of_independent([0.8], [(0.6, 0.9)]) == pytest.approx((0.6, 0.9))
    low, high = mean_of_independent([0.8, 0.8], [(0.6, 0.9), (0.6, 0.9)])
    assert 0.6 < low < 0.8 < high < 0.9
