"""Grids with targets as batches: read lazily, looked at by views, padded to the largest, masks beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from histopress.core.errors import GridError
from histopress.grids.grid import FeatureGrid
from histopress.grids.store import read_grid
from histopress.grids.views import View, ViewRule, apply_view, draw_view, lay_views

Read = Callable[[Path], FeatureGrid]
"""Gets a grid from its path."""


@dataclass(frozen=True)
class GridSample:
    """One view of one slide.

    Attributes:
        dense: (dim, rows, cols) float32, 0 where there is no tissue.
        mask: (rows, cols) bool, True at tissue.
        target: what is to be learned, a number.
        weight: of the slide in the loss.
        slide: position of the slide in its data set.
        share: of this view among the views of its slide.
    """

    dense: Tensor
    mask: Tensor
    target: Tensor
    weight: Tensor
    slide: Tensor
    share: Tensor


@dataclass(frozen=True)
class GridBatch:
    """Views of slides, padded at the bottom and on the right to the largest of them.

    Attributes:
        dense: (batch, dim, rows, cols) float32.
        mask: (batch, rows, cols) bool.
        target: (batch,).
        weight: (batch,) float32.
        slide: (batch,) int64.
        share: (batch,) float32.
    """

    dense: Tensor
    mask: Tensor
    target: Tensor
    weight: Tensor
    slide: Tensor
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
        size = grid.features.nbytes + grid.cells.nbytes + grid.tissue.nbytes
        if self.bytes + size <= self.limit:
            self._kept[path] = grid
            self.bytes += size
        return grid


@dataclass(frozen=True)
class LabelledGrids:
    """Slides and their targets.

    Attributes:
        paths: of the stored grids.
        targets: (slides,) numbers.
        weights: (slides,) float32, of every slide in the loss.
        read: gets a grid from its path.
    """

    paths: Sequence[Path]
    targets: Tensor
    weights: Tensor
    read: Read

    def __len__(self) -> int:
        return len(self.paths)

    def sample(self, slide: int, grid: FeatureGrid, view: View) -> GridSample:
        """One view of a slide, with all that goes with it."""
        dense, mask = apply_view(grid, view)
        return GridSample(
            dense=torch.from_numpy(dense),
            mask=torch.from_numpy(mask),
            target=self.targets[slide],
            weight=self.weights[slide],
            slide=torch.tensor(slide),
            share=torch.tensor(view.share, dtype=torch.float32),
        )


class DrawnViews(Dataset[list[GridSample]]):
    """One drawn view of each slide, for training; asked with (slide, seed of the draw)."""

    def __init__(self, grids: LabelledGrids, rule: ViewRule) -> None:
        self.grids, self.rule = grids, rule

    def __len__(self) -> int:
        return len(self.grids)

    def __getitem__(self, index: tuple[int, int]) -> list[GridSample]:
        slide, seed = index
        grid = self.grids.read(self.grids.paths[slide])
        view = draw_view(grid, self.rule, np.random.default_rng(seed))
        return [self.grids.sample(slide, grid, view)]


class Draws(Sampler[tuple[int, int]]):
    """All slides in random order, or as many drawn by chance, each with the seed of its view.

    What is drawn depends on torch's random numbers in this process alone, however many others load.
    """

    def __init__(self, slides: int, chances: Tensor | None = None) -> None:
        """Draw from so many slides.

        Args:
            slides: how many there are.
            chances: (slides,) draw with replacement, each slide this likely; without it each comes once.
        """
        self.slides, self.chances = slides, chances

    def __len__(self) -> int:
        return self.slides

    def __iter__(self) -> Iterator[tuple[int, int]]:
        if self.chances is None:
            order = torch.randperm(self.slides)
        else:
            order = torch.multinomial(self.chances, self.slides, replacement=True)
        seeds = torch.randint(2**62, (self.slides,))
        return iter(zip(order.tolist(), seeds.tolist(), strict=True))


class LaidViews(Dataset[list[GridSample]]):
    """All test views of each slide, in order."""

    def __init__(self, grids: LabelledGrids, rule: ViewRule) -> None:
        self.grids, self.rule = grids, rule

    def __len__(self) -> int:
        return len(self.grids)

    def __getitem__(self, slide: int) -> list[GridSample]:
        grid = self.grids.read(self.grids.paths[slide])
        return [self.grids.sample(slide, grid, view) for view in lay_views(grid, self.rule)]


def collate(slides: Sequence[Sequence[GridSample]]) -> GridBatch:
    """The views of several slides as one batch."""
    samples = [sample for views in slides for sample in views]
    rows = max(s.mask.shape[0] for s in samples)
    cols = max(s.mask.shape[1] for s in samples)
    dense = torch.zeros(len(samples), rows, cols, samples[0].dense.shape[0])
    mask = torch.zeros(len(samples), rows, cols, dtype=torch.bool)
    for i, sample in enumerate(samples):
        height, width = sample.mask.shape
        dense[i, :height, :width] = sample.dense.permute(1, 2, 0)
        mask[i, :height, :width] = sample.mask
    return GridBatch(
        dense=dense.permute(0, 3, 1, 2),
        mask=mask,
        target=torch.stack([s.target for s in samples]),
        weight=torch.stack([s.weight for s in samples]),
        slide=torch.stack([s.slide for s in samples]),
        share=torch.stack([s.share for s in samples]),
    )


@dataclass(frozen=True)
class Standard:
    """Centre and spread of every channel over tissue cells.

    Attributes:
        mean: (dim,) float64.
        sd: (dim,) float64, above 0; 1 for channels that do not vary.
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]


def standardise(grids: Iterator[FeatureGrid]) -> Standard:
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
