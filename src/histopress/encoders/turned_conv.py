"""Convolutions that see a tile in all eight orientations at once: codes that no turn or mirroring changes.

Every filter stands for eight, itself turned and mirrored, which share their weights; later filters see the
answers of all eight, each in its own orientation. What is averaged over places and orientations in the end is
the same for all eight orientations of a tile, by construction (Cohen and Welling, Group equivariant
convolutional networks, ICML 2016). Sizes are chosen so that strides treat both edges of a tile alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from histopress.core.errors import EncoderError
from histopress.encoders.network import ImageNetwork, PixelScale, scaled


@dataclass(frozen=True)
class TurnedConvSettings:
    """Settings of `TurnedConv`.

    Attributes:
        tile: width and height of a tile in px.
        shrink: tiles are first averaged over blocks of this many px a side.
        channels: behind each strided convolution, orientations included.
        blocks: residual blocks behind each strided convolution.
        dim: length of a code.
        turns: 8 for filters in all orientations; 1 for ordinary ones, whose codes change with a turn.
        slope: of the leaky ReLU below zero.
    """

    tile: int = 128
    shrink: int = 1
    channels: tuple[int, ...] = (32, 64, 128, 256, 1024)
    blocks: tuple[int, ...] = (0, 0, 1, 1, 0)
    dim: int = 128
    turns: Literal[1, 8] = 8
    slope: float = 0.1

    def __post_init__(self) -> None:
        if len(self.blocks) != len(self.channels):
            raise EncoderError(f"blocks are {self.blocks}, expected one number for each of {self.channels}")
        if min(self.channels) < 1 or any(c % self.turns for c in self.channels):
            raise EncoderError(f"channels are {self.channels}, expected multiples of {self.turns} (turns)")
        if not 1 <= self.shrink <= 8 or self.tile % self.shrink:
            raise EncoderError(
                f"shrink is {self.shrink}, expected a divisor of the tile ({self.tile} px) from 1 to 8"
            )
        if any(side < 1 or rest for side, rest in self._strides()):
            smallest = self.shrink * 2 ** (len(self.channels) + 1)
            raise EncoderError(
                f"tiles of {self.tile} px do not fit {len(self.channels)} strided convolutions, expected "
                f"a multiple of {smallest} px; use other tiles or fewer convolutions"
            )

    def _strides(self) -> list[tuple[int, int]]:
        """Side of the map behind each strided convolution, and the pixels that it would leave out."""
        side, found = self.tile // self.shrink, []
        for kernel in (4, *[3] * (len(self.channels) - 1)):
            rest = (side - kernel) % 2
            side = (side - kernel) // 2 + 1
            found.append((side, rest))
        return found


@dataclass(frozen=True)
class TurnedPyramidSettings(TurnedConvSettings):
    """Settings of `TurnedPyramid`; see `TurnedConvSettings`."""


class TurnedConv(ImageNetwork):
    """Strided convolutions and residual blocks with filters in all orientations, averaged in the end.

    Leaky ReLU and batch norm follow each convolution; the mean over places and orientations goes through a
    dense layer to the code.
    """

    every_stage = False
    """Whether the code sees the means of every stage, or of the last one alone."""

    def __init__(self, settings: TurnedConvSettings) -> None:
        super().__init__(settings, settings.dim, "uint8 0..255 scaled linearly to -1..+1")
        self.pixels = PixelScale(settings.shrink, (2 / 255,) * 3, (-1.0,) * 3)
        turns = settings.turns
        layers: list[_Step | _Residual] = []
        fields = [c // turns for c in settings.channels]
        for stage, (before, after) in enumerate(pairwise([3, *fields])):
            given = 1 if stage == 0 else turns
            layers.append(_Step(before, after, settings, kernel=3 if stage else 4, stride=2, given=given))
            layers += [_Residual(after, settings) for _ in range(settings.blocks[stage])]
        self.trunk = nn.Sequential(*layers)
        self.ends = _ends(settings.blocks, self.every_stage)
        seen = sum(fields) if self.every_stage else fields[-1]
        self.code = nn.Linear(seen, settings.dim)
        self.turns = turns

    def forward(self, tiles: Tensor) -> Tensor:
        """Tiles (batch, tile, tile, 3) uint8 -> codes (batch, dim) float32."""
        return self.codes(scaled(tiles.permute(0, 3, 1, 2).float() / 255, self.pixels))

    def codes(self, images: Tensor) -> Tensor:
        """Images (batch, 3, side, side), -1 to +1 -> codes (batch, dim), in the type of the images."""
        codes: Tensor = self.code(_means(self.trunk, images, self.ends, self.turns))
        return codes

    def plain(self) -> ImageNetwork:
        """The same function in torch's own convolutions and norms."""
        return _Plain(self)


class _Step(nn.Module):
    """One convolution in all orientations, its activation and its norm.

    Maps are (batch, turns * fields, height, width), orientation by orientation.
    """

    gather: Tensor

    def __init__(
        self, before: int, after: int, settings: TurnedConvSettings, *, kernel: int, stride: int, given: int
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.slope = stride, 0 if stride > 1 else kernel // 2, settings.slope
        self.turns, self.given = settings.turns, given
        size = given * kernel**2
        self.weight = nn.Parameter(torch.empty(after, before, size))
        nn.init.kaiming_uniform_(self.weight.view(after, -1), a=settings.slope)
        self.norm = nn.BatchNorm2d(after)
        self.register_buffer("gather", _gather(settings.turns, given, kernel), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        answers = F.conv2d(maps, self.wide(), stride=self.stride, padding=self.padding)
        answers = F.leaky_relu(answers, self.slope, inplace=True).contiguous()
        batch, _, height, width = answers.shape
        normed: Tensor = self.norm(answers.view(batch * self.turns, -1, height, width))
        return normed.view(batch, -1, height, width)

    def wide(self) -> Tensor:
        """The filters of all orientations, (turns * after, given * before, kernel, kernel)."""
        after, before, _ = self.weight.shape
        wide = self.weight[:, :, self.gather]  # after, before, turns, given, kernel, kernel
        return wide.permute(2, 0, 3, 1, 4, 5).reshape(
            self.turns * after, self.given * before, *self.gather.shape[2:]
        )

    def plain(self) -> nn.Sequential:
        """The same as torch's own layers."""
        wide = self.wide().detach()
        size = (wide.shape[2], wide.shape[3])
        conv = nn.Conv2d(wide.shape[1], len(wide), size, self.stride, self.padding, bias=False)
        conv.weight = nn.Parameter(wide.clone(), requires_grad=False)
        norm = nn.BatchNorm2d(len(wide), self.norm.eps)
        norm.load_state_dict(
            {n: w.repeat(self.turns) if w.ndim else w for n, w in self.norm.state_dict().items()}
        )
        return nn.Sequential(conv, nn.LeakyReLU(self.slope), norm)


class _Residual(nn.Module):
    """A step that is added to what it was given."""

    def __init__(self, fields: int, settings: TurnedConvSettings) -> None:
        super().__init__()
        self.step = _Step(fields, fields, settings, kernel=3, stride=1, given=settings.turns)

    def forward(self, maps: Tensor) -> Tensor:
        added: Tensor = maps + self.step(maps)
        return added

    def plain(self) -> nn.Module:
        """The same as torch's own layers."""
        return _PlainResidual(self.step.plain())


class _PlainResidual(nn.Module):
    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.step = step

    def forward(self, maps: Tensor) -> Tensor:
        added: Tensor = maps + self.step(maps)
        return added


class _Plain(ImageNetwork):
    """`TurnedConv` in torch's own layers."""

    def __init__(self, network: TurnedConv) -> None:
        super().__init__(network.settings, network.dim, network.normalisation)
        self.pixels, self.code = network.pixels, network.code
        self.trunk = nn.Sequential(*(layer.plain() for layer in network.trunk))  # type: ignore[operator]
        self.turns, self.ends = network.turns, network.ends
        self.requires_grad_(False).eval()

    def codes(self, images: Tensor) -> Tensor:
        """See `TurnedConv.codes`."""
        codes: Tensor = self.code(_means(self.trunk, images, self.ends, self.turns))
        return codes


class TurnedPyramid(TurnedConv):
    """`TurnedConv` whose code sees the means of every stage: textures of all sizes, not the largest alone."""

    every_stage = True


def _ends(blocks: tuple[int, ...], every_stage: bool) -> tuple[int, ...]:
    """Numbers of the layers whose maps are averaged: the last one of each stage, or of all."""
    last = [sum(blocks[: stage + 1]) + stage for stage in range(len(blocks))]
    return tuple(last if every_stage else last[-1:])


def _means(trunk: nn.Sequential, maps: Tensor, ends: tuple[int, ...], turns: int) -> Tensor:
    """Images -> (batch, fields) means over places and orientations behind some of the layers."""
    found = []
    for number, layer in enumerate(trunk):
        maps = layer(maps)
        if number in ends:
            found.append(maps.mean((2, 3)).unflatten(1, (turns, -1)).mean(1))  # type: ignore[no-untyped-call]
    return torch.cat(found, 1) if len(found) > 1 else found[0]


def orientations(turns: int) -> list[tuple[bool, int]]:
    """The first of the eight orientations, each as (mirrored first, then quarter turns)."""
    return [(mirrored, quarters) for mirrored in (False, True) for quarters in range(4)][:turns]


def turned(grid: NDArray[np.int64], mirrored: bool, quarters: int) -> NDArray[np.int64]:
    """The last two axes of a grid in another orientation."""
    return np.rot90(grid[..., ::-1] if mirrored else grid, quarters, axes=(-2, -1))


def _gather(turns: int, given: int, kernel: int) -> Tensor:
    """Which stored weight stands where in the filters of all orientations.

    The filter of orientation g looks at orientation h of its input with the part that is stored for
    "h as seen from g", turned by g.

    Args:
        turns: orientations of the filters.
        given: orientations of the input; 1 for pixels, which have none.
        kernel: width and height of a filter.

    Returns:
        (turns, given, kernel, kernel) indices into the given * kernel * kernel weights stored for a filter.
    """
    stored = np.arange(given * kernel**2).reshape(given, kernel, kernel)
    ways, seen = orientations(turns), _seen_from(turns)
    found = [
        [turned(stored[seen[g, h] if given > 1 else 0], *ways[g]) for h in range(given)] for g in range(turns)
    ]
    return torch.from_numpy(np.array(found))


def _seen_from(turns: int) -> NDArray[np.int64]:
    """(turns, turns) the orientation that, followed by g, makes h."""
    ways, marked = orientations(turns), np.arange(9).reshape(3, 3)
    marks = [turned(marked, *way).tobytes() for way in ways]
    found = np.empty((turns, turns), np.int64)
    for x, first in enumerate(ways):
        for g, then in enumerate(ways):
            found[g, marks.index(turned(turned(marked, *first), *then).tobytes())] = x
    return found
