"""Changes of shape: exact mirroring and quarter turns, or all of it in one interpolation."""

from __future__ import annotations

from math import pi, sqrt

import torch
from torch import Tensor
from torch.nn import functional

from histopress.core.errors import EncoderError
from histopress.encoders.augment_draws import Draws, grains

KNOT = 8
"""px between the random numbers that elastic deformation is made of."""


def warped(draws: Draws) -> Tensor:
    """(batch,) bool: tiles that must be interpolated."""
    return (draws.zoom != 1) | (draws.angle != 0) | (draws.elastic_alpha != 0)


def turned(draws: Draws) -> Tensor:
    """(batch,) bool: tiles that are only mirrored or turned by quarters."""
    return (draws.mirrored | (draws.turns != 0)) & ~warped(draws)


def turn(images: Tensor, draws: Draws) -> Tensor:
    """Mirror and turn, without interpolation.

    Raises:
        EncoderError: tiles are not square, and some are to be turned by a quarter.
    """
    result = images.clone()
    ways = (2 * draws.turns + draws.mirrored).cpu()
    for way in sorted(set(ways.tolist())):
        rows = (ways == way).nonzero().squeeze(1).to(images.device)
        some = images[rows]
        _check_turns(some, way // 2)
        result[rows] = torch.rot90(some.flip(3) if way % 2 else some, way // 2, (2, 3))
    return result


def warp(images: Tensor, draws: Draws) -> Tensor:
    """Mirror, turn, magnify and bend in one bilinear interpolation; the outside is mirrored in.

    Raises:
        EncoderError: tiles are not square, and some are to be turned by a quarter.
    """
    _check_turns(images, int((draws.turns % 2).max()))
    height, width = images.shape[2:]
    places = displacement(draws, height, width)
    down, across = _centres(height, images).view(-1, 1), _centres(width, images)
    turning = _turning(draws)
    places += turning[:, :, :1, None] * across
    places += turning[:, :, 1:, None] * down
    places *= torch.tensor((2 / width, 2 / height), device=places.device)[:, None, None]
    return functional.grid_sample(
        images, places.permute(0, 2, 3, 1), padding_mode="reflection", align_corners=False
    )


def displacement(draws: Draws, height: int, width: int) -> Tensor:
    """How far elastic deformation looks aside, in px: (batch, 2, height, width), x before y.

    White noise, smoothed by a Gaussian, after Simard et al., ICDAR 2003; the noise is zero outside the tile,
    so that the outermost px move less. It lies on a lattice of `KNOT` px, which a Gaussian of 5 px or more
    cannot tell from noise in every px.
    """
    rows, cols = -(-height // KNOT), -(-width // KNOT)
    knots = grains(draws.grain, 2 * rows * cols).view(-1, 2, rows, cols)
    sigma = draws.elastic_sigma[:, None, None, None]
    size = draws.elastic_alpha[:, None, None, None] * KNOT / (sqrt(3) * 2 * pi * sigma**2)
    return _bumps(height, rows, sigma) @ (knots * size) @ _bumps(width, cols, sigma).mT


def _bumps(length: int, knots: int, sigma: Tensor) -> Tensor:
    """(batch, 1, length, knots): how much each knot counts at each px."""
    px = torch.arange(length, device=sigma.device, dtype=sigma.dtype) + 0.5
    centres = (torch.arange(knots, device=sigma.device, dtype=sigma.dtype) + 0.5) * (length / knots)
    return torch.exp((px[:, None] - centres).square() / (-2 * sigma**2))


def _centres(length: int, like: Tensor) -> Tensor:
    """Distances from the middle, in px."""
    return torch.arange(length, device=like.device, dtype=like.dtype) - (length - 1) / 2


def _turning(draws: Draws) -> Tensor:
    """(batch, 2, 2): x and y of the source, row by row, from x and y of the result, about the middle."""
    angle = torch.deg2rad(draws.angle)
    quarter = (draws.turns % 2).to(angle.dtype)
    sign = 1 - 2 * (draws.turns >= 2).to(angle.dtype)
    cos = sign * (angle.cos() * (1 - quarter) - angle.sin() * quarter) / draws.zoom
    sin = sign * (angle.sin() * (1 - quarter) + angle.cos() * quarter) / draws.zoom
    way = 1 - 2 * draws.mirrored.to(angle.dtype)
    return torch.stack([way * cos, -way * sin, sin, cos], dim=1).view(-1, 2, 2)


def _check_turns(images: Tensor, turns: int) -> None:
    height, width = images.shape[2:]
    if turns % 2 and height != width:
        raise EncoderError(
            f"tiles are {height} x {width} px and cannot be turned by a quarter; use square tiles,"
            " or set orientations to false in the recipe of augmentation"
        )
