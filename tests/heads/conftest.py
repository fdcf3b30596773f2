"""Small cohorts of made-up grids, with or without a planted signal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from histopress.core.geometry import Lattice, Size, Spacing
from histopress.core.recipe import digest
from histopress.grids.grid import FeatureGrid, SlideIdentity
from histopress.grids.store import SUFFIX, write_grid

DIM = 12


def noise_grid(
    slide: str,
    shape: tuple[int, int],
    *,
    seed: int = 0,
    dim: int = DIM,
    shift: np.ndarray[Any, Any] | None = None,
    share: float = 0.0,
    encoder: str = "enc",
) -> FeatureGrid:
    """Noise on about two thirds of the cells; `share` of them, in one place, shifted along a direction."""
    random = np.random.default_rng(seed)
    cells = np.argwhere(random.random(shape) < 0.65).astype(np.int32)
    features = random.normal(1.0, 2.0, size=(len(cells), dim))
    if shift is not None and share:
        centre = cells[random.integers(len(cells))]
        near = np.argsort(np.square(cells - centre).sum(axis=1), kind="stable")
        features[near[: max(1, round(share * len(cells)))]] += shift
    return FeatureGrid(
        lattice=Lattice(64.0, 48.0, *shape, spacing=0.5, tile=32),
        slide=SlideIdentity(
            slide, Size(shape[1] * 64, shape[0] * 48), Spacing(0.25, 0.33), f"hash of {slide}"
        ),
        encoder={"identity": encoder, "name": "made-up", "spacing": 0.5, "tile": 32, "dim": dim},
        identity=digest(slide, seed, share, encoder, shape),
        settings={"tissue_share": 0.25},
        features=features.astype(np.float16),
        cells=cells,
        tissue=np.ones(len(cells), dtype=np.float32),
    )


@pytest.fixture(name="make_grid")
def _make_grid() -> Callable[..., FeatureGrid]:
    return noise_grid


@dataclass
class MadeCohort:
    """A table and a folder of grids on disk."""

    folder: Path
    frame: pd.DataFrame

    @property
    def grids(self) -> Path:
        return self.folder / "grids"

    @property
    def table(self) -> Path:
        path = self.folder / "cohort.csv"
        self.frame.to_csv(path, index=False)
        return path

    def put(self, grid: FeatureGrid) -> Path:
        path = self.grids / f"{grid.slide.slide}{SUFFIX}"
        write_grid(path, grid)
        return path


Maker = Callable[..., MadeCohort]


@pytest.fixture
def make_cohort(tmp_path: Path) -> Maker:
    """Writes cohorts whose labels can be told: in grids of class "yes", `share` of the cells is shifted."""

    def make(
        *,
        patients: int = 20,
        share: float = 0.3,
        strength: float = 8.0,
        slides: int = 1,
        labels: Sequence[Any] = ("no", "yes"),
        name: str = "data",
        seed: int = 0,
    ) -> MadeCohort:
        random = np.random.default_rng(99)
        direction = random.normal(size=DIM)
        direction *= strength / np.linalg.norm(direction)
        made = MadeCohort(tmp_path / name, pd.DataFrame())
        rows = []
        for p in range(patients):
            label = labels[p % len(labels)]
            for s in range(slides):
                slide = f"p{p:02d}-{s}"
                amount = share * (p % len(labels)) / (len(labels) - 1)
                shape = (6 + p % 3, 9 + (p + s) % 4)
                made.put(
                    noise_grid(slide, shape, seed=1000 * seed + 10 * p + s, shift=direction, share=amount)
                )
                rows.append((f"p{p:02d}", slide, label))
        made.frame = pd.DataFrame(rows, columns=["patient", "slide", "label"])
        return made

    return make
