from __future__ import annotations

import numpy as np
import pytest

from histopress.metrics.spectrum import (
    cosines,
    dead_share,
    effective_dimension,
    eigenvalues,
    participation_ratio,
)


def cloud(tiles: int, dim: int) -> np.ndarray:
    return np.random.default_rng(0).normal(4, 1, (tiles, dim)).astype(np.float32)


def test_a_round_cloud_fills_every_direction() -> None:
    eigen = eigenvalues(cloud(20_000, 10))
    assert effective_dimension(eigen) == pytest.approx(10, rel=0.01)
    assert participation_ratio(eigen) == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize("tiles", [5_000, 30])
def test_codes_of_rank_three_fill_three(tiles: int) -> None:
    eigen = eigenvalues(cloud(tiles, 3) @ np.linalg.qr(cloud(40, 3))[0].T)
    assert (eigen > 1e-6 * eigen[0]).sum() == 3
    assert 2.2 < effective_dimension(eigen) <= 3.001
    assert 2.2 < participation_ratio(eigen) <= 3.001


def test_eigenvalues_are_those_of_the_covariance() -> None:
    codes = cloud(50, 8)
    expected = np.linalg.eigvalsh(np.cov(codes.T, bias=True))[::-1]
    np.testing.assert_allclose(eigenvalues(codes), expected, rtol=1e-5)
    np.testing.assert_allclose(
        eigenvalues(codes[:6])[:5], np.linalg.eigvalsh(np.cov(codes[:6].T, bias=True))[:2:-1]
    )


def test_equal_codes_have_one_dimension() -> None:
    eigen = eigenvalues(np.full((9, 4), 2.5, np.float32))
    assert (effective_dimension(eigen), participation_ratio(eigen)) == (1, 1)


def test_dead_dimensions_are_counted() -> None:
    codes = cloud(100, 8)
    codes[:, 2:5] = 0.7
    assert dead_share(codes) == 3 / 8


def test_cosines() -> None:
    codes = cloud(30, 5)
    assert (cosines(codes, codes) == 1).all()
    np.testing.assert_allclose(cosines(codes, -2 * codes), -1)
    zero = np.zeros((2, 3), np.float32)
    assert cosines(zero, zero).tolist() == [1, 1]
    assert cosines(zero, zero + 1).tolist() == [0, 0]
