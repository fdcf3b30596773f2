"""What JPEG takes from a tile: blocks of 8 x 8 px, transformed, quantised and restored."""

from __future__ import annotations

from functools import lru_cache
from math import pi

import torch
from torch import Tensor
from torch.nn import functional

from histopress.encoders.augment_colour import GREY
from histopress.encoders.augment_draws import Draws

BRIGHTNESS_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
COLOUR_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
"""Steps of quantisation at quality 50, by vertical and horizontal frequency (ITU-T T.81, annex K)."""


def compressed(draws: Draws) -> Tensor:
    """(batch,) bool: tiles that go through JPEG."""
    return draws.quality > 0


def compress(images: Tensor, draws: Draws) -> Tensor:
    """Pixels as a JPEG file of the drawn quality would give them back, colours stored in full (4:4:4)."""
    height, width = images.shape[2:]
    padded = functional.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate")
    levels = _mixed(padded.mul(255).round_(), _to_planes(images.device)).round_()
    levels[:, 0] -= 128
    steps = _steps(draws.quality)[:, :, None]
    transform = _transform(images.device)
    blocks = _cut(levels) @ transform.mT
    blocks.div_(steps).round_().mul_(steps)
    planes = _joined(blocks @ transform, *padded.shape[2:]).round_()
    planes[:, 0] += 128
    planes[:, 0].clamp_(0, 255)
    planes[:, 1:].clamp_(-128, 127)
    restored = _mixed(planes, torch.linalg.inv(_to_planes(images.device)))
    return restored.round_().clamp_(0, 255).div_(255)[..., :height, :width]


def quantisation(quality: Tensor) -> Tensor:
    """Steps (batch, 2, 8, 8) for brightness and colour, scaled by quality as libjpeg does."""
    tables = torch.tensor((BRIGHTNESS_TABLE, COLOUR_TABLE), device=quality.device)
    percent = torch.where(quality < 50, 5000 // quality.clamp_min(1), 200 - 2 * quality)
    return ((tables * percent[:, None, None, None] + 50) // 100).clamp(1, 255)


def _steps(quality: Tensor) -> Tensor:
    """(batch, 3, 64): those of brightness and of both colour planes."""
    return quantisation(quality)[:, [0, 1, 1]].flatten(2).float()


def _to_planes(device: torch.device) -> Tensor:
    """(3, 3): red, green and blue -> brightness, and blue and red less brightness, about zero."""
    red, green, blue = GREY
    rows = (
        GREY,
        (-0.5 * red / (1 - blue), -0.5 * green / (1 - blue), 0.5),
        (0.5, -0.5 * green / (1 - red), -0.5 * blue / (1 - red)),
    )
    return torch.tensor(rows, device=device)


def _mixed(images: Tensor, matrix: Tensor) -> Tensor:
    return (matrix @ images.flatten(2)).view_as(images)


def _cut(planes: Tensor) -> Tensor:
    """(batch, 3, height, width) -> (batch, 3, blocks, 64)."""
    batch, channels, height, width = planes.shape
    parts = planes.view(batch, channels, height // 8, 8, width // 8, 8)
    return parts.transpose(3, 4).reshape(batch, channels, -1, 64)


def _joined(blocks: Tensor, height: int, width: int) -> Tensor:
    """The reverse of `_cut`."""
    batch, channels = blocks.shape[:2]
    parts = blocks.view(batch, channels, height // 8, width // 8, 8, 8)
    return parts.transpose(3, 4).reshape(batch, channels, height, width)


@lru_cache(maxsize=4)
def _transform(device: torch.device) -> Tensor:
    """(64, 64): the cosine transform of a flattened block; its transpose is its inverse."""
    place = torch.arange(8, dtype=torch.float64, device="cpu")
    one = torch.cos((2 * place + 1) * place[:, None] * pi / 16) / 2
    one[0] /= 2**0.5
    return torch.kron(one, one).float().to(device)
