"""What was drawn for each tile: small tensors that can be recorded and applied again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from histopress.encoders.augment_recipe import AugmentRecipe, Range

GRAINS = 1 << 20
"""How many normal numbers are kept, for noise and elastic deformation."""
BEST_QUALITY = 95


@dataclass(frozen=True)
class Draws:
    """How each tile of a batch is changed; every tensor has one entry (or row) a tile.

    Attributes:
        mirrored: bool; columns in reverse order, before turning.
        turns: int64; quarter turns, anticlockwise, 0 to 3.
        zoom: magnification; 1 leaves the tile alone.
        angle: degrees, anticlockwise, besides the quarter turns.
        elastic_alpha: strength of elastic deformation in px^2, 0 for none.
        elastic_sigma: its smoothness in px.
        grain: int64; where in the kept normal numbers those of this tile begin.
        stain: (batch, 3) relative change of haematoxylin, eosin and residual.
        stain_bias: (batch, 3) what is added to them, as optical density.
        hue: shift in shares of the circle.
        saturation: -1 to 1, 0 for no change.
        brightness: factor.
        contrast: factor.
        blur: standard deviation in px.
        noise: standard deviation, of intensities of 0 to 1.
        quality: int64; of JPEG, 0 where the tile is not compressed.
    """

    mirrored: Tensor
    turns: Tensor
    zoom: Tensor
    angle: Tensor
    elastic_alpha: Tensor
    elastic_sigma: Tensor
    grain: Tensor
    stain: Tensor
    stain_bias: Tensor
    hue: Tensor
    saturation: Tensor
    brightness: Tensor
    contrast: Tensor
    blur: Tensor
    noise: Tensor
    quality: Tensor

    def __len__(self) -> int:
        return len(self.turns)

    def rows(self, rows: slice | Sequence[int] | Tensor) -> Self:
        """The draws of some of the tiles."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        if self.turns.device == device:
            return self
        return type(self)(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))

    def record(self) -> dict[str, list[Any]]:
        """Plain values by name, one entry a tile; JSON keeps them exactly."""
        return {field.name: getattr(self, field.name).tolist() for field in fields(self)}

    @classmethod
    def recorded(cls, record: Mapping[str, list[Any]]) -> Self:
        """The draws that `record` gave; applied again, they give the same pixels."""
        kinds = {"mirrored": torch.bool, "turns": torch.int64, "grain": torch.int64, "quality": torch.int64}
        return cls(
            *(torch.tensor(record[f.name], dtype=kinds.get(f.name, torch.float32)) for f in fields(cls))
        )


def draw(recipe: AugmentRecipe, batch: int, generator: torch.Generator) -> Draws:
    """Draw how each tile of a batch is changed, evenly within the ranges of a recipe.

    As many numbers are taken from the generator whatever the recipe is, so that equal seeds give equal
    orientations in all strengths.

    Args:
        recipe: ranges.
        batch: number of tiles.
        generator: on the CPU.
    """

    def within(between: Range, *shape: int) -> Tensor:
        least, most = between
        return (least + (most - least) * torch.rand(batch, *shape, generator=generator, device="cpu")).clamp(
            least, most
        )

    def below(most: int) -> Tensor:
        return torch.randint(most, (batch,), generator=generator, device="cpu")

    upright = 1 if recipe.orientations else 0
    return Draws(
        mirrored=below(2).mul(upright).bool(),
        turns=below(4) * upright,
        zoom=within(recipe.zoom),
        angle=within(recipe.angle),
        elastic_alpha=within(recipe.elastic_alpha),
        elastic_sigma=within(recipe.elastic_sigma),
        grain=below(GRAINS),
        stain=within(recipe.stain, 3),
        stain_bias=within(recipe.stain_bias, 3),
        hue=within(recipe.hue),
        saturation=within(recipe.saturation),
        brightness=within(recipe.brightness),
        contrast=within(recipe.contrast),
        blur=within(recipe.blur),
        noise=within(recipe.noise),
        quality=_qualities(recipe, within((0.0, 1.0)), within((0.0, 1.0))),
    )


def _qualities(recipe: AugmentRecipe, chance: Tensor, height: Tensor) -> Tensor:
    worst = recipe.jpeg_quality
    quality = worst + (height * (BEST_QUALITY - worst)).round().long()
    return torch.where(chance < recipe.jpeg_share, quality, 0)


def grains(starts: Tensor, length: int) -> Tensor:
    """Normal numbers (batch, length), each row a window of those that are kept, from its start on.

    Drawing them anew would cost more than all other changes of a tile together.
    """
    ring = _ring(length, starts.device)
    return torch.stack([ring[start : start + length] for start in starts.tolist()])


@lru_cache(maxsize=8)
def _ring(length: int, device: torch.device) -> Tensor:
    """The kept numbers, continued from their beginning by `length`."""
    kept = np.random.default_rng(GRAINS).standard_normal(GRAINS, dtype=np.float32)
    return torch.from_numpy(np.resize(kept, GRAINS + length)).to(device)
