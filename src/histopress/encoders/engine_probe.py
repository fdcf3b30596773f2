"""Is another way of computing codes right, and how fast is it? Probe tiles, agreement and short timings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Tiles (n, tile, tile, 3) -> codes (n, dim), for any n."""

PROBES = 16
PAPER = np.array([236.0, 214.0, 228.0])
EOSIN = np.array([20.0, 62.0, 34.0])
HAEMATOXYLIN = np.array([118.0, 124.0, 62.0])
"""Light of pale stroma, and what dense eosin and haematoxylin take from it, in red, green and blue."""

ROUNDS = 3
ENOUGH, PATIENCE = 0.6, 6.0
"""Timings go on for `ENOUGH` seconds and at least some rounds, unless `PATIENCE` seconds have passed."""


@dataclass(frozen=True)
class Agreement:
    """How far codes are from the true ones.

    Attributes:
        cosine: the lowest between a code and its true one; 1 is best.
        error: the largest distance between the two, relative to the length of the true one.
    """

    cosine: float
    error: float


def probe_tiles(tile: int, tiles: int = PROBES) -> NDArray[np.uint8]:
    """Drawn tissue, the same at every call: smooth eosin, blob-like nuclei, from glass-like to dense.

    Args:
        tile: width and height in px.
        tiles: how many.

    Returns:
        (tiles, tile, tile, 3) uint8.
    """
    random = np.random.default_rng(20)
    drawn = np.empty((tiles, tile, tile, 3), np.uint8)
    for i in range(tiles):
        stroma = _smooth(random, tile, tile / 8) + 0.5 * _smooth(random, tile, 2.0)
        nuclei = _smooth(random, tile, 3.0 + 2 * random.random()) - 2 * (1 - i / tiles)
        eosin = np.clip(0.5 + 0.35 * stroma, 0, 1.5)[..., None]
        dark = (1 / (1 + np.exp(-6 * nuclei)))[..., None]
        noise = random.normal(0, 3, (tile, tile, 3))
        drawn[i] = np.clip(PAPER - eosin * EOSIN - dark * HAEMATOXYLIN + noise, 0, 255).astype(np.uint8)
    return drawn


def _smooth(random: np.random.Generator, tile: int, sigma: float) -> NDArray[np.float64]:
    """A random field (tile, tile) of mean 0 and standard deviation 1, smooth over `sigma` px."""
    from scipy import ndimage

    field: NDArray[np.float64] = ndimage.gaussian_filter(
        random.standard_normal((tile, tile)), sigma, mode="wrap"
    )
    field -= field.mean()
    field /= field.std() + 1e-12
    return field


def agreement(codes: NDArray[np.float32], truth: NDArray[np.float32]) -> Agreement:
    """Compare codes (n, dim) with the true ones; anything not finite agrees not at all."""
    found, true = codes.astype(np.float64), truth.astype(np.float64)
    if found.shape != true.shape or not np.isfinite(found).all():
        return Agreement(-1.0, float("inf"))
    lengths = np.linalg.norm(true, axis=1)
    away = np.linalg.norm(found - true, axis=1)
    products = np.linalg.norm(found, axis=1) * lengths
    cosines = np.where(products > 0, (found * true).sum(1) / np.maximum(products, 1e-300), away == 0)
    return Agreement(min(float(cosines.min()), 1.0), float((away / np.maximum(lengths, 1e-12)).max()))


def seconds_per_tile(runs: Sequence[Run], tiles: NDArray[np.uint8]) -> list[float]:
    """The fastest of a few calls of each, taken in turns, so that a busy moment hits all alike.

    Args:
        runs: called at least once before, so that nothing is made ready within the time.
        tiles: given at every call.
    """
    best = [float("inf")] * len(runs)
    begin = time.perf_counter()
    for turn in count(1):
        for i, run in enumerate(runs):
            start = time.perf_counter()
            run(tiles)
            best[i] = min(best[i], (time.perf_counter() - start) / len(tiles))
        passed = time.perf_counter() - begin
        if passed > PATIENCE or (passed > ENOUGH and turn >= ROUNDS):
            break
    return best
