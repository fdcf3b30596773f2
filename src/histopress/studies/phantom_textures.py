"""Seamless textures of a run: collagen, cytoplasm, cell borders, fat septa and camera noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Grey = NDArray[np.uint8]

BLOCK = 256
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
    rng, um = np.random.default_rng([seed, 3]), 1 / spacing
    collagen, directions = _collagen(rng, 1024, um)
    fibres = _seamless(collagen, 42)
    return Textures(
        collagen=fibres,
        across=fibres.turned(),
        directions=directions,
        cytoplasm=_seamless(_smooth(rng, 512, 0.6 * um) + _smooth(rng, 512, 3 * um), 25),
        borders=_wrapped(_walls(rng, 512, cell=11 * um, wall=0.6 * um)),
        septa=_wrapped(_walls(rng, 1024, cell=55 * um, wall=0.7 * um)),
        noise=_seamless(_smooth(rng, 512, 0.5), 16),
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


def _field(spectrum: NDArray[np.complex64]) -> Field:
    """The picture of a spectrum, scaled to mean 0 and standard deviation 1."""
    from scipy import fft

    side = len(spectrum)
    field = np.asarray(fft.irfft2(spectrum, s=(side, side)), dtype=np.float32)
    field -= field.mean()
    field /= field.std()
    return field


def _smear(side: int, along: float, across: float, angle: float = 0.0) -> Field:
    """Spectrum of a Gaussian with these standard deviations (px), scaled to keep the power of white noise."""
    v, u = np.fft.fftfreq(side).astype(np.float32)[:, None], np.fft.rfftfreq(side).astype(np.float32)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    a, b = np.float32(along) * (u * cos + v * sin), np.float32(across) * (v * cos - u * sin)
    return np.asarray(np.sqrt(along * across) * np.exp(-2 * np.pi**2 * (a * a + b * b)), dtype=np.float32)


def _smooth(rng: np.random.Generator, side: int, scale: float) -> Field:
    """Noise smoothed by a Gaussian of this standard deviation (px)."""
    return _field(_spectrum(rng, side) * _smear(side, scale, scale))


def _collagen(rng: np.random.Generator, side: int, um: float) -> tuple[Field, NDArray[np.uint8]]:
    """Fibres that follow a slowly turning direction, and that direction in px eight times coarser."""
    turn = 0.45 * _smooth(rng, side, 45 * um) + 0.14 * _smooth(rng, side, 9 * um)
    position = (0.3 + turn) / np.float32(np.pi) * DIRECTIONS
    fine, bundles = _spectrum(rng, side), _spectrum(rng, side)
    total = np.zeros((side, side), np.float32)
    for k in range(DIRECTIONS):
        angle = k * np.pi / DIRECTIONS
        thick, thin = _smear(side, 13 * um, 1.7 * um, angle), _smear(side, 4.5 * um, 0.55 * um, angle)
        away = np.abs((position - k + DIRECTIONS / 2) % DIRECTIONS - DIRECTIONS / 2)
        total += np.maximum(1 - away, 0) * _field(0.7 * bundles * thick + 0.6 * fine * thin)
    nearest = np.rint(position).astype(np.int64) % DIRECTIONS
    return total, nearest[4::8, 4::8].astype(np.uint8)


def _walls(rng: np.random.Generator, side: int, cell: float, wall: float) -> Grey:
    """Walls of a seamless Voronoi diagram; `cell`: width of its cells, `wall`: half that of walls (px)."""
    from scipy.spatial import cKDTree

    pitch = max(2, round(side / cell))
    corner = np.stack(np.meshgrid(np.arange(pitch), np.arange(pitch), indexing="ij"), -1).reshape(-1, 2)
    seeds = ((corner + 0.9 * rng.uniform(size=corner.shape)) * side / pitch) % side
    bend = [_smooth(rng, side, cell / 5)[::2, ::2] * cell / 14 for _ in range(2)]
    where = np.mgrid[:side:2, :side:2].astype(np.float32) + 0.5 + np.stack(bend)
    tree = cKDTree(seeds, boxsize=np.full(2, float(side)))
    near, index = map(np.asarray, tree.query(where.reshape(2, -1).T % side, k=2))
    apart = seeds[index[:, 1]] - seeds[index[:, 0]]
    apart -= side * np.rint(apart / side)
    to_wall = (near[:, 1] ** 2 - near[:, 0] ** 2) / (2 * np.linalg.norm(apart, axis=1))
    thick = wall * np.exp(0.4 * _smooth(rng, side, cell))
    distance = _doubled(to_wall.reshape(side // 2, side // 2))
    return np.asarray(255 * np.exp(-0.5 * (distance / thick) ** 2), dtype=np.uint8)


def _doubled(values: NDArray[np.float64]) -> Field:
    """A seamless map at half the spacing."""
    from PIL import Image

    side = 2 * len(values)
    image = Image.fromarray(np.pad(values.astype(np.float32), 1, mode="wrap"))
    box = (1, 1, 1 + side // 2, 1 + side // 2)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))
