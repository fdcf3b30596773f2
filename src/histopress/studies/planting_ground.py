"""What the cells of grids without a signal are like: the scale on which everything planted is measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.grids.grid import FeatureGrid
from histopress.grids.standard import standardise

CELLS = 64
"""Of a slide at most, that the main direction is found by."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What negative cells are like.

    Attributes:
        mean: (dim,) float64 of their codes.
        sd: (dim,) float64 standard deviation of every number, above 0.
        axis: (dim,) float64 unit vector along which standardised codes vary most.
        tiles: slide id -> how many tissue cells it has.
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    axis: NDArray[np.float64]
    tiles: dict[str, int]


def measure(grids: Mapping[str, FeatureGrid], slides: Iterable[str] | None = None) -> Ground:
    """Read grids once, one in memory at a time.

    Args:
        grids: by slide id.
        slides: which of them; all when not given.

    Raises:
        GridError: there is not a single tissue cell.
    """
    tiles: dict[str, int] = {}
    samples: list[NDArray[np.float16]] = []

    def read() -> Iterator[FeatureGrid]:
        for slide in grids if slides is None else slides:
            grid = grids[slide]
            tiles[slide] = len(grid)
            samples.append(grid.features[:: -(-len(grid) // CELLS) or 1].copy())
            yield grid

    standard = standardise(read())
    scaled = (np.concatenate(samples) - standard.mean) / standard.sd
    return Ground(standard.mean, standard.sd, _main_direction(scaled), tiles)


def _main_direction(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(dim,) unit vector of the largest variance; its largest number is above 0, so that it has one sign."""
    axis = np.linalg.eigh(codes.T @ codes / len(codes))[1][:, -1]
    return np.asarray(axis * np.sign(axis[np.abs(axis).argmax()]), np.float64)
