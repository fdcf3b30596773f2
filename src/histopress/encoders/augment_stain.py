"""Changes of the amounts of stain, by colour deconvolution."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor
from torch.nn import functional

from histopress.encoders.augment_draws import Draws
from histopress.encoders.texture import EOSIN, HAEMATOXYLIN, RESIDUAL

DARKEST = 1 / 256
"""Intensities below count as this, so that the density of black is finite."""
GLASS = 0.05
"""Mean optical density up to which a pixel is glass: nothing is added to its stains."""
TISSUE = 0.2
"""Mean optical density from which a pixel is tissue: all is added; less in between."""


def stained(draws: Draws) -> Tensor:
    """(batch,) bool: tiles whose stains change."""
    return (draws.stain != 0).any(1) | (draws.stain_bias != 0).any(1)


def stain(images: Tensor, draws: Draws) -> Tensor:
    """Change the amounts of haematoxylin, eosin and residual of each tile.

    Optical densities (the negative logarithms of intensities) are unmixed by the stain colours of Ruifrok and
    Johnston (Anal Quant Cytol Histol 2001), multiplied, and mixed again, all in one matrix a tile; then the
    bias is added where there is tissue. White stays white. To base 2, since that is the fastest exponential.
    """
    vectors = stain_vectors().to(images.device)
    mixing = torch.linalg.inv(vectors) @ ((1 + draws.stain)[:, :, None] * vectors)
    logarithm = images.clamp_min(DARKEST).log2_()
    changed: Tensor = (mixing.mT @ logarithm.flatten(2)).view_as(images)
    if draws.stain_bias.any():
        bias = draws.stain_bias @ vectors
        changed -= (bias / log(2))[:, :, None, None] * _tissue(logarithm)
    return changed.clamp_max_(0).exp2_()


def stain_vectors() -> Tensor:
    """(3, 3): one row a stain, its optical density in red, green and blue, of length 1."""
    return functional.normalize(torch.tensor([HAEMATOXYLIN, EOSIN, RESIDUAL], device="cpu"), dim=1)


def _tissue(logarithm: Tensor) -> Tensor:
    """Logarithms to base 2 -> (batch, 1, height, width): 0 on glass, 1 in tissue, by the mean density."""
    total = logarithm[:, :1] + logarithm[:, 1:2]
    total += logarithm[:, 2:]
    return total.mul_(-log(2) / 3).sub_(GLASS).div_(TISSUE - GLASS).clamp_(0, 1)
