"""Learning curves: known laws are found again, bands hold them, and nothing is promised beyond the data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from histopress.core.errors import RecipeError
from histopress.studies.learning_curve import Needed, fit_curve
from histopress.studies.learning_curve_laws import PowerLaws, fit_laws

SIZES = np.array([15.0, 30.0, 60.0, 120.0])


def law(top: float, missing: float, rate: float) -> PowerLaws:
    return PowerLaws(np.array([top]), np.array([missing]), np.array([rate]))


@pytest.mark.parametrize("known", [(0.95, 2.0, 0.6), (0.8, 1.0, 0.5), (1.0, 1.0, 0.3), (0.9, 30.0, 1.5)])
def test_a_law_without_noise_is_found_again(known: tuple[float, float, float]) -> None:
    sizes = np.array([15.0, 30.0, 60.0, 120.0, 240.0])
    found = fit_laws(sizes, law(*known).at(sizes), np.full(5, 0.01))
    assert found.top[0] == pytest.approx(known[0], abs=0.01)
    assert found.rate[0] == pytest.approx(known[2], rel=0.06)
    assert found.at([480])[0, 0] == pytest.approx(law(*known).at([480])[0, 0], abs=0.003)


def test_sizes_at_chance_lie_on_the_floor_and_do_not_bend_the_rest() -> None:
    late = law(0.95, 200.0, 1.6)
    scores = late.at(SIZES)
    assert (scores[0, :2] == 0.5).all() and scores[0, 3] > 0.8
    found = fit_laws(SIZES, scores, np.full(4, 0.01))
    assert np.allclose(found.at(SIZES), scores, atol=0.01)


def test_laws_stay_within_bounds_whatever_the_scores() -> None:
    scores = np.random.default_rng(0).uniform(0, 1, (200, 4))
    found = fit_laws(SIZES, scores, np.full(4, 0.05))
    assert (found.top >= 0.5).all() and (found.top <= 1).all() and (found.missing >= 0).all()
    told = found.at([15, 60, 1000])
    assert (np.diff(told, axis=1) >= 0).all() and told.min() >= 0.5


def test_more_weight_pulls_the_curve() -> None:
    scores = np.array([[0.6, 0.6, 0.8, 0.6]])
    even, surer = (fit_laws(SIZES, scores, np.array([0.05, 0.05, e, 0.05])) for e in (0.05, 0.005))
    assert surer.at([60])[0, 0] == pytest.approx(0.8, abs=0.01) and even.at([60])[0, 0] < 0.75


def test_patients_needed_is_the_curve_read_backwards() -> None:
    known = law(0.95, 2.0, 0.6)
    needed = float(known.needed(0.85)[0])
    assert known.at([needed])[0, 0] == pytest.approx(0.85)
    assert math.isinf(known.needed(0.95)[0]) and math.isinf(known.needed(0.99)[0])


def test_trust_ends_where_the_data_are_far() -> None:
    def told(patients: float) -> Needed:
        return Needed(0.8, patients, 50.0, math.inf, tried=100)

    assert [told(n).trust for n in (90, 150, 350, 900, math.inf)] == [
        "within",
        "near",
        "beyond",
        "far",
        "never",
    ]
    assert Needed(0.8, 12.0, 2.0, 40.0, tried=100, least=20).text == "< 20"
    assert Needed(0.8, 12.0, 2.0, 40.0, tried=100, least=20).limits == "[< 20, 40]"
    assert told(150).text == "150" and told(900).text == "> 400"
    assert told(math.inf).text == "> 400: never by this curve" and told(90).limits == "[50, open]"


def test_a_flat_curve_is_never_and_never_is_open() -> None:
    patients = np.repeat(SIZES, 3)
    scores = 0.5 + 0.02 * np.random.default_rng(1).standard_normal(12)
    curve = fit_curve(patients, scores, resamples=300)
    needed = curve.needed(0.9)
    assert needed.trust == "never" and math.isinf(needed.high)
    assert curve.top()[0] < 0.56 and curve.band([120])[0][0] >= 0.5


@pytest.mark.parametrize("shared", [0.0, 0.02])
def test_bands_hold_known_curves_about_as_often_as_they_say(shared: float) -> None:
    """Replicates scatter, and all points move together with the luck of the test patients."""
    random, known = np.random.default_rng(2), law(0.95, 2.0, 0.6)
    patients, look = np.repeat(SIZES, 3), [15, 60, 120, 240]
    truth, held = known.at(look)[0], []
    for seed in range(50):
        scores = known.at(patients)[0] + 0.04 * random.standard_normal(12) + shared * random.standard_normal()
        moved = scores + shared * random.standard_normal((100, 1))
        low, high = fit_curve(patients, scores, resampled=moved, seed=seed).band(look)
        held.append((low <= truth) & (truth <= high))
    assert np.mean(held, axis=0).min() > 0.82 and np.mean(held) > 0.88


def test_bands_do_not_hide_the_curve_and_widen_beyond_the_data() -> None:
    patients = np.repeat(SIZES, 3)
    scores = law(0.95, 2.0, 0.6).at(patients)[0] + 0.03 * np.random.default_rng(3).standard_normal(12)
    curve = fit_curve(patients, scores)
    look = [60, 120, 480]
    low, high = curve.band(look)
    assert (low <= curve.at(look)).all() and (curve.at(look) <= high).all()
    assert high[2] - low[2] > high[0] - low[0]


def test_points_without_replicates_are_not_taken_to_be_sure() -> None:
    curve = fit_curve(SIZES, [0.6, 0.7, 0.72, 0.8])
    low, high = curve.band([60])
    assert np.allclose(curve.sds, 0.05) and high[0] - low[0] > 0.04


def test_one_size_is_no_curve() -> None:
    with pytest.raises(RecipeError, match="expected 2 or more"):
        fit_curve([50, 50], [0.7, 0.8])
