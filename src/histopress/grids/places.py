"""Places: which cells of a batch belong to which of its elements, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Places:
    """Where the tissue cells of a batch lie.

    Attributes:
        at: (cells,) position of every cell in the flattened (batch, rows, cols), ascending.
        counts: cells of each element of the batch.
        shape: (batch, rows, cols).
    """

    at: Tensor
    counts: tuple[int, ...]
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, mask: Tensor) -> Places:
        """Those of a mask (batch, rows, cols) bool."""
        counts = tuple(mask.flatten(1).sum(dim=1).tolist())
        return cls(mask.flatten().nonzero()[:, 0], counts, (mask.shape[0], mask.shape[1], mask.shape[2]))

    @property
    def rows_cols(self) -> Tensor:
        """(cells, 2) int64 row and col of every cell in its element."""
        _, rows, cols = self.shape
        inside = self.at % (rows * cols)
        return torch.stack([inside // cols, inside % cols], dim=1)

    def split(self, cells: Tensor) -> tuple[Tensor, ...]:
        """(cells, channels) -> those of each element of the batch, (its cells, channels)."""
        parts: tuple[Tensor, ...] = torch.split(cells, list(self.counts))
        return parts

    def take(self, picture: Tensor) -> Tensor:
        """(batch, channels, rows, cols) -> (cells, channels)."""
        return picture.permute(0, 2, 3, 1).reshape(-1, picture.shape[1]).index_select(0, self.at)

    def lay(self, cells: Tensor) -> Tensor:
        """(cells, channels) -> (batch, channels, rows, cols), 0 elsewhere."""
        batch, rows, cols = self.shape
        empty = cells.new_zeros(batch * rows * cols, cells.shape[1])
        return empty.index_copy(0, self.at, cells).view(batch, rows, cols, -1).permute(0, 3, 1, 2)

    def to(self, device: torch.device | str, **how: Any) -> Places:
        """The same on another device."""
        return Places(self.at.to(device, **how), self.counts, self.shape)

    def pin_memory(self) -> Places:
        """The same in memory that a GPU can fetch from."""
        return Places(self.at.pin_memory(), self.counts, self.shape)
