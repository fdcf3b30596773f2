"""Changes of texture: blur and noise."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor
from torch.nn import functional

from histopress.encoders.augment_draws import Draws, grains

REACH = 3
"""Standard deviations at which the Gaussian of a blur ends."""


def blurred(draws: Draws) -> Tensor:
    """(batch,) bool: tiles that are blurred."""
    return draws.blur > 0


def blur(images: Tensor, draws: Draws) -> Tensor:
    """Smooth by a Gaussian, first down the columns, then along the rows; the outside is mirrored in.

    Sums of shifted images, as convolutions with a kernel for each tile are several times as slow.
    """
    radius = ceil(REACH * float(draws.blur.max()))
    weights = _weights(draws.blur, radius)
    return _smooth(_smooth(images, weights, 2), weights, 3)


def _weights(sigma: Tensor, radius: int) -> Tensor:
    """(radius + 1, batch) from the middle outwards; zero beyond the reach of a tile's own Gaussian."""
    steps = torch.arange(radius + 1, device=sigma.device)[:, None]
    shape = torch.exp(-0.5 * (steps / sigma) ** 2) * (steps <= (REACH * sigma).ceil())
    return shape / (2 * shape.sum(0) - 1)


def _smooth(images: Tensor, weights: Tensor, axis: int) -> Tensor:
    length, radius = images.shape[axis], len(weights) - 1
    radius = min(radius, length - 1)
    sides = (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0)
    padded = functional.pad(images, sides, mode="reflect")
    result = images * weights[0][:, None, None, None]
    for step in range(1, radius + 1):
        pair = padded.narrow(axis, radius - step, length) + padded.narrow(axis, radius + step, length)
        result += pair.mul_(weights[step][:, None, None, None])
    return result


def noisy(draws: Draws) -> Tensor:
    """(batch,) bool: tiles that noise is added to."""
    return draws.noise > 0


def noise(images: Tensor, draws: Draws) -> Tensor:
    """Add Gaussian noise, independent in every channel of every pixel."""
    added = grains(draws.grain, images[0].numel()).mul_(draws.noise[:, None])
    return added.view_as(images).add_(images).clamp_(0, 1)
