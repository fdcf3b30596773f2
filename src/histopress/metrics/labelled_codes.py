"""Codes of tiles with their labels and groups, and the scale on which codes are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.float32]


@dataclass(frozen=True)
class Labelled:
    """Codes and what is known of their tiles.

    Attributes:
        codes: (tiles, dim).
        targets: (tiles,) numbers of classes or labels; (tiles, classes) of 0 and 1 for multilabel; no NaN
            but for multilabel.
        groups: (tiles,) what must never be split.
    """

    codes: Codes
    targets: NDArray[np.float32]
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.codes)

    def rows(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Labelled:
        """Some of the tiles."""
        return Labelled(self.codes[chosen], self.targets[chosen], self.groups[chosen])

    def scaled(self, scale: Scale) -> Labelled:
        """The same tiles with standardised codes."""
        return Labelled(scale(self.codes), self.targets, self.groups)

    def column(self, number: int) -> Labelled:
        """The tiles for which one class of a multilabel set is known, with that class as the target."""
        known = np.flatnonzero(~np.isnan(self.targets[:, number]))
        return Labelled(self.codes[known], self.targets[known, number], self.groups[known])


@dataclass(frozen=True)
class Scale:
    """Brings every dimension of codes to mean 0 and spread 1; those that never vary become 0.

    Attributes:
        mean: (dim,).
        factor: (dim,) one by the standard deviation.
    """

    mean: Codes
    factor: Codes

    @classmethod
    def of(cls, codes: Codes) -> Scale:
        """The scale on which these codes are standardised."""
        mean = codes.mean(axis=0, dtype=np.float64)
        spread = codes.std(axis=0, dtype=np.float64)
        varies = spread > 1e-6 * np.maximum(np.abs(mean), spread.max(initial=0.0))
        factor = np.divide(1.0, spread, out=np.zeros_like(spread), where=varies)
        return cls(mean.astype(np.float32), factor.astype(np.float32))

    def __call__(self, codes: Codes) -> Codes:
        """Standardise."""
        scaled: Codes = (codes - self.mean) * self.factor
        return scaled


def softmax(raw: Array) -> Array:
    """Rows that sum to 1."""
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def one_hot(targets: NDArray[np.float32], classes: int) -> Array:
    """(tiles, classes) 1 where a tile is of the class."""
    return np.asarray(targets[:, None] == np.arange(classes), np.float64)


def unit_length(codes: Codes) -> Codes:
    """Codes of length 1; those of length 0 stay."""
    lengths = np.linalg.norm(codes, axis=1, keepdims=True)
    unit: Codes = np.divide(codes, lengths, out=np.zeros_like(codes), where=lengths > 0)
    return unit
