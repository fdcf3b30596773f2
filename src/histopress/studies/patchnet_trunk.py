"""Residual bottlenecks whose receptive field is chosen: picture -> map of features, eight pixels apart.

A residual network without padding, in which only the first bottlenecks of each stage look at 3 x 3 places and
all others at one (Brendel and Bethge, Approximating CNNs with bag-of-local-features models, ICLR 2019), as it
was used to look for needles in haystacks (Pawlowski et al., arXiv 1908.06037). The skip of a 3 x 3 bottleneck
loses one pixel at each side, so that it stays in line with the middle of what the bottleneck sees.

Two ways to the same numbers are taken for their speed: instance norm is group norm with a group for each
channel (half the time on a CPU), and the two convolutions of the stem, with nothing between them, are run as
the one XX memory with so few channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it
from torch.utils.checkpoint import checkpoint

from histopress.core.errors import RecipeError
from histopress.studies.patchnet_locations import Locations
from histopress.studies.patchnet_recipe import DEPTHS, STRIDES, PatchnetNorm, PatchnetRecipe, field_of

WIDTHS = (64, 128, 256, 512)
"""Channels that enter the middle convolutions of each stage."""
EXPANSION = 4
"""Channels behind a bottleneck for each inside."""
COMPENSATION = 2.5
"""Channels from the middle convolution at one place, for each from one over 3 x 3: 16.5 weights to 17."""


class PatchTrunk(nn.Module):
    """Pictures (batch, channels, height, width) -> maps (batch, features, rows, cols).

    Args:
        recipe: of the network.
        channels: of a picture.

    Attributes:
        features: channels of the map.
        locations: where the map lies.
        checkpointing: whether bottlenecks are run a second time for their gradients rather than remembered.
    """

    def __init__(self, recipe: PatchnetRecipe, channels: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.stem = Stem(channels, recipe)
        self.stages = nn.ModuleList()
        before = recipe.channels(WIDTHS[0])
        for stage in range(len(DEPTHS)):
            self.stages.append(nn.Sequential(*_stage(stage, before, recipe)))
            before = recipe.channels(WIDTHS[stage]) * EXPANSION
        self.features = before
        self.locations = Locations(math.prod(STRIDES), field_of(recipe.looks))
        self.checkpointing = False
        self.apply(partial(_draw, norm=recipe.norm))

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class.

        Raises:
            RecipeError: pictures are smaller than the receptive field.
        """
        self._check(*pictures.shape[2:])
        maps = pictures
        for part in (self.stem, *chain.from_iterable(self.stages)):  # type: ignore[arg-type]
            maps = self._again(part, maps) if self.checkpointing and torch.is_grad_enabled() else part(maps)
        return maps

    def _again(self, part: nn.Module, maps: Tensor) -> Tensor:
        if self.recipe.norm == "batch":
            contexts = partial(_contexts, part)
            found: Tensor = checkpoint(part, maps, use_reentrant=False, context_fn=contexts)
        else:
            found = checkpoint(part, maps, use_reentrant=False)
        return found

    def _check(self, height: int, width: int) -> None:
        field, stride = self.locations.field, self.locations.stride
        single = max(height, width) < field + stride and self.recipe.norm.startswith("instance")
        if min(height, width) < field or single:
            wanted = f"{field + stride} px: instance norm needs two locations" if single else f"{field} px"
            raise RecipeError(
                f"pictures of {height} x {width} px are too small for a receptive field of {field} px, "
                f"expected at least {wanted}; use larger pictures or a smaller field"
            )


class Stem(nn.Module):
    """A convolution over channels, then one over 3 x 3 places; norm; ReLU."""

    def __init__(self, channels: int, recipe: PatchnetRecipe) -> None:
        super().__init__()
        width = recipe.channels(WIDTHS[0])
        self.mix = nn.Conv2d(channels, width, 1, bias=False)
        self.look = nn.Conv2d(width, width, 3, bias=recipe.norm == "none")
        self.norm = make_norm(recipe.norm, width)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (batch, channels, height, width) -> (batch, width, height - 2, width - 2)."""
        both = (self.look.weight[:, :, None] * self.mix.weight[None]).sum(1)
        return F.relu(self.norm(F.conv2d(pictures, both, self.look.bias)), inplace=True)


class Bottleneck(nn.Module):
    """Three convolutions: to few channels, over 3 x 3 places or one, to many; added to what came in.

    Args:
        before: channels that come in.
        inside: channels of the first and of the middle convolution.
        after: channels that go out.
        kernel: width and height of what the middle convolution looks at, 1 or 3.
        stride: of the middle convolution.
        recipe: of the network.
    """

    def __init__(
        self,
        before: int,
        inside: tuple[int, int],
        after: int,
        *,
        kernel: int,
        stride: int,
        recipe: PatchnetRecipe,
    ) -> None:
        super().__init__()
        conv = partial(nn.Conv2d, bias=recipe.norm == "none")
        norm = partial(make_norm, recipe.norm)
        few, middle = inside
        self.crop, self.stride = kernel // 2, stride
        self.branch = nn.Sequential(
            *(conv(before, few, 1), norm(few), nn.ReLU(inplace=True)),
            *(conv(few, middle, kernel, stride), norm(middle), nn.ReLU(inplace=True)),
            nn.Dropout2d(recipe.dropout),
            *(conv(middle, after, 1), norm(after)),
        )
        same = stride == 1 and before == after
        self.skip = nn.Identity() if same else nn.Sequential(conv(before, after, 1), norm(after))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (batch, before, rows, cols) -> (batch, after, rows, cols), fewer if cropped or strided."""
        rows, cols = (slice(self.crop, size - self.crop, self.stride) for size in maps.shape[2:])
        return F.relu(self.branch(maps) + self.skip(maps[:, :, rows, cols]), inplace=True)


def _stage(stage: int, before: int, recipe: PatchnetRecipe) -> Iterator[Bottleneck]:
    few = recipe.channels(WIDTHS[stage])
    for number in range(DEPTHS[stage]):
        looks = number < recipe.looks[stage]
        more = 1 if looks or not recipe.compensate else COMPENSATION
        inside = (few, recipe.channels(WIDTHS[stage] * more))
        stride = STRIDES[stage] if number == 0 else 1
        kernel = 3 if looks else 1
        yield Bottleneck(before, inside, few * EXPANSION, kernel=kernel, stride=stride, recipe=recipe)
        before = few * EXPANSION


def make_norm(norm: PatchnetNorm, channels: int) -> nn.Module:
    """The norm of a recipe; instance norm knows no batch, in training or later."""
    match norm:
        case "instance" | "instance-plain":
            return nn.GroupNorm(channels, channels, affine=norm == "instance")
        case "batch":
            return nn.BatchNorm2d(channels)
        case "none":
            return nn.Identity()


def _draw(layer: nn.Module, norm: PatchnetNorm) -> None:
    """He-normal by fan-out; without a norm, branches start smaller, so that their sum does not explode."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif isinstance(layer, Bottleneck) and norm == "none":
        last = layer.branch.get_parameter("7.weight")
        with torch.no_grad():
            last.div_(math.sqrt(sum(DEPTHS)))


def _contexts(part: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Of the first and of the second run: what batch norm remembers of a batch, it shall learn once."""
    return nullcontext(), _forgetful(part)


@contextmanager
def _forgetful(part: nn.Module) -> Iterator[None]:
    norms = [layer for layer in part.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
