"""The Head contract: a grid of codes and its mask in, logits for the slide out.

Inside, heads compute on the list of tissue cells, so that what stands elsewhere cannot matter and costs
nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from histopress.core.errors import HeadError
from histopress.grids.batches import Standard


class HeadOutput(NamedTuple):
    """What a head answers.

    Attributes:
        logits: (batch, outputs).
        attention: (batch, rows, cols), 0 outside of tissue, summing to 1 over each grid with tissue; or none.
    """

    logits: Tensor
    attention: Tensor | None = None


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


class Head(nn.Module, ABC):
    """Grids -> logits. Nothing outside of the mask has any influence, whatever stands there.

    A subclass takes `dim` and `outputs` and its own settings as keywords, all plain values.

    Attributes:
        dim: length of the codes.
        centre: (dim,) mean of the codes over the tissue of the training part.
        spread: (dim,) their standard deviation.
        window: rows and cols of the only window it takes; none where it takes any.
        standardised: whether codes are brought to mean 0 and standard deviation 1 first.
        needs_pairs: whether it cannot train on a batch of one.
    """

    window: ClassVar[int | None] = None
    standardised: ClassVar[bool] = True
    needs_pairs: ClassVar[bool] = False
    centre: Tensor
    spread: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(dim))

    def set_standard(self, standard: Standard) -> None:
        """Take centre and spread of the codes from the training part."""
        if self.standardised:
            self.centre.copy_(torch.from_numpy(standard.mean))
            self.spread.copy_(torch.from_numpy(standard.sd))

    def forward(self, dense: Tensor, mask: Tensor) -> HeadOutput:
        """Answer for a batch of grids.

        Args:
            dense: (batch, dim, rows, cols) float.
            mask: (batch, rows, cols) bool, True at tissue; may be False everywhere.

        Raises:
            HeadError: codes of another length, or a window that the head does not take.
        """
        side = self.window or "any"
        fits = dense.ndim == 4 and dense.shape[1] == self.dim
        if not fits or (self.window and tuple(dense.shape[2:]) != (self.window, self.window)):
            raise HeadError(
                f"grids of shape {tuple(dense.shape)}, expected (batch, {self.dim}, rows, cols) with {side} "
                "rows and cols; use grids of the encoder that the head was trained with"
            )
        places = Places.of(mask)
        return self.answer((places.take(dense) - self.centre) / self.spread, places)

    @abstractmethod
    def answer(self, cells: Tensor, places: Places) -> HeadOutput:
        """Answer for the standardised codes (cells, dim) of all tissue cells of a batch."""

    def decayed(self) -> Iterable[nn.Parameter]:
        """The parameters that weight decay pulls towards zero."""
        return (p for p in self.parameters() if p.ndim > 1)
