"""Augmentation of grids: what may change in a view for training, first drawn, then applied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from histopress.core.errors import GridError, RecipeError
from histopress.grids.cells import Cells

BEND = 12
"""Cells between the points whose displacements are drawn for elastic deformation."""
SUPPLY = 1 << 20
"""How many normal numbers are kept for noise; drawing them anew would cost more than all other changes."""


@dataclass(frozen=True)
class AugmentRule:
    """What is drawn for a view.

    Mirroring and turns are exact where the encoder answers alike for mirrored and turned tiles. Elastic
    deformation and mixing follow what the group of neural image compression did to grids of codes, where both
    were optional too.

    Attributes:
        flips: mirror left to right, or not.
        turns: by quarters, 0 to 3; together with flips, all 8 orientations are alike likely.
        cell_dropout: share of the cells that is left out, below 1.
        noise: standard deviation of what is added to each channel, in standard deviations of that channel
            over the cells of the view.
        elastic: standard deviation of how far cells move along each axis, in cells; neighbours move alike.
        mix: how often a block of another view of the same class is pasted, from a drawn corner to the lower
            right; after each, the whole is turned by quarters where `turns` allows.
    """

    flips: bool = True
    turns: bool = True
    cell_dropout: float = 0.0
    noise: float = 0.0
    elastic: float = 0.0
    mix: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            RecipeError: a share outside of 0 to 1, or less than nothing.
        """
        if not 0 <= self.cell_dropout < 1:
            raise RecipeError(f"cell_dropout is {self.cell_dropout}, expected 0 or more and less than 1")
        for name in ("noise", "elastic", "mix"):
            if not getattr(self, name) >= 0:
                raise RecipeError(f"{name} is {getattr(self, name)}, expected 0 or more")


@dataclass(frozen=True)
class Paste:
    """A block of another view that replaces what was there.

    Attributes:
        corner: its upper left corner, as shares of rows and cols, 0 to 1; it reaches to the lower right.
        turns: quarter turns of the whole after pasting, anticlockwise.
    """

    corner: tuple[float, float]
    turns: int


@dataclass(frozen=True, eq=False)
class Changes:
    """What was drawn for one view; applied again to the same cells, it gives the same.

    Attributes:
        shape: (rows, cols) of the view it was drawn for.
        count: how many cells that view has.
        mirrored: columns in reverse order, before turning.
        turns: quarter turns, anticlockwise, 0 to 3.
        dropped: (some,) int64, which cells of the list are left out.
        noise: as the rule has it.
        noise_seed: of the numbers that are added.
        bends: (2, points down, points across) float32, displacements of rows and cols, cells; or none.
        pastes: in order.
    """

    shape: tuple[int, int]
    count: int
    mirrored: bool
    turns: int
    dropped: NDArray[np.int64]
    noise: float
    noise_seed: int
    bends: NDArray[np.float32] | None
    pastes: tuple[Paste, ...]


def draw(shape: tuple[int, int], count: int, rule: AugmentRule, random: np.random.Generator) -> Changes:
    """Draw how a view is changed. Equal seeds give equal orientations, whatever else a rule asks for.

    Args:
        shape: (rows, cols) of the view.
        count: how many cells it has.
        rule: what may be drawn.
        random: gives all numbers.
    """
    mirrored, turns = bool(random.integers(2)), int(random.integers(4))
    seed = int(random.integers(2**62))
    fewer = int(rule.cell_dropout * count)
    return Changes(
        shape=shape,
        count=count,
        mirrored=mirrored and rule.flips,
        turns=turns if rule.turns else 0,
        dropped=np.sort(random.choice(count, fewer, replace=False)) if fewer else np.zeros(0, dtype=np.int64),
        noise=rule.noise,
        noise_seed=seed,
        bends=_bends(shape, rule.elastic, random) if rule.elastic else None,
        pastes=tuple(_paste(rule, random) for _ in range(rule.mix)),
    )


def apply(cells: Cells, changes: Changes, other: Cells | None = None) -> Cells:
    """Change a view as drawn: leave out cells, add noise, move cells, paste, mirror, turn.

    Args:
        cells: the view that the changes were drawn for.
        changes: what was drawn.
        other: another view of the same class, of any shape, to paste from; without it nothing is pasted.

    Returns:
        Cells in any order, no place taken twice, at least one where there was one. Features are shared with
        what was given where they are the same.

    Raises:
        GridError: the changes were drawn for another view.
    """
    if cells.shape != changes.shape or len(cells) != changes.count:
        raise GridError(
            f"a view of {cells.shape} with {len(cells)} cells, expected {changes.shape} with "
            f"{changes.count}, for which the changes were drawn; draw for the view that is changed"
        )
    if len(changes.dropped):
        cells = _some(cells, np.delete(np.arange(len(cells)), changes.dropped))
    if changes.noise and len(cells):
        cells = _noisy(cells, changes.noise, changes.noise_seed)
    if changes.bends is not None:
        cells = _bent(cells, changes.bends)
    if changes.pastes and other is not None and len(other):
        cells = _mixed(cells, other, changes.pastes)
    return oriented(cells, changes.mirrored, changes.turns)


def oriented(cells: Cells, mirrored: bool = False, turns: int = 0) -> Cells:
    """Mirrored left to right, then turned by quarters, anticlockwise, as `numpy.rot90` does; exact."""
    return Cells(cells.features, *_turned(cells.at, cells.shape, turns, mirrored))


def _turned(
    at: NDArray[np.int64], shape: tuple[int, int], turns: int, mirrored: bool = False
) -> tuple[NDArray[np.int64], tuple[int, int]]:
    (rows, cols), (height, width) = at.T, shape
    if mirrored:
        cols = width - 1 - cols
    for _ in range(turns % 4):
        rows, cols, height, width = width - 1 - cols, rows, width, height
    return np.stack([rows, cols], axis=1), (height, width)


def _some(cells: Cells, which: NDArray[np.intp]) -> Cells:
    return Cells(cells.features[which], cells.at[which], cells.shape)


def _paste(rule: AugmentRule, random: np.random.Generator) -> Paste:
    down, across = random.random(2).tolist()
    turns = int(random.integers(4))
    return Paste((down, across), turns if rule.turns else 0)


def _mixed(cells: Cells, other: Cells, pastes: tuple[Paste, ...]) -> Cells:
    """Paste and turn by positions alone, then fetch the features once."""
    own = len(cells)
    which, at, shape = np.arange(own), cells.at, cells.shape
    for paste in pastes:
        kept, taken, moved = _replaced(at, shape, other, paste.corner)
        if len(kept) or len(taken):
            which = np.concatenate([which[kept], own + taken])
            at = np.concatenate([at[kept], moved])
        at, shape = _turned(at, shape, paste.turns)
    mine = which < own
    features = np.concatenate([cells.features[which[mine]], other.features[which[~mine] - own]])
    return Cells(features, np.concatenate([at[mine], at[~mine]]), shape)


def _replaced(
    at: NDArray[np.int64], shape: tuple[int, int], other: Cells, corner: tuple[float, float]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int64]]:
    """Cells that stay, and those of the other view's lower right block with where they go.

    Of a smaller view, all that there is of the block goes to the lower right.
    """
    sides, theirs = np.array(shape), np.array(other.shape)
    block = np.minimum(sides - (sides * corner).astype(np.int64), theirs)
    kept = (at < sides - block).any(axis=1).nonzero()[0]
    taken = (other.at >= theirs - block).all(axis=1).nonzero()[0]
    return kept, taken, other.at[taken] + (sides - theirs)


def _noisy(cells: Cells, share: float, seed: int) -> Cells:
    features = cells.features
    starts = np.random.default_rng(seed).integers(SUPPLY, size=len(cells))
    noise = sliding_window_view(_supply(features.shape[1]), features.shape[1])[starts]
    noise *= share * features.std(axis=0)
    noise += features
    return replace(cells, features=noise)


@lru_cache(maxsize=4)
def _supply(dim: int) -> NDArray[np.float32]:
    """The kept normal numbers, and `dim` of them again at the end."""
    kept = np.random.default_rng(SUPPLY).standard_normal(SUPPLY, dtype=np.float32)
    return np.concatenate([kept, kept[:dim]])


def _bends(shape: tuple[int, int], strength: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Displacements at points `BEND` cells apart, one point beyond the view and two behind it."""
    points = [(side - 1) // BEND + 4 for side in shape]
    thinned = 151 / 315  # standard deviation of normal numbers that a cubic B-spline in the plane smooths
    return random.standard_normal((2, *points), dtype=np.float32) * np.float32(strength / thinned)


def _bent(cells: Cells, bends: NDArray[np.float32]) -> Cells:
    """Every cell moves to the nearest place, at most to the edge; the nearest of those that meet is kept."""
    points = cells.at.T / BEND + 1
    away = np.stack([map_coordinates(b, points, order=3, prefilter=False) for b in bends], axis=1)
    edge = np.array(cells.shape) - 1
    wanted = np.clip(cells.at + away, 0, edge)
    at = np.rint(wanted).astype(np.int64)
    place, origin = (p[:, 0] * cells.shape[1] + p[:, 1] for p in (at, cells.at))
    order = np.lexsort((origin, np.square(wanted - at).sum(axis=1), place))
    first = np.diff(place[order], prepend=-1) > 0
    kept = np.sort(order[first])
    return Cells(cells.features[kept], at[kept], cells.shape)
