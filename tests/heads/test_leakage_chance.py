from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from histopress.heads import leakage_chance as chance


def test_association_equals_scipys() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 4, 90), rng.integers(0, 3, 90)
    table = scipy.stats.contingency.crosstab(one, other).count
    expected = scipy.stats.contingency.association(table, method="cramer")
    assert chance.cramers_v(one, other) == pytest.approx(expected, abs=1e-12)
    numbers = rng.normal(size=90)
    f = scipy.stats.f_oneway(*(numbers[one == g] for g in range(4))).statistic
    assert chance.correlation_ratio(one, numbers) ** 2 == pytest.approx(3 * f / (3 * f + 86))
    assert chance.cramers_v(one, one) == pytest.approx(1)
    assert chance.cramers_v(one, np.zeros(90, int)) == 0
    assert chance.correlation_ratio(one, np.full(90, 2.5)) == 0


def test_a_group_that_tells_all_and_one_that_tells_nothing() -> None:
    rng = np.random.default_rng(1)
    asked = np.arange(100) % 4
    whole = chance.groups_from_groups((asked + 1) % 4, asked)
    assert (whole.value, whole.p) == (1.0, 1 / (1 + chance.DEALS))
    assert whole.chance == pytest.approx(0.25, abs=0.03)
    assert chance.groups_from_groups(rng.integers(0, 3, 100), asked).value < 0.4
    numbers = chance.numbers_from_groups(asked, asked + rng.normal(0, 0.1, 100))
    assert numbers.value > 0.95
    assert chance.numbers_from_groups(asked, rng.normal(size=100)).value < 0.1


def test_balanced_accuracy_gains_nothing_from_a_common_group() -> None:
    rng = np.random.default_rng(2)
    asked = (rng.random(200) < 0.08).astype(int)
    found = chance.groups_from_groups(rng.integers(0, 3, 200), asked)
    assert found.value == pytest.approx(0.5, abs=0.2)
    assert found.p > 0.01


def test_codes_tell_groups_where_they_differ() -> None:
    rng = np.random.default_rng(3)
    asked = np.arange(80) % 3
    codes = rng.normal(size=(80, 400)).astype(np.float32)
    nothing = chance.groups_from_codes(codes, asked)
    assert nothing.value == pytest.approx(1 / 3, abs=0.2)
    assert nothing.p > 0.01
    codes[:, :40] += asked[:, np.newaxis]
    something = chance.groups_from_codes(codes, asked)
    assert something.value > 0.9
    assert something.p < 0.01
    assert chance.groups_from_codes(np.ones((80, 5), np.float32), asked).p > 0.01


def test_p_values_are_level_without_any_association() -> None:
    rng = np.random.default_rng(4)
    below = 0
    for seed in range(60):
        one, other = rng.integers(0, 4, 40), rng.integers(0, 2, 40)
        p = chance.association_p(lambda dealt, one=one: chance.cramers_v(one, dealt), other, seed)
        below += p <= 0.2
    assert 4 <= below <= 21
