from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from histopress.metrics import survival, survival_pairs
from histopress.metrics.intervals import bootstrap, draw_resamples

SEEDS = range(8)


def cohort(seed: int, cases: int = 61) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, events and risks; times and risks with many ties for odd seeds."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=cases)
    event_time = rng.exponential(12 * np.exp(-risk))
    last_contact = rng.uniform(2, 30, cases)
    time = np.minimum(event_time, last_contact)
    if seed % 2:
        time, risk = np.ceil(time / 2) * 2, np.round(risk, 1)
    return time + 0.5, event_time <= last_contact, risk


def counts(cases: int, resamples: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (resamples, cases)).astype(float)


def after_events(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Times with censorings moved a hair behind the events that they are tied with."""
    return np.where(event, time, time + 1e-6)


def surv(time: np.ndarray, event: np.ndarray) -> Any:
    """Outcomes as scikit-survival takes them."""
    pytest.importorskip("sksurv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sksurv.util import Surv
    return Surv.from_arrays(event, time)


def repeated(weights: np.ndarray, *arrays: np.ndarray) -> list[np.ndarray]:
    """Cases written down as often as they were drawn."""
    return [np.repeat(a, weights.astype(int), axis=0) for a in arrays]


@pytest.mark.parametrize("seed", SEEDS)
def test_harrell_equals_lifelines_and_scikit_survival_with_ties(seed: int) -> None:
    from lifelines.utils import concordance_index

    time, event, risk = cohort(seed)
    ours = survival.harrell(time, event, risk)[0]
    assert ours == pytest.approx(concordance_index(time, -risk, event), abs=1e-12)
    outcome = surv(time, event)
    from sksurv.metrics import concordance_index_censored

    theirs = concordance_index_censored(outcome["event"], outcome["time"], risk)[0]
    assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tau", [None, 11.0])
def test_uno_equals_scikit_survival_with_censorings_behind_events(seed: int, tau: float | None) -> None:
    time, event, risk = cohort(seed)
    outcome = surv(after_events(time, event), event)
    from sksurv.metrics import concordance_index_ipcw

    theirs = concordance_index_ipcw(outcome, outcome, risk, tau=tau)[0]
    assert survival.uno(time, event, risk, tau=tau)[0] == pytest.approx(theirs, abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_dynamic_auroc_and_its_mean_equal_scikit_survival(seed: int) -> None:
    time, event, risk = cohort(seed)
    outcome = surv(after_events(time, event), event)
    from sksurv.metrics import cumulative_dynamic_auc

    horizons = np.array([3.0, 4.5, 8.5, 14.0])
    each, mean = cumulative_dynamic_auc(outcome, outcome, risk, horizons)
    ours = survival.dynamic_auroc(time, event, risk, horizons)
    np.testing.assert_allclose(ours[0], each, atol=1e-10)
    assert survival.mean_auroc(time, event, risk, horizons)[0] == pytest.approx(mean, abs=1e-10)
    of_each = survival.dynamic_auroc(time, event, np.outer(risk, [1, 2, 3, 4]), horizons)
    np.testing.assert_allclose(of_each, ours, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_brier_and_its_integral_equal_scikit_survival(seed: int) -> None:
    time, event, risk = cohort(seed)
    outcome = surv(after_events(time, event), event)
    from sksurv.metrics import brier_score, integrated_brier_score
    from sksurv.nonparametric import kaplan_meier_estimator

    horizons = np.array([3.0, 4.5, 8.5, 14.0])
    said = np.exp(-np.exp(risk)[:, np.newaxis] * horizons / 12)
    theirs = brier_score(outcome, outcome, said, horizons)[1]
    np.testing.assert_allclose(survival.brier(time, event, said, horizons)[0], theirs, atol=1e-10)
    whole = integrated_brier_score(outcome, outcome, said, horizons)
    assert survival.integrated_brier(time, event, said, horizons)[0] == pytest.approx(whole, abs=1e-10)
    steps, curve = kaplan_meier_estimator(outcome["event"], outcome["time"])
    same = np.append(1.0, curve)[np.searchsorted(steps, horizons, side="right")]
    known = brier_score(outcome, outcome, np.tile(same, (len(time), 1)), horizons)[1]
    np.testing.assert_allclose(survival.brier_of_kaplan_meier(time, event, horizons)[0], known, atol=1e-10)


HORIZONS = np.array([4.0, 8.5, 12.0])
Score = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]
SCORES: dict[str, Score] = {
    "harrell": survival.harrell,
    "uno": lambda t, e, r, w: survival.uno(t, e, r, w, tau=15.0),
    "auroc": lambda t, e, r, w: survival.dynamic_auroc(t, e, r, HORIZONS, w),
    "mean": lambda t, e, r, w: survival.mean_auroc(t, e, r, HORIZONS, w),
    "brier": lambda t, e, r, w: survival.brier(t, e, np.exp(-np.outer(np.exp(r), HORIZONS) / 9), HORIZONS, w),
    "integrated": lambda t, e, r, w: survival.integrated_brier(
        t, e, np.exp(-np.outer(np.exp(r), HORIZONS) / 9), HORIZONS, w
    ),
    "reference": lambda t, e, r, w: survival.integrated_brier_of_kaplan_meier(t, e, HORIZONS, w),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", SCORES)
def test_a_weight_is_as_good_as_writing_the_case_down_again(name: str, seed: int) -> None:
    time, event, risk = cohort(seed)
    weights = counts(len(time), 7, seed)
    expected = [SCORES[name](*repeated(w, time, event, risk), None)[0] for w in weights]
    np.testing.assert_allclose(SCORES[name](time, event, risk, weights), expected, atol=1e-10)


@pytest.mark.parametrize("name", SCORES)
def test_the_order_of_the_cases_does_not_matter(name: str) -> None:
    time, event, risk = cohort(5)
    mixed = np.random.default_rng(0).permutation(len(time))
    np.testing.assert_allclose(
        SCORES[name](time[mixed], event[mixed], risk[mixed], None),
        SCORES[name](time, event, risk, None),
        atol=1e-12,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_turning_the_risk_round_turns_concordance_round(seed: int) -> None:
    time, event, risk = cohort(seed)
    for one in (survival.harrell, survival.uno):
        assert one(time, event, -risk)[0] == pytest.approx(1 - one(time, event, risk)[0], abs=1e-12)
        assert one(time, event, np.exp(risk))[0] == pytest.approx(one(time, event, risk)[0], abs=1e-12)


@pytest.mark.parametrize("one", [survival.harrell, survival.uno])
def test_many_cases_are_compared_in_blocks(
    one: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    time, event, risk = cohort(1)
    whole = one(time, event, risk, counts(61, 5, 0))
    monkeypatch.setattr(survival_pairs, "BLOCK", 200)
    np.testing.assert_allclose(one(time, event, risk, counts(61, 5, 0)), whole, atol=1e-12)


def test_pairs_within_folds_do_not_depend_on_the_scale_of_a_fold() -> None:
    time, event, risk = cohort(2, 90)
    fold = np.arange(90) % 3
    apart = survival.harrell(time, event, risk, within=fold)
    np.testing.assert_allclose(survival.harrell(time, event, risk + 100 * fold, within=fold), apart)
    assert abs(survival.harrell(time, event, risk + 100 * fold)[0] - apart[0]) > 0.05
    alone = [survival.harrell(time[fold == f], event[fold == f], risk[fold == f])[0] for f in range(3)]
    assert min(alone) < apart[0] < max(alone)


def test_without_censoring_uno_is_harrell_and_auroc_and_brier_are_the_plain_ones() -> None:
    from sklearn.metrics import brier_score_loss, roc_auc_score

    time, _, risk = cohort(4)
    event = np.ones(len(time), bool)
    assert survival.uno(time, event, risk)[0] == pytest.approx(survival.harrell(time, event, risk)[0])
    ours = survival.dynamic_auroc(time, event, risk, 6.0)[0, 0]
    assert ours == pytest.approx(roc_auc_score(time <= 6, risk), abs=1e-12)
    said = 1 / (1 + np.exp(risk))
    assert survival.brier(time, event, said, 6.0)[0, 0] == pytest.approx(brier_score_loss(time > 6, said))


def test_weights_undo_censoring() -> None:
    """Censoring of most long survivors moves Harrell's concordance; Uno's stays where it is without."""
    rng = np.random.default_rng(0)
    cases = 6000
    risk = rng.normal(size=cases)
    full = rng.weibull(2.0, cases) * np.exp(-np.sign(risk) * np.sqrt(np.abs(risk)) * 0.4) * 10
    last = rng.exponential(9, cases)
    time, event = np.minimum(full, last), full <= last
    everyone = np.ones(cases, bool)
    horizons = [4.0, 9.0]
    said = np.exp(-np.outer(np.exp(risk), horizons) / 20)
    for one, tolerance in (
        (lambda t, e: survival.uno(t, e, risk, tau=14.0), 0.015),
        (lambda t, e: survival.dynamic_auroc(t, e, risk, horizons)[0], 0.02),
        (lambda t, e: survival.brier(t, e, said, horizons)[0], 0.01),
    ):
        np.testing.assert_allclose(one(time, event), one(full, everyone), atol=tolerance)


def test_undefined_scores_are_nan_without_a_warning() -> None:
    time, risk = np.array([3.0, 5.0, 9.0]), np.array([2.0, 1.0, 0.0])
    none, last = np.zeros(3, bool), np.array([False, False, True])
    for event in (none, last):
        assert np.isnan(survival.harrell(time, event, risk)[0])
        assert np.isnan(survival.uno(time, event, risk)[0])
    event = np.array([True, False, True])
    assert np.isnan(survival.dynamic_auroc(time, event, risk, [1.0, 4.0, 9.0])[0]).tolist() == [
        True,
        False,
        True,
    ]
    ends_censored = np.array([True, True, False])
    said = np.full((3, 2), 0.5)
    assert np.isnan(survival.brier(time, ends_censored, said, [8.0, 10.0])[0]).tolist() == [False, True]
    assert np.isnan(survival.integrated_brier(time, event, said[:, :1], [4.0])[0])
    weights = np.array([[1.0, 1, 1], [0, 2, 1], [0, 0, 0]])
    assert np.isnan(survival.harrell(time, event, risk, weights)).tolist() == [False, True, True]
    nobody = np.empty(0)
    for name, one in SCORES.items():
        with_nobody = one(nobody, nobody, nobody, None)
        assert with_nobody.size, name
        assert np.isnan(with_nobody).all(), name
    assert survival.usual_horizons(time, none).tolist() == []


def test_equal_risks_score_a_half() -> None:
    time, event, risk = cohort(3)
    same = np.zeros_like(risk)
    assert survival.harrell(time, event, same)[0] == 0.5
    assert survival.uno(time, event, same)[0] == pytest.approx(0.5)
    np.testing.assert_allclose(survival.dynamic_auroc(time, event, same, HORIZONS), 0.5)


def test_shuffled_risks_centre_at_chance() -> None:
    time, event, risk = cohort(0)
    rng = np.random.default_rng(1)
    drawn = [rng.permutation(risk) for _ in range(400)]
    for one in (survival.harrell, survival.uno):
        assert np.mean([one(time, event, r)[0] for r in drawn]) == pytest.approx(0.5, abs=0.012)


def test_the_bootstrap_keeps_the_number_of_events() -> None:
    time, event, risk = cohort(6, 83)
    patients = np.arange(83)
    drawn = draw_resamples(patients, event, 300, seed=0)
    assert (drawn @ event == event.sum()).all()
    point = survival.harrell(time, event, risk)[0]
    found = bootstrap(lambda w: survival.harrell(time, event, risk, w), patients, drawn, 0.95)
    assert found.low < point < found.high
    assert 0.05 < found.high - found.low < 0.3


def test_follow_up_reaches_as_far_as_a_tenth_of_the_cases() -> None:
    time = np.arange(1.0, 31.0)
    assert survival.reach(time) == 28.0
    assert (time >= survival.reach(time)).mean() == pytest.approx(0.1)
    horizons = survival.usual_horizons(time, time < 13)
    assert horizons.tolist() == pytest.approx([3.75, 6.5, 9.25])


@pytest.mark.parametrize("name", ["luad", "ucec"])
def test_age_in_tcga_equals_scikit_survival(shared_data: Path, name: str) -> None:
    table = pd.read_csv(shared_data / "survival_tcga" / f"tcga_{name}_clinical.csv")
    table = table.drop_duplicates("case_id").dropna(subset=["age", "survival_months"])
    time, event = table["survival_months"].to_numpy(float), table["censorship"].to_numpy() == 0
    age = table["age"].to_numpy(float)
    outcome = surv(after_events(time, event), event)
    from sksurv.metrics import concordance_index_censored, concordance_index_ipcw, cumulative_dynamic_auc

    plain = concordance_index_censored(event, time, age)[0]
    assert survival.harrell(time, event, age)[0] == pytest.approx(plain, abs=1e-8)
    tau = survival.reach(time)
    theirs = concordance_index_ipcw(outcome, outcome, age, tau=tau)[0]
    assert survival.uno(time, event, age, tau=tau)[0] == pytest.approx(theirs, abs=1e-8)
    horizons = survival.usual_horizons(time, event)
    areas = cumulative_dynamic_auc(outcome, outcome, age, horizons)[0]
    np.testing.assert_allclose(survival.dynamic_auroc(time, event, age, horizons)[0], areas, atol=1e-8)
