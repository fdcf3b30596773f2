"""One look at all grids that are to be learned from: how their codes are spread, and how large they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from histopress.grids.grid import FeatureGrid
from histopress.grids.standard import Standard, standardise


@dataclass(frozen=True)
class Survey:
    """What the grids of some cases are like.

    Attributes:
        standard: centre and spread of the codes.
        sizes: of every case, the cells of the windows around its tissue.
        nbytes: all grids take in memory.
    """

    standard: Standard
    sizes: tuple[int, ...]
    nbytes: int


def survey(cases: Sequence[tuple[Path, ...]], read: Callable[[Path], FeatureGrid]) -> Survey:
    """Read every grid once, one in memory at a time.

    Args:
        cases: paths of the grids of each.
        read: gets a grid from its path.

    Raises:
        GridError: a grid cannot be read, or there is not a single tissue cell.
    """
    sizes = [0] * len(cases)
    nbytes = [0]

    def grids() -> Iterator[FeatureGrid]:
        for case, paths in enumerate(cases):
            for path in paths:
                grid = read(path)
                sizes[case] += grid.window.rows * grid.window.cols
                nbytes[0] += grid.nbytes
                yield grid

    return Survey(standardise(grids()), tuple(sizes), nbytes[0])
