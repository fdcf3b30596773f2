"""Grids with targets as batches: read lazily, looked at by views, kept as lists of tissue cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from histopress.grids.augment import apply as apply_changes
from histopress.grids.augment import draw as draw_changes
from histopress.grids.cells import Cells
from histopress.grids.draws import Draw
from histopress.grids.grid import FeatureGrid
from histopress.grids.joint import lay_side_by_side
from histopress.grids.places import Places
from histopress.grids.store import read_grid
from histopress.grids.views import ViewRule, apply_view, draw_view, lay_views, some_of

Read = Callable[[Path], FeatureGrid]
"""Gets a grid from its path."""


@dataclass(frozen=True)
class CellSample:
    """One view of one case.

    Attributes:
        cells: what is seen.
        target: (width,) what is to be learned, NaN where it is unknown.
        weight: of the case in the loss.
        case: position of the case in its data set.
        share: of this view among the views of its case.
    """

    cells: Cells
    target: Tensor
    weight: float
    case: int
    share: float


@dataclass(frozen=True)
class CellBatch:
    """Views of cases. Nothing is padded: heads that need pictures lay the cells out by `places`.

    Attributes:
        features: (cells, dim) float32, of all views one after the other.
        places: where they lie.
        target: (views, width) float32, NaN where it is unknown.
        weight: (views,) float32.
        case: (views,) int64.
        share: (views,) float32.
    """

    features: Tensor
    places: Places
    target: Tensor
    weight: Tensor
    case: Tensor
    share: Tensor

    def to(self, device: torch.device | str, **how: Any) -> Self:
        """The same on another device."""
        return type(self)(*(getattr(self, f.name).to(device, **how) for f in fields(self)))

    def pin_memory(self) -> Self:
        """The same in memory that a GPU can fetch from."""
        return type(self)(*(getattr(self, f.name).pin_memory() for f in fields(self)))


class GridCache:
    """Reads grids and keeps the first ones that fit into memory.

    Every epoch reads each grid once, so letting go of one to keep another would gain nothing.
    """

    def __init__(self, limit: int, read: Read = read_grid) -> None:
        """Begin empty.

        Args:
            limit: bytes to keep at most.
            read: gets a grid from its path.
        """
        self.limit = limit
        self.bytes = 0
        self._read = read
        self._kept: dict[Path, FeatureGrid] = {}

    def __call__(self, path: Path) -> FeatureGrid:
        """The grid at a path."""
        if path in self._kept:
            return self._kept[path]
        grid = self._read(path)
        if self.bytes + grid.nbytes <= self.limit:
            self._kept[path] = grid
            self.bytes += grid.nbytes
        return grid


@dataclass(frozen=True)
class LabelledGrids:
    """Cases and their targets. A case is a slide, or all slides of a patient, laid side by side.

    Attributes:
        paths: of the stored grids of every case.
        targets: (cases, width) float32, NaN where it is unknown.
        weights: (cases,) float32, of every case in the loss.
        read: gets a grid from its path.
    """

    paths: Sequence[tuple[Path, ...]]
    targets: Tensor
    weights: Tensor
    read: Read

    def __len__(self) -> int:
        return len(self.paths)

    def grid(self, case: int) -> FeatureGrid:
        """The grid of a case."""
        grids = [self.read(path) for path in self.paths[case]]
        return grids[0] if len(grids) == 1 else lay_side_by_side(grids).grid

    def sample(self, case: int, cells: Cells, share: float = 1.0) -> CellSample:
        """One view of a case, with all that goes with it."""
        return CellSample(cells, self.targets[case], float(self.weights[case]), case, share)


class DrawnViews(Dataset[list[CellSample]]):
    """One drawn view of each case, for training; asked with (case, seed of the draw)."""

    def __init__(self, grids: LabelledGrids, rule: ViewRule) -> None:
        self.grids, self.rule = grids, rule

    def __len__(self) -> int:
        return len(self.grids)

    def __getitem__(self, index: Draw) -> list[CellSample]:
        case, seed = index
        random = np.random.default_rng(seed)
        cells, rule = self._view(case, random), self.rule.changes
        if rule is not None:
            changes = draw_changes(cells.shape, len(cells), rule, random)
            other = self._view(self._alike(case, random), random) if rule.mix else None
            cells = apply_changes(cells, changes, other)
        return [self.grids.sample(case, cells)]

    def _view(self, case: int, random: np.random.Generator) -> Cells:
        grid = self.grids.grid(case)
        return some_of(apply_view(grid, draw_view(grid, self.rule, random)), self.rule.most, random)

    def _alike(self, case: int, random: np.random.Generator) -> int:
        """A case with the same target."""
        targets = self.grids.targets
        same = (targets == targets[case]).all(dim=1).nonzero()[:, 0].tolist()
        return int(random.choice(same)) if same else case


class LaidViews(Dataset[list[CellSample]]):
    """All test views of each case, in order."""

    def __init__(self, grids: LabelledGrids, rule: ViewRule) -> None:
        self.grids, self.rule = grids, rule

    def __len__(self) -> int:
        return len(self.grids)

    def __getitem__(self, case: int) -> list[CellSample]:
        grid = self.grids.grid(case)
        views = lay_views(grid, self.rule)
        return [self.grids.sample(case, apply_view(grid, view), view.share) for view in views]


def collate(cases: Sequence[Sequence[CellSample]]) -> CellBatch:
    """The views of several cases as one batch."""
    samples = [sample for views in cases for sample in views]
    rows = max(s.cells.shape[0] for s in samples)
    cols = max(s.cells.shape[1] for s in samples)
    order = [_positions(s.cells, cols) for s in samples]
    at = [positions + i * rows * cols for i, (positions, _) in enumerate(order)]
    features = [s.cells.features[by] for s, (_, by) in zip(samples, order, strict=True)]
    places = Places(
        at=torch.from_numpy(np.concatenate(at)),
        counts=tuple(len(s.cells) for s in samples),
        shape=(len(samples), rows, cols),
    )
    return CellBatch(
        features=torch.from_numpy(np.concatenate(features)),
        places=places,
        target=torch.stack([s.target for s in samples]),
        weight=torch.tensor([s.weight for s in samples]),
        case=torch.tensor([s.case for s in samples]),
        share=torch.tensor([s.share for s in samples]),
    )


def _positions(cells: Cells, cols: int) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Positions in a flattened picture with so many columns, ascending, and the order of cells for that."""
    positions = cells.at[:, 0] * cols + cells.at[:, 1]
    order = np.argsort(positions, kind="stable")
    return positions[order], order
