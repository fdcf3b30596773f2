"""Cells: one view of a grid as a list of tissue cells, before it is put into a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cells:
    """The tissue cells that a view shows; what is not listed is no tissue.

    Attributes:
        features: (tiles, dim) float32.
        at: (tiles, 2) int64 row and col within the view.
        shape: (rows, cols) of the view.
    """

    features: NDArray[np.float32]
    at: NDArray[np.int64]
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.at)

    def dense(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(dim, rows, cols) float32, 0 where there is no tissue, and (rows, cols) bool, True at tissue."""
        picture = np.zeros((*self.shape, self.features.shape[1]), dtype=np.float32)
        mask = np.zeros(self.shape, dtype=np.bool_)
        rows, cols = self.at.T
        picture[rows, cols] = self.features
        mask[rows, cols] = True
        return picture.transpose(2, 0, 1), mask
