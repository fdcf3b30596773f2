"""Corners of tiles -> cells of one lattice; tiles that lie on several are moved a little, or refused.

Tools that begin their tiles at the box around each piece of tissue lay one lattice for each piece.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError

ON_LATTICE = 0.02
"""Share of a step within which a tile counts as lying where its cell is: rounding, not another lattice."""

DRIFT = 0.005
"""Relative error of a stated step that is mended: tools round steps to whole pixels."""


@dataclass(frozen=True)
class Axis:
    """Places of tiles along one axis.

    Attributes:
        places: (tiles,) cells from the origin, 0 or more.
        origin: of cell 0.
        step: from cell to cell.
        moved: the largest distance of a tile from its cell, as a share of the step.
    """

    places: NDArray[np.int64]
    origin: float
    step: float
    moved: float


def find_axis(values: NDArray[np.float64], step: float, rounding: float) -> Axis:
    """The lattice of this step that lies nearest to all tiles.

    Args:
        values: (tiles,) corners along one axis, px.
        step: px from tile to tile as it is stated; mended by up to `DRIFT` where the tiles say so.
        rounding: px by which corners may be rounded; a lattice whose origin is 0 within it begins there.
    """
    axis = _at_step(values, step, rounding)
    if axis.moved <= ON_LATTICE:
        return axis
    mended = _mend(values, step)
    other = _at_step(values, mended, rounding)
    close = abs(mended / step - 1) <= DRIFT
    return other if close and other.moved <= ON_LATTICE else axis


def given_axis(values: NDArray[np.float64], origin: float, step: float) -> Axis:
    """The places on a lattice that is known."""
    exact = (values - origin) / step
    places = np.rint(exact).astype(np.int64)
    return Axis(places, origin, step, float(np.abs(exact - places).max(initial=0.0)))


def _at_step(values: NDArray[np.float64], step: float, rounding: float) -> Axis:
    axis = given_axis(values, _origin(values, step, rounding), step)
    first = min(int(axis.places.min()), 0)
    return Axis(axis.places - first, axis.origin + first * step, step, axis.moved)


def _origin(values: NDArray[np.float64], step: float, rounding: float) -> float:
    """Middle of the shortest stretch, modulo the step, that holds all values; 0 where that is as good."""
    phases = np.unique(np.mod(values, step))
    gaps = np.diff(np.append(phases, phases[0] + step))
    widest = int(gaps.argmax())
    start, length = phases[(widest + 1) % len(phases)], step - gaps[widest]
    holds_zero = start - rounding <= 0 or start + length + rounding >= step
    if holds_zero and length <= max(2 * rounding, ON_LATTICE * step):
        return 0.0
    return float((start + length / 2) % step)


def _mend(values: NDArray[np.float64], step: float) -> float:
    """The step that fits the distances between neighbours, each a whole number of stated steps."""
    distinct = np.unique(values)
    if len(distinct) < 3:
        return step
    places = np.cumsum(np.rint(np.diff(distinct, prepend=distinct[0]) / step))
    return float(np.polyfit(places, distinct, 1)[0]) if places[-1] > 0 else step


def check_moved(x: Axis, y: Axis, allowed: float, corners: NDArray[np.float64]) -> float:
    """The largest distance of a tile from its cell, as a share of the step.

    Raises:
        GridError: more than is allowed.
    """
    worst = max(x, y, key=lambda axis: axis.moved)
    if worst.moved > max(allowed, ON_LATTICE):
        enough = math.ceil(worst.moved * 100) / 100
        raise GridError(
            f"the tiles do not share one lattice: on the best one, of {x.step:.6g} x {y.step:.6g} px of "
            f"level 0, some lie {worst.moved * worst.step:.0f} px off, {worst.moved:.1%} of a step, allowed "
            f"are {allowed:.0%} (the nearest neighbours are {_nearest(corners):.6g} px apart); if pieces of "
            f"tissue were tiled from their own corners, move them with --snap {min(enough, 0.5):g}, if tiles "
            "overlap, give their --overlap"
        )
    return worst.moved


def _nearest(corners: NDArray[np.float64]) -> float:
    """The smallest distance between two different corners along either axis."""
    steps = [np.diff(np.unique(corners[:, axis])) for axis in (0, 1)]
    return min((float(s.min()) for s in steps if len(s)), default=0.0)


def check_alone(cells: NDArray[Any], corners: NDArray[np.float64]) -> None:
    """Raise GridError if two tiles lie in one cell.

    Args:
        cells: (tiles, 2) row and col.
        corners: (tiles, 2) x and y, level-0 px.
    """
    distinct, first, counts = np.unique(cells, axis=0, return_index=True, return_counts=True)
    if counts.max(initial=1) == 1:
        return
    row, col = distinct[counts > 1][0]
    both = np.flatnonzero((cells == (row, col)).all(axis=1))[:2]
    places = " and ".join(f"({corners[i, 0]:.6g}, {corners[i, 1]:.6g})" for i in both)
    raise GridError(
        f"{len(cells) - len(first)} tiles share a cell with another one: those at {places} both fall into "
        f"row {row}, col {col}; if tiles overlap, say so with --overlap, if pieces of tissue were tiled "
        "apart, tile the slide again from one origin"
    )
