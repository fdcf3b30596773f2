"""Views of a grid: which window, mirrored or not, turned how often. First drawn or laid out, then applied."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from histopress.grids.augment import AugmentRule, oriented
from histopress.grids.cells import Cells
from histopress.grids.grid import FeatureGrid, Window


@dataclass(frozen=True)
class View:
    """How to look at a grid.

    Attributes:
        window: of cells; may reach beyond the grid.
        mirrored: columns in reverse order, before turning.
        turns: quarter turns, anticlockwise, 0 to 3.
        share: of this view among all views of the grid, 0 to 1.
    """

    window: Window
    mirrored: bool = False
    turns: int = 0
    share: float = 1.0


@dataclass(frozen=True)
class ViewRule:
    """Which views to take.

    Attributes:
        size: rows and cols of a window at most; where the tissue reaches less far, the window ends with it.
            0 for all of the tissue, however far it reaches.
        exact: every window has `size` rows and cols around a tissue cell, also beyond the grid.
        centre: how likely a tissue cell is the centre: all alike (even), or by its squared distance to the
            edge of the tissue (depth), as in neural image compression (arXiv 1811.02840).
        changes: what else is drawn for training, such as mirroring and turns; none for nothing.
        most: cells in a view for training; of more, so many are drawn. 0 for no limit.
        crops: how many exact windows are laid out over the tissue for testing.
        orientations: test each of them mirrored and turned in all 8 ways.
    """

    size: int
    exact: bool = False
    centre: Literal["even", "depth"] = "even"
    changes: AugmentRule | None = None
    most: int = 0
    crops: int = 10
    orientations: bool = False


def draw_view(grid: FeatureGrid, rule: ViewRule, random: np.random.Generator) -> View:
    """One view for training, with a window around a tissue cell."""
    chances = depth(grid) if rule.centre == "depth" and len(grid) else None
    row, col = grid.cells[random.choice(len(grid), p=chances)] if len(grid) else (0, 0)
    return View(_around(int(row), int(col), grid.window, rule))


def some_of(cells: Cells, most: int, random: np.random.Generator) -> Cells:
    """So many of the cells at most, drawn without replacement; all of them for 0."""
    if not 0 < most < len(cells):
        return cells
    kept = np.sort(random.choice(len(cells), most, replace=False))
    return Cells(cells.features[kept], cells.at[kept], cells.shape)


def lay_views(grid: FeatureGrid, rule: ViewRule) -> list[View]:
    """The views for testing, nothing drawn: all of the tissue, or exact windows evenly spread over it."""
    if not rule.exact:
        return _blocks(grid, rule.size) if rule.size else [View(grid.window)]
    centres = spread(grid.cells, rule.crops) if len(grid) else np.zeros((1, 2), dtype=np.int32)
    windows = [_around(int(row), int(col), grid.window, rule) for row, col in centres]
    ways = [(m, t) for m in (False, True) for t in range(4)] if rule.orientations else [(False, 0)]
    share = 1 / (len(windows) * len(ways))
    return [View(w, mirrored, turns, share) for w in windows for mirrored, turns in ways]


def apply_view(grid: FeatureGrid, view: View) -> Cells:
    """The tissue cells in a window, mirrored and turned."""
    window = view.window
    at = grid.cells.astype(np.int64) - np.array([window.row, window.col])
    kept = ((at >= 0) & (at < [window.rows, window.cols])).all(axis=1)
    features = grid.features if kept.all() else grid.features[kept]
    cells = Cells(features.astype(np.float32), at[kept], (window.rows, window.cols))
    return oriented(cells, view.mirrored, view.turns)


def depth(grid: FeatureGrid) -> NDArray[np.float64]:
    """(tiles,) squared distance of every tissue cell to the nearest cell without tissue, summing to 1."""
    window = grid.window
    beyond = Window(window.row - 1, window.col - 1, window.rows + 2, window.cols + 2)
    rows, cols = (grid.cells - [beyond.row, beyond.col]).T
    mask = np.zeros((beyond.rows, beyond.cols), dtype=np.bool_)
    mask[rows, cols] = True
    squared = np.square(distance_transform_edt(mask)[rows, cols])
    return np.asarray(squared / squared.sum(), dtype=np.float64)


def spread(cells: NDArray[np.int32], parts: int) -> NDArray[np.int32]:
    """Cells that are evenly spread over all.

    Args:
        cells: (tiles, 2).
        parts: how many are wanted; no more than there are.

    Returns:
        (parts, 2): the cells nearest to the middle of equal shares, got by halving along the longer side.
    """
    parts = min(parts, len(cells))
    if parts == 1:
        offset = cells - cells.mean(axis=0)
        return cells[[np.square(offset).sum(axis=1).argmin()]]
    axis = int(np.ptp(cells, axis=0).argmax())
    ordered = cells[np.argsort(cells[:, axis], kind="stable")]
    first = parts // 2
    cut = len(cells) * first // parts
    return np.concatenate([spread(ordered[:cut], first), spread(ordered[cut:], parts - first)])


def _around(row: int, col: int, whole: Window, rule: ViewRule) -> Window:
    if rule.exact:
        return Window(row - rule.size // 2, col - rule.size // 2, rule.size, rule.size)
    if not rule.size:
        return whole
    top, rows = _stretch(row, whole.row, whole.rows, rule.size)
    left, cols = _stretch(col, whole.col, whole.cols, rule.size)
    return Window(top, left, rows, cols)


def _stretch(centre: int, start: int, length: int, size: int) -> tuple[int, int]:
    """Start and length of at most `size` cells around one, within `length` cells from `start`."""
    if length <= size:
        return start, length
    return min(max(centre - size // 2, start), start + length - size), size


def _blocks(grid: FeatureGrid, size: int) -> list[View]:
    """The grid's window, cut into equal blocks of at most `size`; blocks without tissue are left out."""
    whole = grid.window
    down, across = math.ceil(whole.rows / size), math.ceil(whole.cols / size)
    views = []
    for top, bottom in _cuts(whole.row, whole.rows, down):
        for left, right in _cuts(whole.col, whole.cols, across):
            inside = (grid.cells >= [top, left]) & (grid.cells < [bottom, right])
            share = inside.all(axis=1).sum() / max(1, len(grid))
            if share or not len(grid):
                views.append(View(Window(top, left, bottom - top, right - left), share=float(share) or 1.0))
    return views


def _cuts(start: int, length: int, parts: int) -> list[tuple[int, int]]:
    edges = [start + length * part // parts for part in range(parts + 1)]
    return list(pairwise(edges))
