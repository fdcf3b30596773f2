"""What codes are like whatever the labels: directions they fill, likeness of two sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.float32]

DEAD = 1e-5
"""A dimension is dead when its standard deviation is below this share of the largest one."""


def eigenvalues(codes: Codes) -> Array:
    """Eigenvalues of the covariance of codes (tiles, dim), largest first; as many as the smaller side."""
    centred = codes - codes.mean(axis=0, dtype=np.float64)
    product = centred.T @ centred if codes.shape[1] <= len(codes) else centred @ centred.T
    found: Array = np.linalg.eigvalsh(product)[::-1] / len(codes)
    return np.maximum(found, 0.0)


def effective_dimension(eigen: Array) -> float:
    """Exp of the entropy of the normalised eigenvalues: 1 for codes on a line, dim for a round cloud.

    The effective rank of Roy and Vetterli (EUSIPCO 2007) is made of singular values instead, and RankMe
    (Garrido et al., ICML 2023) of those of codes that were not centred.
    """
    total = eigen.sum()
    shares = eigen[eigen > 0] / total if total > 0 else np.ones(1)
    return float(np.exp(-(shares * np.log(shares)).sum()))


def participation_ratio(eigen: Array) -> float:
    """Squared sum of the eigenvalues by the sum of their squares: harder on small ones than the entropy."""
    squares = float((eigen**2).sum())
    return float(eigen.sum() ** 2) / squares if squares > 0 else 1.0


def dead_share(codes: Codes) -> float:
    """Share of the dimensions that hardly vary."""
    spread = codes.std(axis=0, dtype=np.float64)
    return float((spread <= DEAD * spread.max(initial=0.0)).mean())


def cosines(one: Codes, other: Codes) -> Array:
    """Cosine between two codes (tiles, dim) of each tile; 1 for equal ones, else 0 beside one of length 0."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    product, lengths = (a * b).sum(axis=1), np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    found: Array = np.divide(product, lengths, out=np.zeros(len(a)), where=lengths > 0)
    found[(a == b).all(axis=1)] = 1.0
    return np.clip(found, -1.0, 1.0)
