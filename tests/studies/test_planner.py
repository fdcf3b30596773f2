"""The planner: closed forms against simulated cohorts, and against what this package reports of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kendalltau, mannwhitneyu, norm

from histopress.core.errors import RecipeError
from histopress.metrics.case_arrays import Cases
from histopress.metrics.intervals import draw_resamples
from histopress.metrics.measures import measures
from histopress.studies import planner
from histopress.studies.planner import Design

Array = NDArray[np.float64]


def scores(area: float, design: Design, cohorts: int, seed: int = 0) -> tuple[Array, Array]:
    """(cohorts, positives) and (cohorts, negatives) normal scores with this true area."""
    random = np.random.default_rng(seed)
    shift = np.sqrt(2) * norm.ppf(area)
    return (
        random.standard_normal((cohorts, design.positives)) + shift,
        random.standard_normal((cohorts, design.negatives)),
    )


def areas(positive: Array, negative: Array) -> Array:
    return np.asarray((positive[:, :, None] > negative[:, None]).mean(axis=(1, 2)))


def test_the_published_example_of_hanley_and_mcneil() -> None:
    """Radiology 1982;143:29: 58 normal and 51 abnormal images, area 0.893, standard error 0.032."""
    design = Design(109, 51 / 109)
    assert (design.positives, design.negatives) == (51, 58)
    assert np.sqrt(planner.hanley_mcneil(0.893, design)) == pytest.approx(0.032, abs=0.001)


@pytest.mark.parametrize("area", [0.5, 0.65, 0.8, 0.95])
@pytest.mark.parametrize("prevalence", [0.5, 0.2])
def test_binormal_variance_is_that_of_simulated_cohorts(area: float, prevalence: float) -> None:
    design = Design(50, prevalence)
    simulated = areas(*scores(area, design, 3000)).std()
    assert np.sqrt(planner.binormal(area, design)) == pytest.approx(simulated, rel=0.06)


@pytest.mark.parametrize(
    ("area", "patients", "prevalence"), [(0.7, 60, 0.3), (0.65, 100, 0.5), (0.5, 40, 0.5)]
)
def test_power_is_how_often_the_rank_test_finds_it(area: float, patients: int, prevalence: float) -> None:
    design = Design(patients, prevalence)
    found = mannwhitneyu(*scores(area, design, 2000), axis=1).pvalue < 0.05
    assert planner.power_above_chance(area, design) == pytest.approx(found.mean(), abs=0.04)


def test_two_areas_of_the_same_patients_hang_together_as_planned() -> None:
    design, between = Design(80, 0.4), 0.6
    random, both = np.random.default_rng(1), []
    shared = [np.sqrt(between) * random.standard_normal((1500, n)) for n in (32, 48)]
    for seed, area in enumerate((0.85, 0.75)):
        own = [np.sqrt(1 - between) * s for s in scores(0.5, design, 1500, seed + 10)]
        shift = np.sqrt(2) * norm.ppf(area)
        both.append(areas(shared[0] + own[0] + shift, shared[1] + own[1]))
    correlation = planner.area_correlation(0.85, 0.75, between)
    assert correlation == pytest.approx(np.asarray(np.corrcoef(both))[0, 1], abs=0.06)
    gap = both[0] - both[1]
    found = np.abs(gap) / gap.std() > norm.ppf(0.975)
    assert planner.power_difference(0.85, 0.75, correlation, design) == pytest.approx(found.mean(), abs=0.05)


@pytest.mark.parametrize(
    ("area", "patients", "prevalence"), [(0.8, 100, 0.5), (0.7, 80, 0.3), (0.9, 30, 0.2)]
)
def test_expected_interval_is_about_the_reported_one(area: float, patients: int, prevalence: float) -> None:
    """With 30 patients of whom 6 are positive, the report shows Newcombe's."""
    design = Design(patients, prevalence)
    widths = [
        _reported(*cohort, seed) for seed, cohort in enumerate(zip(*scores(area, design, 20), strict=True))
    ]
    assert planner.reported_limits(area, design).width == pytest.approx(np.mean(widths), rel=0.15)


def _reported(positive: Array, negative: Array, seed: int) -> float:
    told = norm.cdf(np.concatenate([positive, negative]) - 0.5)
    names = np.array([f"P{i:04d}" for i in range(len(told))])
    cases = Cases(
        kind="binary",
        patients=names,
        fold=np.full(len(told), "0"),
        classes=("no", "yes"),
        truth=np.repeat([1, 0], [len(positive), len(negative)]),
        probabilities=np.stack([1 - told, told], 1),
        score=told,
    )
    interval = measures(cases)[0].interval(cases, draw_resamples(names, None, 300, seed), 0.95)
    return interval.high - interval.low


def test_patients_are_the_fewest_that_are_enough() -> None:
    n = planner.patients_for_width(0.8, 0.15, 0.4)
    assert planner.reported_limits(0.8, Design(n, 0.4)).width <= 0.15
    assert planner.reported_limits(0.8, Design(n - 1, 0.4)).width > 0.15
    n = planner.patients_above_chance(0.7)
    assert planner.power_above_chance(0.7, Design(n)) >= 0.8 > planner.power_above_chance(0.7, Design(n - 1))
    n = planner.patients_for_difference(0.85, 0.8, 0.5)
    assert planner.power_difference(0.85, 0.8, 0.5, Design(n)) >= 0.8
    assert planner.patients_for_difference(0.8, 0.8, 0.5) == planner.MOST


def test_intervals_narrow_with_patients_and_with_balance() -> None:
    widths = [planner.reported_limits(0.8, Design(n)).width for n in (20, 50, 100, 400)]
    assert all(a > b for a, b in pairwise(widths))
    assert planner.reported_limits(0.8, Design(100, 0.1)).width > widths[2]
    for area in (0.5, 0.9, 0.99, 1.0):
        limits = planner.reported_limits(area, Design(60))
        assert 0 <= limits.low < area <= limits.high <= 1


def test_correlation_of_ranks_and_concordance_of_events() -> None:
    assert planner.spearman_limits(0.5, 200).width < planner.spearman_limits(0.5, 50).width
    random, n, rho = np.random.default_rng(3), 60, 0.6
    x = random.standard_normal((400, n))
    y = rho * x + np.sqrt(1 - rho**2) * random.standard_normal((400, n))
    concordance = np.array([(1 + kendalltau(a, b).statistic) / 2 for a, b in zip(x, y, strict=True)])
    planned = planner.concordance_limits(float(concordance.mean()), n).width
    assert planned == pytest.approx(2 * 1.96 * concordance.std(), rel=0.12)
    assert planner.concordance_limits(0.7, 3) == planner.Limits(0.0, 1.0)


def test_a_design_holds_both_classes() -> None:
    assert (Design(10, 0.01).positives, Design(10, 0.99).negatives) == (1, 1)
    with pytest.raises(RecipeError, match="prevalence"):
        Design(10, 1.0)
