from __future__ import annotations

import numpy as np
import pytest

from histopress.core.errors import PredictionsError
from histopress.metrics import scores
from histopress.metrics.compare import compare, compare_areas, in_common, pairs
from histopress.metrics.intervals import draw_resamples


def cohort(seed: int, cases: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Truth, and a score that hard patients pull down for whatever model is made of it."""
    rng = np.random.default_rng(seed)
    positive = rng.permutation(np.arange(cases) < cases // 3)
    return positive, rng.normal(size=cases) + 1.3 * positive


def areas(positive: np.ndarray, models: dict[str, np.ndarray]) -> dict:
    return {name: lambda w, score=score: scores.auroc(positive, score, w) for name, score in models.items()}


def test_a_clearly_better_model_is_found_and_an_equal_one_is_not() -> None:
    positive, shared = cohort(0, 120)
    rng = np.random.default_rng(1)
    models = {"noise": rng.normal(size=120), "good": shared, "same": np.exp(shared)}
    drawn = draw_resamples(np.arange(120), positive, 1000, 0)
    found = {(d.one, d.other): d for d in compare(areas(positive, models), np.arange(120), drawn, 0.95)}
    better = found["good", "noise"]
    assert better.value == pytest.approx(
        scores.auroc(positive, shared)[0] - scores.auroc(positive, models["noise"])[0]
    )
    assert better.interval.low > 0
    assert better.p < better.corrected < 0.05
    assert better.interval.method == "paired bootstrap over patients (BCa)"
    same = found["same", "good"]
    assert (same.value, same.interval.low, same.interval.high, same.p) == (0, 0, 0, 1)
    closed = {(d.one, d.other): d for d in compare_areas(positive, models, None, 0.95)}
    assert closed.keys() == found.keys()
    assert closed["good", "noise"].interval.low == pytest.approx(better.interval.low, abs=0.03)
    assert closed["good", "noise"].interval.high == pytest.approx(better.interval.high, abs=0.03)


@pytest.mark.parametrize("seed", range(12))
def test_p_is_small_exactly_where_the_interval_leaves_0_out(seed: int) -> None:
    positive, shared = cohort(seed)
    rng = np.random.default_rng(seed)
    models = {"a": shared + rng.normal(size=60), "b": shared}
    drawn = draw_resamples(np.arange(60), positive, 800, seed)
    for level in (0.8, 0.9, 0.95):
        (gap,) = compare(areas(positive, models), np.arange(60), drawn, level)
        assert (gap.p < 1 - level) == (gap.interval.low > 0 or gap.interval.high < 0)


def test_drawing_patients_once_is_surer_than_drawing_them_for_each_model() -> None:
    positive, shared = cohort(2, 90)
    models = areas(positive, {"a": shared + np.random.default_rng(0).normal(0, 0.2, 90), "b": shared})
    drawn = draw_resamples(np.arange(90), positive, 600, 0)
    (gap,) = compare(models, np.arange(90), drawn, 0.95)
    apart = models["a"](drawn.astype(float)) - models["b"](drawn[::-1].astype(float))
    assert gap.interval.high - gap.interval.low < 0.5 * np.ptp(np.quantile(apart, [0.025, 0.975]))


def test_equal_models_are_told_apart_as_rarely_as_promised() -> None:
    rng = np.random.default_rng(5)
    positive, trials, small = np.arange(80) < 40, 250, 0
    drawn = draw_resamples(np.arange(80), positive, 400, 0)
    for _ in range(trials):
        shared = rng.normal(size=80) + positive
        models = {name: shared + rng.normal(0, 0.7, 80) for name in "ab"}
        small += compare(areas(positive, models), np.arange(80), drawn, 0.95)[0].p < 0.05
    assert small / trials < 0.09


def test_slides_of_a_patient_are_drawn_together() -> None:
    positive, shared = cohort(3)
    rng = np.random.default_rng(3)
    models = {"a": shared + rng.normal(size=60), "b": shared}
    rows = np.repeat(np.arange(60), 3)
    once = compare(
        areas(positive, models), np.arange(60), draw_resamples(np.arange(60), positive, 300, 0), 0.95
    )[0]
    thrice = compare(
        areas(positive[rows], {name: score[rows] for name, score in models.items()}),
        rows,
        draw_resamples(rows, positive[rows], 300, 0),
        0.95,
    )[0]
    assert thrice.interval.low == pytest.approx(once.interval.low, abs=1e-12)
    assert thrice.p == pytest.approx(once.p)


def test_pairs_and_reference() -> None:
    assert pairs(["a", "b", "c"], None) == [("b", "a"), ("c", "a"), ("c", "b")]
    assert pairs(["a", "b", "c"], "b") == [("a", "b"), ("c", "b")]
    with pytest.raises(PredictionsError, match="expected one of a, b"):
        pairs(["a", "b"], "d")


def test_more_comparisons_raise_the_corrected_p_alone() -> None:
    positive, shared = cohort(7)
    rng = np.random.default_rng(0)
    models = {name: shared + rng.normal(0, 1, 60) for name in "abcd"}
    two = compare_areas(positive, {name: models[name] for name in "ab"}, None, 0.95)[0]
    four = compare_areas(positive, models, None, 0.95)
    assert four[0].p == pytest.approx(two.p)
    assert two.corrected == pytest.approx(two.p)
    assert all(d.corrected >= d.p for d in four)
    assert len(compare_areas(positive, models, None, 0.95, reference="a")) == 3


def test_a_score_without_value_gives_no_difference() -> None:
    nothing = {name: lambda w: np.full(len(w), np.nan) for name in "ab"}
    (gap,) = compare(nothing, np.arange(9), draw_resamples(np.arange(9), None, 100, 0), 0.95)
    assert np.isnan([gap.value, gap.p, gap.corrected, gap.interval.low]).all()
    assert gap.plain["p"] is None


def test_patients_not_in_common_are_told_and_left_out() -> None:
    patients = {"a": ["P3", "P1", "P2"], "b": ["P2", "P4", "P3"]}
    truths = {"a": [1, 0, 1], "b": [1, 0, 1]}
    found = in_common(patients, truths)
    assert found.patients.tolist() == ["P2", "P3"]
    assert found.rows["a"].tolist() == [2, 0]
    assert found.rows["b"].tolist() == [0, 2]
    assert found.left_out == {"a": ("P1",), "b": ("P4",)}
    with pytest.raises(PredictionsError, match="different truths of 1 patients, the first is P3: 1 and 0"):
        in_common(patients, truths | {"b": [1, 0, 0]})
    with pytest.raises(PredictionsError, match="no patient in common"):
        in_common({"a": ["P1"], "b": ["P2"]}, {"a": [0], "b": [0]})
