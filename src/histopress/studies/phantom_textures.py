"""Seamless textures of a run: collagen, cytoplasm, cell borders, fat septa and camera noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Grey = NDArray[np.uint8]

BLOCK = 512
"""px a side of the squares in which slides are painted."""
MARGIN = 4
"""px around a block that its blur may look at."""
DIRECTIONS = 16
"""Into which the half circle is cut, for fibres and for nuclei."""


@dataclass(frozen=True)
class Seamless:
    """A grey picture that repeats without a seam.

    Attributes:
        grey: (period + BLOCK + 2 MARGIN) px a side, so that a window anywhere is a plain view.
        period: px after which it repeats.
    """

    grey: Grey
    period: int

    def window(self, y: int, x: int, side: int) -> Grey:
        """The square at this place of the endless texture, up to BLOCK + 2 MARGIN px a side."""
        y, x = y % self.period, x % self.period
        return self.grey[y : y + side, x : x + side]

    def turned(self) -> Seamless:
        """The same texture as seen from behind, lying on its side."""
        return Seamless(np.ascontiguousarray(self.grey.T), self.period)


@dataclass(frozen=True)
class Textures:
    """What a process paints all its slides with.

    Attributes:
        collagen: wavy fibres; 128 is the mean.
        across: the same fibres running another way.
        directions: (period / 8, period / 8) of `collagen`: the nearest of `DIRECTIONS` along the fibres.
        cytoplasm: fine grains; 128 is the mean.
        borders: borders between epithelial cells; 0 inside, 255 on a border.
        septa: walls between fat cells; 0 inside, 255 in a wall.
        noise: of a camera with a standard deviation of 16; 128 is the mean.
    """

    collagen: Seamless
    across: Seamless
    directions: NDArray[np.uint8]
    cytoplasm: Seamless
    borders: Seamless
    septa: Seamless
    noise: Seamless


@lru_cache(maxsize=2)
def textures(seed: int, spacing: float) -> Textures:
    """Draw all textures; takes about a second, once in a process.

    Args:
        seed: of the cohort.
        spacing: um/px of the slides.
    """
    rng = np.random.default_rng([seed, 3])
    collagen, directions = _collagen(rng, 1024, spacing)
    fibres = _seamless(collagen, 42)
    grains = _smooth(rng, 512, 0.6 / spacing, 0.6 / spacing) + _smooth(rng, 512, 3 / spacing, 3 / spacing)
    return Textures(
        collagen=fibres,
        across=fibres.turned(),
        directions=directions,
        cytoplasm=_seamless(grains, 25),
        borders=_wrapped(_walls(rng, 512, cell=11 / spacing, wall=0.7 / spacing)),
        septa=_wrapped(_walls(rng, 1024, cell=55 / spacing, wall=1.1 / spacing)),
        noise=_seamless(_smooth(rng, 512, 0.5, 0.5), 16),
    )


def _seamless(field: Field, deviation: float) -> Seamless:
    """Grey levels around 128, from a field of mean 0 and standard deviation 1."""
    standard = (field - field.mean()) / field.std()
    return _wrapped(np.clip(128 + deviation * standard, 0, 255).astype(np.uint8))


def _wrapped(grey: Grey) -> Seamless:
    return Seamless(np.pad(grey, (0, BLOCK + 2 * MARGIN), mode="wrap"), len(grey))


def _spectrum(rng: np.random.Generator, side: int) -> NDArray[np.complex64]:
    from scipy import fft

    white = rng.standard_normal((side, side), dtype=np.float32)
    return np.asarray(fft.rfft2(white), dtype=np.complex64)


def _filtered(
    spectrum: NDArray[np.complex64], side: int, along: float, across: float, angle: float = 0.0
) -> Field:
    """White noise smeared by a Gaussian of these standard deviations (px); mean 0, standard deviation 1."""
    from scipy import fft

    v, u = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    a, b = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    gain = np.exp(-2 * np.pi**2 * ((along * a) ** 2 + (across * b) ** 2)).astype(np.float32)
    gain[0, 0] = 0
    field = np.asarray(fft.irfft2(spectrum * gain, s=(side, side)), dtype=np.float32)
    return field / field.std()


def _smooth(rng: np.random.Generator, side: int, along: float, across: float) -> Field:
    return _filtered(_spectrum(rng, side), side, along, across)


def _collagen(rng: np.random.Generator, side: int, spacing: float) -> tuple[Field, NDArray[np.uint8]]:
    """Fibres that follow a slowly turning direction, and that direction in px eight times coarser."""
    turn = 0.45 * _smooth(rng, side, 45 / spacing, 45 / spacing) + 0.12 * _smooth(rng, side, 9 / spacing, 9 / spacing)
    position = (0.3 + turn) / np.pi * DIRECTIONS
    fine, bundles = _spectrum(rng, side), _spectrum(rng, side)
    total = np.zeros((side, side), np.float32)
    for k in range(DIRECTIONS):
        away = np.abs((position - k + DIRECTIONS / 2) % DIRECTIONS - DIRECTIONS / 2)
        weight = np.maximum(1 - away, 0)
        angle = k * np.pi / DIRECTIONS
        fibres = 0.75 * _filtered(bundles, side, 16 / spacing, 1.6 / spacing, angle)
        fibres += 0.55 * _filtered(fine, side, 6 / spacing, 0.55 / spacing, angle)
        total += weight * fibres
    nearest = np.rint(position).astype(np.int64) % DIRECTIONS
    return total, nearest[4::8, 4::8].astype(np.uint8)


def _walls(rng: np.random.Generator, side: int, cell: float, wall: float) -> Grey:
    """Walls between the cells of a seamless Voronoi diagram; `cell` is their mean width, `wall` a half width (px)."""
    from scipy.spatial import cKDTree

    pitch = max(2, round(side / cell))
    corner = np.stack(np.meshgrid(np.arange(pitch), np.arange(pitch), indexing="ij"), -1).reshape(-1, 2)
    seeds = ((corner + 0.9 * rng.uniform(size=corner.shape)) * side / pitch) % side
    rows, cols = np.mgrid[:side, :side].astype(np.float32)
    warp = [_smooth(rng, side, cell / 5, cell / 5) * cell / 14 for _ in range(2)]
    where = np.stack([(rows + warp[0]) % side, (cols + warp[1]) % side], -1).reshape(-1, 2)
    near, index = cKDTree(seeds, boxsize=side).query(where, k=2)
    apart = seeds[index[:, 1]] - seeds[index[:, 0]]
    apart -= side * np.rint(apart / side)
    to_wall = (near[:, 1] ** 2 - near[:, 0] ** 2) / (2 * np.linalg.norm(apart, axis=1))
    thick = wall * np.exp(0.4 * _smooth(rng, side, cell, cell)).ravel()
    return (255 * np.exp(-0.5 * (to_wall / thick) ** 2)).reshape(side, side).astype(np.uint8)
