"""Grids and slides that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from histopress.core.geometry import Lattice, Size, Spacing
from histopress.data.write_slide import write_slide
from histopress.grids.grid import FeatureGrid, SlideIdentity

MakeGrid = Callable[..., FeatureGrid]
MakeSlide = Callable[..., Path]
Turn = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@pytest.fixture
def make_grid() -> MakeGrid:
    """A grid of random codes over a slide whose pixels are not square."""

    def make(seed: int = 0, dim: int = 5, share: float = 0.6, name: str = "a") -> FeatureGrid:
        random = np.random.default_rng(seed)
        size, spacing = Size(5000, 3000), Spacing(0.5, 0.4)
        lattice = Lattice.over(size, spacing, 0.5, 128)
        cells = np.argwhere(random.random(lattice.shape) < share).astype(np.int32)
        return FeatureGrid(
            features=random.standard_normal((len(cells), dim)).astype(np.float16),
            cells=cells,
            tissue=random.random(len(cells)).astype(np.float32),
            lattice=lattice,
            slide=SlideIdentity(name, size, spacing, "hash"),
            encoder={"name": "random", "identity": "e1", "dim": dim, "spacing": 0.5, "tile": 128},
            identity=f"i{seed}",
            settings={"tissue_share": 0.25},
            version="0",
        )

    return make


def tissue_like(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Pink noise with dark dots everywhere: all of it is tissue."""
    random = np.random.default_rng(seed)
    picture = np.empty((height, width, 3))
    picture[:] = [214, 150, 190]
    coarse = random.normal(0, 14, (height // 40 + 1, width // 40 + 1, 3))
    picture += coarse.repeat(40, axis=0).repeat(40, axis=1)[:height, :width]
    rows, cols = random.integers(0, height - 9, 600), random.integers(0, width - 9, 600)
    for row, col in zip(rows, cols, strict=True):
        picture[row : row + 9, col : col + 9] = [96, 52, 130]
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.fixture
def make_slide(tmp_path: Path) -> MakeSlide:
    """A slide file: tissue on white glass, by default 6 x 9 cells of 128 px."""

    def make(
        name: str = "a",
        seed: int = 0,
        rows: int = 6,
        cols: int = 9,
        turn: Callable[..., object] | None = None,
    ) -> Path:
        picture = np.full((rows * 128, cols * 128, 3), 244, dtype=np.uint8)
        picture[128:-128, 128:-256] = tissue_like((rows - 2) * 128, (cols - 3) * 128, seed)
        turned = np.ascontiguousarray(picture if turn is None else turn(picture))
        path = tmp_path / "slides" / f"{name}.tiff"
        path.parent.mkdir(exist_ok=True)
        write_slide(path, Size(turned.shape[1], turned.shape[0]), Spacing.square(0.5), turned)
        return path

    return make
