"""One look at all grids: each is read once, its window and its bytes are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from histopress.core.geometry import Lattice, Size, Spacing
from histopress.grids.grid import FeatureGrid, SlideIdentity
from histopress.grids.standard import standardise
from histopress.grids.survey import survey


def made(name: str, rows: int, cols: int) -> FeatureGrid:
    random = np.random.default_rng(rows)
    cells = np.array([[0, 0], [rows - 1, cols - 1]], dtype=np.int32)
    return FeatureGrid(
        lattice=Lattice(64.0, 48.0, rows, cols, spacing=0.5, tile=32),
        slide=SlideIdentity(name, Size(cols * 64, rows * 48), Spacing(0.25, 0.33), name),
        encoder={"identity": "e"},
        identity=name,
        settings={},
        features=random.normal(size=(2, 5)).astype(np.float16),
        cells=cells,
        tissue=np.ones(2, np.float32),
    )


def test_every_grid_is_read_once_and_counted() -> None:
    grids = {Path(n): made(n, rows, cols) for n, rows, cols in (("a", 3, 7), ("b", 11, 2), ("c", 5, 4))}
    asked: list[Path] = []

    def read(path: Path) -> FeatureGrid:
        asked.append(path)
        return grids[path]

    found = survey([(Path("a"), Path("c")), (Path("b"),)], read)
    assert asked == [Path("a"), Path("c"), Path("b")]
    assert found.sizes == (3 * 7 + 5 * 4, 11 * 2)
    assert found.nbytes == sum(grid.nbytes for grid in grids.values())
    expected = standardise(grids.values())
    np.testing.assert_allclose(found.standard.mean, expected.mean)
    np.testing.assert_allclose(found.standard.sd, expected.sd)
