"""Centre and spread of the codes over the tissue of many grids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError
from histopress.grids.grid import FeatureGrid


@dataclass(frozen=True)
class Standard:
    """Centre and spread of every channel over tissue cells.

    Attributes:
        mean: (dim,) float64.
        sd: (dim,) float64, above 0; 1 for channels that do not vary.
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]


def standardise(grids: Iterable[FeatureGrid]) -> Standard:
    """Mean and standard deviation of every channel over all tissue cells, one grid in memory at a time.

    Raises:
        GridError: there is not a single tissue cell.
    """
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for grid in grids:
        if not len(grid):
            continue
        features = grid.features.astype(np.float64)
        centre = features.mean(axis=0)
        away = centre - mean
        total = count + len(grid)
        squares = squares + np.square(features - centre).sum(axis=0) + away**2 * (count * len(grid) / total)
        mean = mean + away * (len(grid) / total)
        count = total
    if not count:
        raise GridError("no grid has a tissue cell, expected some; look at the tissue masks of the slides")
    sd = np.sqrt(squares / count)
    return Standard(mean, np.where(sd > 1e-6 * (1 + np.abs(mean)), sd, 1.0))
