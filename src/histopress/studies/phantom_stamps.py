"""Small pictures of single cells, drawn for each slide anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.studies.phantom_textures import DIRECTIONS

EDGE = 1.2
"""px over which the outline of a cell fades."""


@dataclass(frozen=True)
class Look:
    """What nuclei of one kind are like; lengths in um, depths of stain from 0 to 1.

    Attributes:
        length: mean of the longer axis.
        width: mean of the shorter axis.
        spread: standard deviation of the logarithm of the size.
        irregular: how much the outline strays from an ellipse.
        dark: depth of stain.
        fade: standard deviation of that depth between nuclei.
        clumps: contrast of the chromatin.
        rim: how much darker the membrane is.
        spots: nucleoli at most.
    """

    length: float
    width: float
    spread: float = 0.1
    irregular: float = 0.03
    dark: float = 0.7
    fade: float = 0.06
    clumps: float = 0.15
    rim: float = 0.1
    spots: int = 0


@dataclass(frozen=True)
class Stamps:
    """Pictures of nuclei; those of one direction lie together.

    Attributes:
        pictures: (DIRECTIONS * variants, side, side) uint8, 0 outside of the nucleus.
        variants: pictures to each direction.
    """

    pictures: NDArray[np.uint8]
    variants: int

    def choose(self, rng: np.random.Generator, angles: NDArray[np.float64]) -> NDArray[np.int64]:
        """A stamp at random for each cell, turned nearest to its angle (radians)."""
        direction = np.rint(angles / np.pi * DIRECTIONS).astype(np.int64) % DIRECTIONS
        return direction * self.variants + rng.integers(self.variants, size=len(angles))

    def choose_any(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        """A stamp at random for each of so many cells, turned any way."""
        return rng.integers(len(self.pictures), size=count)


def draw_stamps(rng: np.random.Generator, look: Look, variants: int, um: float) -> Stamps:
    """Nuclei of one look.

    Args:
        rng: chance.
        look: of the nuclei.
        variants: how many for each direction.
        um: px per um.
    """
    count = DIRECTIONS * variants
    size = np.exp(rng.normal(0, look.spread, count)).clip(0.5, 2)
    slim = np.exp(rng.normal(0, look.spread / 2, count))
    length, width = look.length * um * size * slim, look.width * um * size / slim
    length, width = np.maximum(length, width), np.minimum(length, width)
    side = int(np.ceil(length.max() * (1 + 3 * look.irregular) + 2 * EDGE)) + 2
    u, v = _axes(side, np.repeat(np.arange(DIRECTIONS), variants) * np.pi / DIRECTIONS)
    bulge = _outline(rng, np.arctan2(v / _each(width), u / _each(length)), look.irregular)
    reach = np.hypot(2 * v / _each(width), 2 * u / _each(length))
    depth = (bulge - reach) * _each(width) / 2
    ink = _each(np.clip(rng.normal(look.dark, look.fade, count), 0.15, 1)) * (
        1 + np.float32(look.clumps) * _chromatin(rng, count, side, um)
    )
    ink += look.rim * np.exp(-np.square((depth - np.float32(0.5 * um)) / np.float32(0.45 * um)))
    for _ in range(look.spots):
        ink += _nucleolus(rng, u, v, width, um)
    ink *= np.clip(0.5 + depth / np.float32(EDGE), 0, 1)
    return Stamps((255 * np.clip(ink, 0, 1)).astype(np.uint8), variants)


def _each(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """One value a stamp, to broadcast over its pixels."""
    return values.astype(np.float32)[:, None, None]


def draw_mitoses(rng: np.random.Generator, variants: int, um: float) -> Stamps:
    """Dividing nuclei: black, ragged plates without a membrane."""
    look = Look(9, 4, spread=0.2, irregular=0.22, dark=1.0, fade=0.02, clumps=0.08, rim=0)
    return draw_stamps(rng, look, variants, um)


def _axes(side: int, angle: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(count, side, side) px along and across each stamp, from its middle."""
    y, x = np.mgrid[:side, :side].astype(np.float32) - np.float32((side - 1) / 2)
    cos, sin = (f(angle).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    return x * cos + y * sin, y * cos - x * sin


def _outline(rng: np.random.Generator, angle: NDArray[np.float32], irregular: float) -> NDArray[np.float32]:
    """Reach of each nucleus in these directions, about 1: an ellipse with harmonics 1 to 3."""
    bulge = np.ones_like(angle)
    for k in range(1, 4):
        size = rng.normal(0, irregular / np.sqrt(k), len(angle))
        phase = rng.uniform(0, 2 * np.pi, len(angle))
        bulge += _each(size) * np.cos(k * angle + _each(phase))
    return bulge


def _chromatin(rng: np.random.Generator, count: int, side: int, um: float) -> NDArray[np.float32]:
    """(count, side, side) clumpy noise, mean 0, standard deviation 1."""
    from scipy import ndimage

    noise = rng.standard_normal((count, side, side), dtype=np.float32)
    smooth = np.asarray(ndimage.gaussian_filter(noise, (0, 0.55 * um, 0.55 * um), truncate=2.5))
    chromatin: NDArray[np.float32] = smooth / smooth.std()
    return chromatin


def _nucleolus(
    rng: np.random.Generator,
    u: NDArray[np.float32],
    v: NDArray[np.float32],
    width: NDArray[np.float64],
    um: float,
) -> NDArray[np.float32]:
    """A dark round spot near the middle of most nuclei."""
    along, across = rng.normal(0, 0.13, (2, len(u))) * width
    dark = rng.uniform(0, 0.6, len(u)) * (rng.uniform(size=len(u)) < 0.7)
    away = np.square(u - _each(along)) + np.square(v - _each(across))
    spot: NDArray[np.float32] = _each(dark) * np.exp(-away / np.float32((0.9 * um) ** 2))
    return spot
