"""The slide-level network of neural image compression, layer by layer.

Tellez et al., Neural Image Compression for Gigapixel Histopathology Image Analysis (TPAMI, arXiv
1811.02840), with the settings of Keras that the authors used: momentum 0.99 and epsilon 1e-3 of the batch
norms, slope 0.3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor, nn

from histopress.heads.head import Head, HeadOutput, Places

FILTERS = 128
STRIDES = (2, 2, 2, 2, 2, 2, 1, 1)
SLOPE = 0.3


class SeparableConv(nn.Module):
    """3 x 3 depthwise without bias and without padding, 1 x 1 with bias, batch norm, LeakyReLU, dropout."""

    def __init__(self, channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, stride, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, FILTERS, 1)
        self.after = nn.Sequential(
            nn.BatchNorm2d(FILTERS, eps=1e-3, momentum=0.01), nn.LeakyReLU(SLOPE), nn.Dropout2d(dropout)
        )
        _he_uniform(self.depthwise.weight, fan_in=9 * channels)
        _he_uniform(self.pointwise.weight, fan_in=channels)
        nn.init.zeros_(list(self.pointwise.parameters())[1])

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, rows, cols) -> (batch, 128, smaller rows, smaller cols)."""
        out: Tensor = self.after(self.pointwise(self.depthwise(x)))
        return out


class PublishedCNN(Head):
    """Eight separable convolutions over a window of 400 x 400 cells, down to 1 x 1, and two dense layers.

    Codes are not standardised, and cells without tissue are 0, as published.
    """

    window: ClassVar[int | None] = 400
    standardised: ClassVar[bool] = False
    needs_pairs: ClassVar[bool] = True

    def __init__(self, dim: int, outputs: int, dropout: float = 0.2) -> None:
        super().__init__(dim)
        channels = (dim, *[FILTERS] * (len(STRIDES) - 1))
        self.convs = nn.Sequential(
            *(SeparableConv(c, stride, dropout) for c, stride in zip(channels, STRIDES, strict=True))
        )
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(FILTERS, FILTERS),
            nn.BatchNorm1d(FILTERS, eps=1e-3, momentum=0.01),
            nn.LeakyReLU(SLOPE),
        )
        self.linear = nn.Linear(FILTERS, outputs)

    def answer(self, cells: Tensor, places: Places) -> HeadOutput:
        """See `Head.answer`."""
        return HeadOutput(self.linear(self.dense(self.convs(places.lay(cells)))))

    def decayed(self) -> Iterable[nn.Parameter]:
        """Kernels and biases of the convolutions: the published L2 penalty of 1e-5 is a decay of 2e-5."""
        for conv in self.convs:
            assert isinstance(conv, SeparableConv)
            yield from (*conv.depthwise.parameters(), *conv.pointwise.parameters())


def _he_uniform(weight: Tensor, fan_in: int) -> None:
    """As Keras draws them; it counts all channels of a depthwise kernel as inputs."""
    limit = math.sqrt(6 / fan_in)
    nn.init.uniform_(weight, -limit, limit)
