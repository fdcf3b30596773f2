"""The Head contract: a grid of codes and its mask in, logits for the slide out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
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


class Head(nn.Module, ABC):
    """Dense grids -> logits. Nothing outside of the mask has any influence, whatever stands there.

    A subclass takes `dim` and `outputs` and its own settings as keywords, all plain values.

    Attributes:
        dim: length of the codes.
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
            HeadError: codes of another length.
        """
        if dense.ndim != 4 or dense.shape[1] != self.dim:
            raise HeadError(
                f"grids of shape {tuple(dense.shape)}, expected (batch, {self.dim}, rows, cols); "
                "use grids of the encoder that the head was trained with"
            )
        at_channel = (1, -1, 1, 1)
        codes = (dense - self.centre.view(at_channel)) / self.spread.view(at_channel)
        return self.answer(keep(codes, mask), mask)

    @abstractmethod
    def answer(self, codes: Tensor, mask: Tensor) -> HeadOutput:
        """Answer for standardised codes that are 0 outside of the mask."""

    def decayed(self) -> Iterable[nn.Parameter]:
        """The parameters that weight decay pulls towards zero."""
        return (p for p in self.parameters() if p.ndim > 1)


def keep(values: Tensor, mask: Tensor) -> Tensor:
    """Values (batch, channels, rows, cols) where the mask (batch, rows, cols) is True, else 0."""
    return torch.where(mask[:, None], values, values.new_zeros(()))
