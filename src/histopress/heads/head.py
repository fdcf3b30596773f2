"""The Head contract: a grid of codes and its mask in, logits for the slide out.

Inside, heads compute on the list of tissue cells, so that what stands elsewhere cannot matter and costs
nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from histopress.core.errors import HeadError
from histopress.grids.places import Places
from histopress.grids.standard import Standard

__all__ = ["Head", "HeadOutput", "Places", "SideLogits"]


class HeadOutput(NamedTuple):
    """What a head answers.

    Attributes:
        logits: (batch, outputs).
        attention: (batch, rows, cols), 0 outside of tissue, summing to 1 over each grid with tissue; or none.
    """

    logits: Tensor
    attention: Tensor | None = None


class SideLogits(NamedTuple):
    """More logits of a batch that are to be learned: of pseudo-bags, of a second stream.

    Attributes:
        logits: (n, outputs).
        element: (n,) which element of the batch each belongs to.
    """

    logits: Tensor
    element: Tensor


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
        extra_loss: what a head adds to the loss of the batch it has just answered for in training, if any.
        side: what is to be learned of that batch beside its logits, if anything.
    """

    window: ClassVar[int | None] = None
    standardised: ClassVar[bool] = True
    needs_pairs: ClassVar[bool] = False
    extra_loss: Tensor | None = None
    side: SideLogits | None = None
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
        return self.of_cells(places.take(dense), places)

    def of_cells(self, features: Tensor, places: Places, targets: Tensor | None = None) -> HeadOutput:
        """Answer for a batch of grids that are lists of tissue cells.

        Args:
            features: (cells, dim) float.
            places: where they lie.
            targets: (batch, width) of the objective, in training, for heads whose loss needs them.

        Raises:
            HeadError: codes of another length.
        """
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise HeadError(
                f"codes of shape {tuple(features.shape)}, expected (cells, {self.dim}); use grids of the "
                "encoder that the head was trained with"
            )
        cells = (features - self.centre) / self.spread
        return self.answer(cells, places) if targets is None else self.answer_with(cells, places, targets)

    def answer_with(self, cells: Tensor, places: Places, targets: Tensor) -> HeadOutput:
        """Answer in training, knowing the targets, for the sake of `extra_loss`."""
        return self.answer(cells, places)

    @abstractmethod
    def answer(self, cells: Tensor, places: Places) -> HeadOutput:
        """Answer for the standardised codes (cells, dim) of all tissue cells of a batch."""

    def decayed(self) -> Iterable[nn.Parameter]:
        """The parameters that weight decay pulls towards zero."""
        return (p for p in self.parameters() if p.ndim > 1)
