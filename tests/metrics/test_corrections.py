from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from histopress.metrics.corrections import benjamini_hochberg, corrected, holm


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.9])).tolist() == [1, 1]


@pytest.mark.parametrize("seed", range(8))
def test_benjamini_hochberg_equals_scipys(seed: int) -> None:
    p = np.random.default_rng(seed).uniform(size=9) ** 2
    np.testing.assert_allclose(benjamini_hochberg(p), scipy.stats.false_discovery_control(p))


@pytest.mark.parametrize("seed", range(8))
def test_corrections_raise_p_keep_the_order_and_lie_between_nothing_and_bonferroni(seed: int) -> None:
    p = np.random.default_rng(seed).uniform(size=7) ** 3
    rate, family = benjamini_hochberg(p), holm(p)
    assert (p <= rate).all()
    assert (rate <= family).all()
    assert (family <= np.minimum(7 * p, 1) + 1e-15).all()
    for one in (rate, family):
        assert (np.diff(one[np.argsort(p)]) >= 0).all()


def test_tests_that_were_not_possible_do_not_count() -> None:
    found = corrected([0.01, np.nan, 0.02], "holm")
    assert found[[0, 2]].tolist() == [0.02, 0.02]
    assert np.isnan(found[1])
    assert corrected([0.01, 0.2], "none").tolist() == [0.01, 0.2]
    assert len(corrected([], "holm")) == 0
