from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histopress.heads.leakage_labels import label_of, labels_of


def test_kinds_are_told_by_the_values() -> None:
    patients = [f"p{i}" for i in range(24)]
    table = pd.DataFrame(
        {
            "grade": np.arange(24) % 3,
            "age": np.linspace(30, 80, 24),
            "type": ["lobular", "ductal"] * 12,
            "os": [f"{i + 1}{'+' if i % 3 else ''}" for i in range(24)],
            "missing": [None, "yes", "no"] * 8,
        },
        index=patients,
    )
    grade, age, kind, survival, missing = labels_of(table)
    assert [label.name for label in (grade, age, kind, survival, missing)] == list(table)
    assert grade.numbers is kind.numbers is missing.numbers is None
    assert age.numbers is not None
    np.testing.assert_allclose(age.numbers, table["age"])
    assert np.bincount(age.groups).tolist() == [6, 6, 6, 6]
    assert survival.numbers is not None
    assert len(missing.patients) == 16
    assert "p0" not in missing.patients
    assert labels_of(table["grade"])[0].groups.tolist() == grade.groups.tolist()


def test_survival_is_events_beyond_expectation() -> None:
    lifelines = pytest.importorskip("lifelines")
    rng = np.random.default_rng(0)
    times, events = np.ceil(rng.exponential(8, 50)), rng.random(50) < 0.6
    truths = [f"{t:g}{'' if e else '+'}" for t, e in zip(times, events, strict=True)]
    label = label_of("os", "survival", truths, [str(i) for i in range(50)])
    assert label.numbers is not None
    assert label.numbers.sum() == pytest.approx(0, abs=1e-9)
    hazard = lifelines.NelsonAalenFitter(nelson_aalen_smoothing=False).fit(times, events)
    expected = events - hazard.cumulative_hazard_at_times(times).to_numpy()
    np.testing.assert_allclose(label.numbers, expected, atol=1e-9)


def test_no_label_at_all() -> None:
    for kind in ("binary", "regression", "survival"):
        assert len(label_of("x", kind, ["", ""], ["a", "b"]).groups) == 0
