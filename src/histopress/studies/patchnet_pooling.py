"""All locations of a map make one answer: mean, maximum, log-sum-exp, attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from histopress.studies.patchnet_recipe import PatchnetRecipe

HIDDEN = 128
"""Units of the published attention."""


class Pooling(nn.Module):
    """Maps (batch, channels, rows, cols) -> (batch, channels), in float32 or finer."""

    def forward(self, maps: Tensor) -> Tensor:
        """See the class."""
        raise NotImplementedError

    def weights(self, maps: Tensor) -> Tensor | None:
        """(batch, rows, cols) share of each location in all channels alike, or None where there is none."""
        return None


class Mean(Pooling):
    """Every location has the same say."""

    def forward(self, maps: Tensor) -> Tensor:
        """See `Pooling`."""
        return maps.mean((2, 3), dtype=_precise(maps))

    def weights(self, maps: Tensor) -> Tensor | None:
        """See `Pooling.weights`."""
        batch, _, rows, cols = maps.shape
        return maps.new_full((batch, rows, cols), 1 / (rows * cols), dtype=_precise(maps))


class Max(Pooling):
    """In each channel, the location with most of it."""

    def forward(self, maps: Tensor) -> Tensor:
        """See `Pooling`."""
        return maps.amax((2, 3)).to(_precise(maps))


class LogSumExp(Pooling):
    """T log mean exp(x / T): between the mean and the maximum, and no larger for a larger map.

    Args:
        temperature: T.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, maps: Tensor) -> Tensor:
        """See `Pooling`."""
        scaled = maps.to(_precise(maps)) / self.temperature
        locations = maps.shape[2] * maps.shape[3]
        return self.temperature * (scaled.logsumexp((2, 3)) - math.log(locations))


class Attention(Pooling):
    """Every location is scored by a small network; softmax over the scores gives it its share."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.Tanh(), nn.Conv2d(hidden, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """See `Pooling`."""
        return (maps * self.weights(maps)[:, None]).sum((2, 3))

    def weights(self, maps: Tensor) -> Tensor:
        """See `Pooling.weights`."""
        scores: Tensor = self.score(maps)[:, 0]
        return scores.flatten(1).softmax(1, dtype=_precise(maps)).view_as(scores)


def make_pooling(recipe: PatchnetRecipe, channels: int) -> Pooling:
    """The pooling of a recipe; attention has the published number of units at the published width."""
    match recipe.pooling:
        case "mean":
            return Mean()
        case "max":
            return Max()
        case "lse":
            return LogSumExp(recipe.temperature)
        case "attention":
            return Attention(channels, recipe.channels(HIDDEN))


def _precise(maps: Tensor) -> torch.dtype:
    """Sums over many locations need float32 at least."""
    return torch.promote_types(maps.dtype, torch.float32)
