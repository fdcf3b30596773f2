from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histopress.metrics.survival_cox import hazard_ratio


def cohort(seed: int, cases: int = 160) -> tuple[np.ndarray, np.ndarray, np.ndarray, pd.DataFrame]:
    """Times with ties, events, risks and covariates; age confounds the risk."""
    rng = np.random.default_rng(seed)
    age = rng.normal(60, 9, cases)
    risk = 0.05 * (age - 60) + rng.normal(size=cases)
    stage = rng.choice(["II", "I", "III"], cases)
    hazard = np.exp(0.5 * risk + 0.04 * (age - 60) + 0.5 * (stage == "III"))
    event_time, last = rng.exponential(15 / hazard), rng.uniform(2, 40, cases)
    table = pd.DataFrame({"age": age, "stage": stage, "sex": rng.integers(0, 2, cases)})
    return np.ceil(np.minimum(event_time, last)), event_time <= last, risk, table


def reference(time: np.ndarray, event: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Hazard ratios of scikit-survival."""
    pytest.importorskip("sksurv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sksurv.linear_model import CoxPHSurvivalAnalysis
        from sksurv.util import Surv
    model = CoxPHSurvivalAnalysis(ties="efron", tol=1e-12)
    return np.exp(model.fit(values, Surv.from_arrays(event, time)).coef_)


@pytest.mark.parametrize("seed", range(3))
def test_ratios_equal_scikit_survival_alone_and_adjusted(seed: int) -> None:
    time, event, risk, table = cohort(seed)
    per_sd = risk / risk.std(ddof=1)
    alone = hazard_ratio(time, event, risk, per_sd=True)
    assert alone.ratio == pytest.approx(reference(time, event, per_sd[:, None])[0], rel=1e-6)
    age = (table["age"] - table["age"].mean()) / table["age"].std()
    levels = [table["stage"] == "II", table["stage"] == "III", table["sex"] == 1]
    values = np.stack([per_sd, age, *levels], axis=1).astype(float)
    adjusted = hazard_ratio(time, event, risk, table, per_sd=True)
    found = [t.ratio for t in (adjusted.term, *adjusted.others)]
    np.testing.assert_allclose(found, reference(time, event, values), rtol=1e-5)
    assert [t.name.split(",")[0] for t in adjusted.others] == [
        "age",
        "stage: II against I",
        "stage: III against I",
        "sex: 1 against 0",
    ]
    assert adjusted.low < adjusted.ratio < adjusted.high
    assert (adjusted.cases, adjusted.events, adjusted.dropped) == (160, event.sum(), 0)
    assert adjusted.reason == ""


def test_groups_are_compared_and_limits_widen_with_confidence() -> None:
    time, event, risk, _ = cohort(0)
    group = risk > np.median(risk)
    one = hazard_ratio(time, event, group, name="high risk")
    assert one.ratio == pytest.approx(reference(time, event, group[:, None].astype(float))[0], rel=1e-6)
    assert one.term.name == "high risk"
    narrow = hazard_ratio(time, event, group, level=0.5)
    assert one.low < narrow.low < narrow.high < one.high
    assert one.low > 1
    assert one.p < 0.01


def test_the_scale_of_risk_does_not_matter_per_sd() -> None:
    time, event, risk, table = cohort(1)
    one = hazard_ratio(time, event, risk, table, per_sd=True)
    other = hazard_ratio(time, event, 1e4 * risk - 3e5, table, per_sd=True)
    assert other.ratio == pytest.approx(one.ratio, rel=1e-6)


def test_missing_covariates_are_left_out_and_told() -> None:
    time, event, risk, table = cohort(2)
    table["stage"] = table["stage"].astype(object)
    table.loc[[3, 5], "age"] = np.nan
    table.loc[[5, 9], "stage"] = ["", None]
    whole = table.notna().all(axis=1).to_numpy() & (table["stage"] != "").to_numpy()
    found = hazard_ratio(time, event, risk, table)
    assert (found.cases, found.dropped) == (157, 3)
    assert any("3 of 160" in note for note in found.notes)
    without = hazard_ratio(time[whole], event[whole], risk[whole], table[whole])
    assert found.ratio == pytest.approx(without.ratio, rel=1e-9)


def test_a_level_without_events_leaves_with_its_cases_and_moves_nothing() -> None:
    time, event, risk, table = cohort(0)
    rare = np.arange(160) < 8
    event = event & ~rare
    table.loc[rare, "stage"] = "0"
    found = hazard_ratio(time, event, risk, table)
    assert (found.cases, found.dropped) == (152, 8)
    assert any("stage 0" in note for note in found.notes)
    kept = ~rare
    without = hazard_ratio(time[kept], event[kept], risk[kept], table[kept])
    assert found.ratio == pytest.approx(without.ratio, rel=1e-9)


def test_strata_have_baselines_of_their_own() -> None:
    time, event, risk, _ = cohort(1)
    site = np.arange(160) % 2
    plain = hazard_ratio(time, event, risk, strata=site)
    moved = hazard_ratio(time * np.where(site, 50, 1), event, risk, strata=site)
    assert moved.ratio == pytest.approx(plain.ratio, rel=1e-8)
    assert abs(plain.ratio / hazard_ratio(time, event, risk).ratio - 1) > 1e-4


def test_known_hazards_are_recovered() -> None:
    rng = np.random.default_rng(0)
    risk = rng.normal(size=4000)
    event_time, last = rng.exponential(np.exp(-0.7 * risk)), rng.uniform(0, 3, 4000)
    found = hazard_ratio(np.minimum(event_time, last), event_time <= last, risk)
    assert found.low < math.exp(0.7) < found.high
    assert found.high / found.low < 1.15
    assert not found.notes


def test_hazards_that_cross_are_noted() -> None:
    rng = np.random.default_rng(0)
    group = np.arange(600) % 2 == 1
    time = np.where(group, rng.weibull(0.5, 600), rng.weibull(3.0, 600)) * 10
    found = hazard_ratio(time, np.ones(600, bool), group)
    assert found.term.proportional < 1e-6
    assert any("changes over time" in note for note in found.notes)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("no events", "no event among"),
        ("constant", "the same in all"),
        ("few events", "too few"),
        ("separated", "no event in the group with the higher"),
        ("perfect", "without error"),
        ("twins", "tell the same"),
        ("nobody", "no event among 0"),
        ("all missing", "no event among 0"),
    ],
)
def test_what_cannot_be_fitted_is_nan_with_a_reason(change: str, word: str) -> None:
    time, event, risk, table = cohort(0)
    covariates: pd.DataFrame | None = None
    if change == "no events":
        event = np.zeros_like(event)
    elif change == "constant":
        risk = np.full_like(risk, 3.1)
    elif change == "few events":
        event, covariates = np.arange(160) == 80, table[["age"]]
    elif change == "separated":
        risk = (~event).astype(float)
    elif change == "perfect":
        risk = -time
    elif change == "twins":
        covariates = table.assign(twice=2 * risk + 1)
    elif change == "nobody":
        time, event, risk = time[:0], event[:0], risk[:0]
    else:
        covariates = table.assign(lost=np.nan)
    found = hazard_ratio(time, event, risk, covariates, per_sd=change in ("constant", "nobody", "perfect"))
    assert math.isnan(found.ratio)
    assert math.isnan(found.p)
    assert word in found.reason


def test_few_events_for_many_terms_and_idle_covariates_are_noted() -> None:
    time, event, risk, table = cohort(0, 40)
    found = hazard_ratio(time, event, risk, table.assign(country="NL"))
    assert found.reason == ""
    assert any("events for each are advised" in note for note in found.notes)
    assert any("country is the same" in note for note in found.notes)


def test_age_in_tcga(shared_data: Path) -> None:
    table = pd.read_csv(shared_data / "survival_tcga" / "tcga_ucec_clinical.csv")
    table = table.drop_duplicates("case_id").dropna(subset=["age", "survival_months"])
    time, event = table["survival_months"].to_numpy(float), table["censorship"].to_numpy() == 0
    age = table["age"].to_numpy(float)
    found = hazard_ratio(time, event, age, table[["oncotree_code"]].reset_index(), per_sd=True, name="age")
    assert found.reason == ""
    assert 1 < found.ratio < 3
    alone = hazard_ratio(time, event, age, per_sd=True)
    spread = (age - age.mean()) / age.std(ddof=1)
    assert alone.ratio == pytest.approx(reference(time, event, spread[:, None])[0], rel=1e-6)
