from __future__ import annotations

import numpy as np
import pytest

from histopress.metrics import scores
from histopress.metrics.delong import delong, placements


def by_pairs(positive: np.ndarray, many: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas and covariance from all pairs of a positive and a negative, as DeLong wrote them down."""
    wins = (many[:, positive, None] > many[:, None, ~positive]) + 0.5 * (
        many[:, positive, None] == many[:, None, ~positive]
    )
    of_positives, of_negatives = wins.mean(axis=2), wins.mean(axis=1)
    covariance = np.cov(of_positives) / positive.sum() + np.cov(of_negatives) / (~positive).sum()
    return wins.mean(axis=(1, 2)), covariance


def cohort(seed: int, models: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.permutation(np.arange(41) < 15)
    many = rng.normal(size=(models, 41)) + rng.normal(size=41) + rng.uniform(0, 2) * positive
    return positive, np.round(many, 1 if seed % 2 else 6)


@pytest.mark.parametrize("seed", range(10))
def test_midranks_give_what_all_pairs_give(seed: int) -> None:
    positive, many = cohort(seed)
    found = delong(positive, many)
    areas, covariance = by_pairs(positive, many)
    np.testing.assert_allclose(found.area, areas, atol=1e-12)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-12)
    np.testing.assert_allclose(found.area, [scores.auroc(positive, s)[0] for s in many])
    placed = placements(positive, many)
    np.testing.assert_allclose(placed[:, ~positive].mean(axis=1), areas)


def test_limits_stay_on_the_scale_and_perfect_separation_is_no_certainty() -> None:
    positive, many = cohort(3)
    interval = delong(positive, many).interval(0, 0.95)
    assert 0 < interval.low < float(delong(positive, many).area[0]) < interval.high < 1
    perfect = delong(positive, positive.astype(float)).interval(0, 0.95)
    assert 0.7 < perfect.low < 0.99
    assert perfect.high == 1
    assert "Newcombe" in perfect.method


def test_one_positive_gives_no_variance() -> None:
    found = delong(np.arange(9) == 3, np.arange(9.0))
    assert np.isnan(found.interval(0, 0.95).low)
    assert np.isnan(found.difference(0, 0, 0.95)[1])


def test_models_of_the_same_order_do_not_differ() -> None:
    positive, many = cohort(4, 1)
    interval, p = delong(positive, np.stack([many[0], np.exp(many[0])])).difference(0, 1, 0.95)
    assert (interval.low, interval.high, p) == (0, 0, 1)


def test_the_difference_turns_round_with_the_models() -> None:
    positive, many = cohort(5)
    found = delong(positive, many)
    (one, p), (other, q) = found.difference(0, 1, 0.95), found.difference(1, 0, 0.95)
    assert (one.low, one.high, p) == pytest.approx((-other.high, -other.low, q))


def test_variance_and_test_hold_in_simulation() -> None:
    """Two equal models on 60 patients: p below 0.05 about 4 times in 100 (DeLong is cautious so far down)."""
    rng = np.random.default_rng(0)
    positive, trials = np.arange(60) < 24, 700
    areas, sds, small = [], [], 0
    for _ in range(trials):
        shared = rng.normal(size=60) + 1.2 * positive
        found = delong(positive, shared + rng.normal(0, 0.8, (2, 60)))
        areas.append(found.area[0])
        sds.append(found.sd(0))
        small += found.difference(0, 1, 0.95)[1] < 0.05
    assert np.mean(sds) == pytest.approx(np.std(areas), rel=0.08)
    assert 0.015 < small / trials < 0.07


def test_a_patient_with_copies_of_one_slide_counts_once() -> None:
    positive, many = cohort(6)
    rows = np.repeat(np.arange(41), 4)
    once, copies = delong(positive, many), delong(positive[rows], many[:, rows], rows)
    np.testing.assert_allclose(copies.area, once.area)
    np.testing.assert_allclose(copies.covariance, once.covariance, atol=1e-12)
    assert delong(positive[rows], many[:, rows]).sd(0) < 0.6 * once.sd(0)


def test_slides_of_a_patient_vary_together_in_simulation() -> None:
    rng = np.random.default_rng(1)
    patients = np.repeat(np.arange(50), 3)
    positive = (np.arange(150) % 3 > 0) & (patients < 30)  # patients of both kinds of slides, too
    areas, sds = [], []
    for _ in range(500):
        score = rng.normal(size=50)[patients] + rng.normal(size=150) + 1.0 * positive
        found = delong(positive, score, patients)
        areas.append(found.area[0])
        sds.append(found.sd(0))
    assert np.mean(sds) == pytest.approx(np.std(areas), rel=0.1)
