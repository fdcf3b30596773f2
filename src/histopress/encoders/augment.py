"""Augmentation: training tiles changed at random, first drawn, then applied, in batches on any device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from histopress.core.errors import EncoderError
from histopress.encoders.augment_colour import light, lit, tint, tinted
from histopress.encoders.augment_draws import Draws, draw
from histopress.encoders.augment_jpeg import compress, compressed
from histopress.encoders.augment_recipe import LADDER, AugmentRecipe
from histopress.encoders.augment_shape import turn, turned, warp, warped
from histopress.encoders.augment_stain import stain, stained
from histopress.encoders.augment_texture import blur, blurred, noise, noisy

__all__ = ["LADDER", "AugmentRecipe", "Draws", "apply", "augment", "draw"]

STEPS: tuple[tuple[Callable[[Draws], Tensor], Callable[[Tensor, Draws], Tensor]], ...] = (
    (turned, turn),
    (warped, warp),
    (stained, stain),
    (tinted, tint),
    (lit, light),
    (noisy, noise),
    (blurred, blur),
    (compressed, compress),
)
"""Which tiles a change concerns, and the change, in order."""

CACHED = 1 << 19
"""About how many numbers are worked on at a time on a CPU, so that they stay near the processor."""


def augment(images: Tensor, recipe: AugmentRecipe, generator: torch.Generator) -> Tensor:
    """Change every tile of a batch at random: `draw` and `apply` in one."""
    return apply(images, draw(recipe, len(images), generator))


@torch.no_grad()
def apply(images: Tensor, draws: Draws) -> Tensor:
    """Change tiles as drawn; a tile becomes the same whatever else is in the batch.

    Args:
        images: (batch, 3, height, width) float32, 0 to 1, on any device; they are left as they are.
        draws: one entry a tile, on the CPU.

    Returns:
        The same shape, layout in memory and device, 0 to 1. Tiles for which nothing was drawn are the same
        bit for bit.

    Raises:
        EncoderError: the images are of another kind, there are not as many draws, or tiles that are not
            square are to be turned by a quarter.
    """
    _check(images, draws)
    result = torch.empty_like(images)
    size = _chunk(images)
    with torch.autocast(images.device.type, enabled=False):
        for first in range(0, len(images), size):
            rows = slice(first, first + size)
            changed = _changed(images[rows].contiguous(), draws.rows(rows))
            torch.clamp(changed, 0, 1, out=result[rows])
    return result


def _chunk(images: Tensor) -> int:
    """How many tiles are worked on at a time."""
    if images.device.type != "cpu":
        return max(1, len(images))
    return max(1, CACHED // max(1, images[:1].numel()))


def _changed(images: Tensor, draws: Draws) -> Tensor:
    """Every step on the tiles that it concerns, which are told before anything moves to the device."""
    there = draws.to(images.device)
    for concerns, change in STEPS:
        rows = concerns(draws).nonzero().squeeze(1)
        if len(rows) == len(images):
            images = change(images, there)
        elif len(rows):
            some = rows.to(images.device)
            images = images.index_copy(0, some, change(images[some], there.rows(some)))
    return images


def _check(images: Tensor, draws: Draws) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.float32:
        raise EncoderError(
            f"images are {tuple(images.shape)} {images.dtype}, expected (batch, 3, height, width) float32"
            " of 0 to 1; divide uint8 tiles by 255"
        )
    if len(images) != len(draws):
        raise EncoderError(f"there are {len(draws)} draws for {len(images)} images; draw one for each image")
