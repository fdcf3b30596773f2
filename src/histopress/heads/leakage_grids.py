"""Grids of different patients that show the same tissue, though their files differ.

Every grid is read once and leaves a fingerprint: mean and spread of its codes. Pairs with like fingerprints
are then compared cell by cell: each cell of one grid looks for the most similar cell of the other, and in
copies nearly all find theirs at the same shift. Copies that are turned or mirrored are not found.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histopress.core.progress import progress
from histopress.grids.batches import Read
from histopress.grids.grid import FeatureGrid

Array = NDArray[np.float32]

ALIKE = 0.5
"""Fingerprints this far apart, against the median pair, may be copies."""

NEAREST = 3
"""Other patients' grids that are considered for every grid."""

MOST_COMPARED = 400
"""Pairs that are compared cell by cell, those with the most similar fingerprints first."""

SAMPLE = 200
"""Cells of the smaller grid that look for their like in the larger one."""

FEWEST_CELLS = 8
"""Grids with fewer cells are copies only if all of their codes are equal."""

AGREED = 0.5
"""Share of the cells that must find their like at the same shift, give or take one cell."""

BLOCK = 512
"""Grids whose fingerprints are compared with all others at once."""


@dataclass(frozen=True)
class Fingerprints:
    """What is remembered of every grid.

    Attributes:
        mean: (slides, dim) float32 mean code.
        spread: (slides, dim) float32 standard deviation of the codes.
        cells: (slides,) how many there are.
        digests: one of codes and cells for each slide.
    """

    mean: Array
    spread: Array
    cells: NDArray[np.int64]
    digests: tuple[str, ...]


def fingerprints(paths: Sequence[Path], read: Read) -> Fingerprints:
    """Read every grid once."""
    means, spreads, cells, digests = [], [], [], []
    with progress("look for leaks", len(paths), "grids") as bar:
        for path in paths:
            grid = read(path)
            codes = grid.features.astype(np.float32) if len(grid) else np.zeros((1, grid.dim), np.float32)
            means.append(codes.mean(axis=0))
            spreads.append(codes.std(axis=0))
            cells.append(len(grid))
            digests.append(_digest(grid))
            bar.advance()
    return Fingerprints(np.stack(means), np.stack(spreads), np.array(cells, np.int64), tuple(digests))


def same_codes(prints: Fingerprints) -> list[list[int]]:
    """Groups of slides whose grids hold exactly the same codes in the same places."""
    groups: dict[str, list[int]] = {}
    for index, digest in enumerate(prints.digests):
        if prints.cells[index]:
            groups.setdefault(digest, []).append(index)
    return [members for members in groups.values() if len(members) > 1]


def near_copies(
    prints: Fingerprints, patients: Sequence[str], paths: Sequence[Path], read: Read
) -> list[tuple[int, int]]:
    """Pairs of slides of different patients that show the same tissue; equal codes aside."""
    found = []
    for one, other in candidates(prints, patients):
        if (
            prints.digests[one] != prints.digests[other]
            and agreement(read(paths[one]), read(paths[other])) >= AGREED
        ):
            found.append((one, other))
    return found


def candidates(prints: Fingerprints, patients: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of grids of different patients with like fingerprints, the most similar first."""
    numbers = np.unique(np.asarray(patients), return_inverse=True)[1]
    if len(np.unique(numbers)) < 2:
        return []
    points = np.concatenate([_scaled(prints.mean), _scaled(prints.spread)], axis=1)
    limit = ALIKE * _usual_distance(points)
    pairs: dict[tuple[int, int], float] = {}
    for row, distances in _distances(points):
        distances[numbers == numbers[row]] = np.inf
        count = min(NEAREST, len(distances) - 1)
        for other in np.argpartition(distances, count)[: count or 1]:
            if distances[other] <= limit:
                pairs[min(row, int(other)), max(row, int(other))] = float(distances[other])
    return sorted(pairs, key=lambda pair: (pairs[pair], pair))[:MOST_COMPARED]


def agreement(one: FeatureGrid, other: FeatureGrid) -> float:
    """Share of cells of the smaller grid that find their like in the larger one at a common shift.

    Near 0 for different tissue; near 1 for copies, also if encoded anew, moved by some cells or cropped.
    """
    small, large = sorted((one, other), key=len)
    if len(small) < FEWEST_CELLS:
        return 0.0
    chosen = np.linspace(0, len(small) - 1, min(SAMPLE, len(small))).round().astype(np.int64)
    wanted, among = small.features[chosen].astype(np.float32), large.features.astype(np.float32)
    middle = among.mean(axis=0)
    wanted, among = wanted - middle, among - middle
    like = (np.square(among).sum(axis=1) - 2 * wanted @ among.T).argmin(axis=1)
    shifts = Counter(map(tuple, (large.cells[like] - small.cells[chosen]).tolist()))
    return max(_around(shifts, shift) for shift, _ in shifts.most_common(3)) / len(chosen)


def _around(shifts: Counter[tuple[int, ...]], shift: tuple[int, ...]) -> int:
    row, col = shift
    return sum(shifts[row + down, col + across] for down in (-1, 0, 1) for across in (-1, 0, 1))


def _digest(grid: FeatureGrid) -> str:
    hasher = hashlib.blake2b(np.ascontiguousarray(grid.features).tobytes(), digest_size=16)
    hasher.update(np.ascontiguousarray(grid.cells).tobytes())
    return hasher.hexdigest()


def _scaled(values: Array) -> Array:
    spread = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1), np.float32)


def _usual_distance(points: Array, pairs: int = 2000) -> float:
    """Median distance of randomly drawn pairs."""
    random = np.random.default_rng(0)
    one, other = random.integers(0, len(points), (2, pairs))
    apart = one != other
    return float(np.median(np.linalg.norm(points[one[apart]] - points[other[apart]], axis=1)))


def _distances(points: Array) -> Iterator[tuple[int, Array]]:
    """Every row with its distances to all."""
    squares = np.square(points).sum(axis=1)
    for start in range(0, len(points), BLOCK):
        block = points[start : start + BLOCK]
        squared = squares[start : start + BLOCK, np.newaxis] + squares - 2 * block @ points.T
        yield from enumerate(np.sqrt(np.maximum(squared, 0)), start)
