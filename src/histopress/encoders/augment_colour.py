"""Changes of colour that know no stains: brightness and contrast, hue and saturation."""

from __future__ import annotations

import torch
from torch import Tensor

from histopress.encoders.augment_draws import Draws

GREY = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey, as in JPEG and Pillow."""


def lit(draws: Draws) -> Tensor:
    """(batch,) bool: tiles whose brightness or contrast changes."""
    return (draws.brightness != 1) | (draws.contrast != 1)


def light(images: Tensor, draws: Draws) -> Tensor:
    """Multiply the brightness, then the distance from the tile's mean grey; both in one line a tile."""
    grey = images.mean((2, 3)) @ torch.tensor(GREY, device=images.device)
    factor = draws.brightness * draws.contrast
    shift = (1 - draws.contrast) * draws.brightness * grey
    return images.mul(factor[:, None, None, None]).add_(shift[:, None, None, None]).clamp_(0, 1)


def tinted(draws: Draws) -> Tensor:
    """(batch,) bool: tiles whose hue or saturation changes."""
    return (draws.hue != 0) | (draws.saturation != 0)


def tint(images: Tensor, draws: Draws) -> Tensor:
    """Shift the hue and change the saturation of HSV; grey and the brightest channel of a pixel stay.

    A saturation s becomes s (1 + change) for less colour, and s (1 + (1 - s) change) for more, which cannot
    exceed 1.
    """
    value = images.amax(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    angle = _hue(images, value, chroma).add_(6 * draws.hue[:, None, None, None])
    chroma = _saturated(value, chroma, draws.saturation[:, None, None, None])
    phases = torch.tensor((5.0, 3.0, 1.0), device=images.device)[:, None, None]
    sector = angle + phases
    sector -= sector.div(6).floor_().mul_(6)
    lack = torch.minimum(sector, 4 - sector).clamp_(0, 1).mul_(chroma)
    return lack.neg_().add_(value)


def _hue(images: Tensor, value: Tensor, chroma: Tensor) -> Tensor:
    """(batch, 1, height, width): sixths of the circle from red, -1 to 5; 0 for grey.

    Masks are numbers here, since choosing between tensors is several times as slow.
    """
    red, green, blue = (images[:, i : i + 1] for i in range(3))
    of_red = red.ge(value).to(images.dtype)
    of_green = green.ge(value).to(images.dtype).mul_(1 - of_red)
    of_blue = (1 - of_red).sub_(of_green)
    angle = (green - blue).mul_(of_red)
    angle += (blue - red).mul_(of_green)
    angle += (red - green).mul_(of_blue)
    angle /= chroma.clamp_min(torch.finfo(images.dtype).tiny)
    return angle.add_(of_green, alpha=2).add_(of_blue, alpha=4)


def _saturated(value: Tensor, chroma: Tensor, change: Tensor) -> Tensor:
    factor = chroma / value.clamp_min(torch.finfo(value.dtype).tiny)
    factor *= -change.clamp_min(0)
    factor += 1 + change
    return factor.mul_(chroma)
