"""Settings of a network under test; quick to import, so that help comes at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

from histopress.core.errors import RecipeError

PatchnetNorm = Literal["instance", "instance-plain", "batch", "none"]
PatchnetPooling = Literal["mean", "max", "lse", "attention"]

DEPTHS = (3, 4, 6, 3)
"""Bottlenecks of each stage."""
STRIDES = (2, 2, 2, 1)
"""Of the first bottleneck of each stage."""
COUNTS = {
    5: (1, 0, 0, 0),
    9: (1, 1, 0, 0),
    17: (1, 1, 1, 0),
    33: (1, 1, 1, 1),
    77: (2, 2, 2, 2),
    177: (3, 4, 6, 3),
}
"""Receptive field in px -> how many bottlenecks of each stage look at 3 x 3 places rather than at one."""


def field_of(counts: tuple[int, ...]) -> int:
    """Width and height in px of what one location sees, given the 3 x 3 bottlenecks of each stage."""
    field, jump = 3, 1
    for count, stride in zip(counts, STRIDES, strict=True):
        first = min(count, 1)
        field += 2 * jump * first + 2 * jump * stride * (count - first)
        jump *= stride
    return field


@dataclass(frozen=True)
class PatchnetRecipe:
    """Settings of a network under test.

    Attributes:
        name: patchnet, whose receptive field is chosen here; resnet50; or timm:NAME, any network of timm. The
            last two are made as timm makes them, and take `pooling`, `temperature` and `pixels` from here.
        field: receptive field in px: 5, 9, 17, 33, 77 or 177.
        counts: instead of a field, the 3 x 3 bottlenecks of each of the four stages; empty for the field.
        width: exponent: channels are multiplied by 2 to this power, so -3 has an eighth of them.
        norm: instance or batch; instance-plain has nothing to learn; none has biases instead.
        pooling: how all locations make one answer.
        temperature: of lse: near 0 it is the maximum, and the mean where it is large.
        dropout: share of the channels inside each bottleneck that training leaves out; published: 0 or 0.2.
        compensate: bottlenecks that look at one place have 2.5 times the channels in their middle, so that a
            small receptive field leaves about as many parameters as a large one.
        pixels: unit enters 0 to 1; raw 0 to 255, as was published for tissue.
    """

    name: str = "patchnet"
    field: int = 9
    counts: tuple[int, ...] = ()
    width: float = 0.0
    norm: PatchnetNorm = "instance"
    pooling: PatchnetPooling = "mean"
    temperature: float = 1.0
    dropout: float = 0.0
    compensate: bool = True
    pixels: Literal["unit", "raw"] = "unit"

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", float(self.width))  # -3 and -3.0 are one setting
        if self.name == "patchnet":
            _check_counts(self)
        elif self.name != "resnet50" and not self.name.startswith("timm:"):
            raise RecipeError(f"network is {self.name!r}, expected patchnet, resnet50 or timm:NAME")
        else:
            _check_unused(self)
        if not 0 <= self.dropout < 1:
            raise RecipeError(f"dropout is {self.dropout}, expected a share from 0 to below 1")
        if self.temperature <= 0:
            raise RecipeError(
                f"temperature is {self.temperature}, expected more than 0; pooling max has none"
            )

    @property
    def looks(self) -> tuple[int, ...]:
        """How many bottlenecks of each stage look at 3 x 3 places."""
        return self.counts or COUNTS[self.field]

    def channels(self, published: float) -> int:
        """So many channels at this width."""
        return max(1, round(published * math.pow(2, self.width)))


def _check_counts(recipe: PatchnetRecipe) -> None:
    if not recipe.counts and recipe.field not in COUNTS:
        known = ", ".join(str(field) for field in COUNTS)
        raise RecipeError(f"field is {recipe.field} px, expected one of {known}; or give counts for others")
    fits = len(recipe.looks) == len(DEPTHS) and all(
        0 <= c <= d for c, d in zip(recipe.looks, DEPTHS, strict=True)
    )
    if not fits:
        raise RecipeError(f"counts are {recipe.counts}, expected four, each from 0 up to {DEPTHS}")


def _check_unused(recipe: PatchnetRecipe) -> None:
    """What shapes a patchnet alone must be left as it is for other networks."""
    shaping = {"field", "counts", "width", "norm", "dropout", "compensate"}
    changed = [f for f in fields(recipe) if f.name in shaping and getattr(recipe, f.name) != f.default]
    if changed:
        found = ", ".join(f"{f.name} {getattr(recipe, f.name)!r}" for f in changed)
        raise RecipeError(f"{recipe.name} takes no {found}: only patchnet does; leave it out")
