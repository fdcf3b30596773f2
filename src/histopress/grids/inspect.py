"""What slides and grids are, in words, and a grid as a picture of its first three principal components."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import GridError
from histopress.core.files import whole
from histopress.core.recipe import plain
from histopress.data.slide_files import find_slides
from histopress.data.slide_report import SlideReport, describe
from histopress.grids.grid import FeatureGrid
from histopress.grids.store import find_grids, is_grid, read_grid

GLASS = 255
PICTURE_PX = 640
"""The longer side of a grid's picture is about this long; large grids have one px a cell."""


@dataclass(frozen=True)
class GridReport:
    """What a stored grid is, or what is wrong with it."""

    path: Path
    facts: dict[str, Any]
    problems: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {"path": str(self.path), **self.facts, "problems": list(self.problems)}

    def as_text(self) -> str:
        """For people."""
        lines = [str(self.path)]
        lines += [f"  {name:<10} {value}" for name, value in self.facts.items()]
        lines += [f"  PROBLEM    {problem}" for problem in self.problems]
        return "\n".join(lines)


def inspect(
    paths: Sequence[Path], spacing: float | None = None, pictures: Path | None = None
) -> list[SlideReport | GridReport]:
    """Describe slides and grids, good and bad.

    Args:
        paths: slides, pictures, stored grids, or folders of them.
        spacing: um/px of slides that state none.
        pictures: folder for a picture of each grid; none are made without it.
    """
    return [
        describe_grid(path, pictures) if is_grid(path) else describe(path, spacing)
        for path in _expanded(paths)
    ]


def _expanded(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir() and not is_grid(path):
            yield from find_grids(path) or find_slides([path])
        else:
            yield path


def describe_grid(path: Path, pictures: Path | None = None) -> GridReport:
    """Read a stored grid whole and say what it is; a damaged one is reported, not raised."""
    try:
        grid = read_grid(path)
    except GridError as error:
        return GridReport(path, {}, (str(error),))
    facts = _facts(grid, path)
    if pictures is not None:
        facts["picture"] = str(write_picture(grid, pictures / f"{grid.slide.slide}.png"))
    return GridReport(path, facts)


def _facts(grid: FeatureGrid, path: Path) -> dict[str, Any]:
    codes = grid.features.astype(np.float32)
    size, card = grid.slide.size, grid.encoder
    stored = sum(f.stat().st_size for f in [path, *path.rglob("*")] if f.is_file())
    spread = f"mean {codes.mean():.3g}, sd {codes.std():.3g}" if len(grid) else "none"
    less = size.width * size.height * 3 / stored
    return {
        "slide": f"{grid.slide.slide}, {size} at {grid.slide.spacing}",
        "encoder": f"{card['name']} ({card['dim']} numbers per tile; {card['identity']})",
        "lattice": f"{grid.lattice.rows} rows x {grid.lattice.cols} cols of {grid.lattice.tile} px "
        f"at {grid.lattice.spacing:g} um/px",
        "tiles": f"{len(grid)} with tissue, {len(grid) / np.prod(grid.shape):.0%} of the lattice",
        "codes": spread,
        "stored": f"{stored / 1e6:.2f} MB, {less:.0f} times less than its pixels",
        "settings": ", ".join(f"{k}={v}" for k, v in plain(grid.settings).items() if k != "tissue"),
        "identity": f"{grid.identity} (histopress {grid.version})",
    }


def principal_picture(grid: FeatureGrid) -> NDArray[np.uint8]:
    """The first three principal components of the codes as red, green and blue.

    Each component is stretched from its 2nd to its 98th percentile; its sign is chosen so that it is skewed
    to the right, which makes the picture the same for the same grid on any machine.

    Returns:
        (rows, cols, 3) uint8, white where there is no tile.
    """
    picture = np.full((*grid.shape, 3), GLASS, dtype=np.uint8)
    if not len(grid):
        return picture
    codes = grid.features.astype(np.float64)
    codes -= codes.mean(axis=0)
    _, axes = np.linalg.eigh(codes.T @ codes)
    components = codes @ axes[:, ::-1][:, :3]
    components *= np.where((components**3).sum(axis=0) < 0, -1.0, 1.0)
    low, high = np.percentile(components, [2, 98], axis=0)
    colours = np.clip((components - low) / np.maximum(high - low, 1e-12), 0, 1) * 235
    picture[grid.cells[:, 0], grid.cells[:, 1], : colours.shape[1]] = colours.round().astype(np.uint8)
    return picture


def write_picture(grid: FeatureGrid, path: Path) -> Path:
    """Store `principal_picture` as a PNG of about `PICTURE_PX`, every cell a square."""
    from PIL import Image

    cell = max(1, PICTURE_PX // max(grid.shape))
    picture = principal_picture(grid).repeat(cell, axis=0).repeat(cell, axis=1)
    with whole(path) as partial:
        Image.fromarray(picture).save(partial)
    return path
