"""Other tools' feature files <-> stored grids, in both directions and from one tool to another."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from histopress.core.errors import GridError, RecipeError
from histopress.core.geometry import Point
from histopress.core.progress import progress
from histopress.core.summary import Summary

if TYPE_CHECKING:
    from histopress.grids.exchange_scale import SlideFolder
    from histopress.grids.exchange_sources import Source
    from histopress.grids.grid import FeatureGrid

Layout = Literal["grid", "trident", "clam", "stamp", "nic"]
"""What can be written."""

Tool = Literal[
    "auto", "clam", "trident", "stamp", "marugoto", "slide2vec", "lazyslide", "tiatoolbox", "nic", "grid"
]
"""What can be read."""


@dataclass(frozen=True)
class ExchangeRecipe:
    """Settings of `histopress exchange`; those of size are asked for where a file does not tell them.

    Attributes:
        spacing: um/px of level 0 (full resolution) of the slides, instead of what files and slides state.
        tile_spacing: um/px of the tiles as the encoder saw them; with it, slides of several scanners whose
            tiles agree within 5 % count as alike.
        tile: width of a tile in px as the encoder saw it, at the um/px of --tile-spacing, or of level 0
            without it.
        overlap: px that neighbouring tiles share, at the um/px of the tiles.
        slides: folder of the slides, to take um/px of level 0, size and identity from.
        encoder: which features to take where there are those of several encoders, and what to call the
            encoder where the file does not tell.
        snap: tiles of one slide that lie on several lattices are moved to one if that takes at most this
            share of a step, 0 to 0.5.
    """

    spacing: float | None = None
    tile_spacing: float | None = None
    tile: int | None = None
    overlap: int | None = None
    slides: Path | None = None
    encoder: str | None = None
    snap: float = 0.2


@dataclass(kw_only=True)
class ExchangeSummary(Summary):
    """What became of all files."""

    to: str
    files: int = 0
    written: int = 0
    skipped: int = 0
    left_out: int = 0
    tiles: int = 0
    seconds: float = 0.0
    tools: Counter[str] = field(default_factory=Counter)
    encoders: Counter[str] = field(default_factory=Counter)
    largest_move: float = 0.0

    def add(self, tool: str, grid: FeatureGrid, written: bool) -> None:
        """Count one slide."""
        self.written += written
        self.skipped += not written
        self.tiles += len(grid)
        self.tools[tool] += 1
        self.encoders[str(grid.encoder.get("identity"))] += 1
        self.largest_move = max(self.largest_move, float(grid.settings.get("moved", 0.0)))

    @property
    def headline(self) -> str:
        """One line for people."""
        tools = ", ".join(f"{count} of {tool}" for tool, count in self.tools.items())
        several = f"; {len(self.encoders)} encoders" if len(self.encoders) > 1 else ""
        moved = (
            f"; tiles moved by up to {self.largest_move:.0%} of a step" if self.largest_move > 0.02 else ""
        )
        return (
            f"{self.written} written as {self.to}, {self.skipped} already there, "
            f"{len(self.failures)} failed, {self.left_out} left out; "
            f"{self.tiles} tiles ({tools or 'none'}){several}{moved}"
        )


def exchange(
    paths: Sequence[Path],
    output: Path,
    to: Layout,
    recipe: ExchangeRecipe | None = None,
    *,
    source: Tool = "auto",
    overwrite: bool = False,
) -> ExchangeSummary:
    """Turn feature files of any known tool into grids, and grids or other files into those of another tool.

    Files that are there already are skipped. Every file is attempted.

    Args:
        paths: feature files, Zarr stores, stored grids, and folders of them in their tool's own layout.
        output: folder for what is written, `failures.csv` and `summary.json`.
        to: what to write.
        recipe: settings.
        source: whose files they are, for files of another tool to fail; auto takes all.
        overwrite: replace files that are there and were made from something else.

    Raises:
        RecipeError: a setting cannot be.
        GridError: a folder holds nothing to exchange, or there is no folder of slides.
    """
    from histopress.grids.exchange_scale import SlideFolder
    from histopress.grids.exchange_sources import find_sources, recognise
    from histopress.grids.exchange_tools import write_once

    recipe = recipe or ExchangeRecipe()
    _check(recipe)
    found = find_sources(paths, recipe.encoder)
    slides = SlideFolder(recipe.slides, recipe.spacing)
    summary = ExchangeSummary(
        output=output, to=to, files=len(found.files) + len(found.clashes), left_out=found.left_out
    )
    start = time.monotonic()
    for path, reason in found.clashes:
        summary.failures.add(str(path), GridError(reason))
    with progress("exchange", len(found.files), "files") as bar:
        for file in found.files:
            with summary.failures.attempt(str(file.path)):
                tool = recognise(file.path, source)
                grid = _read(tool, file, slides, recipe, to)
                summary.add(tool, grid, write_once(to, grid, output, overwrite))
            bar.advance(note=file.slide)
    summary.seconds = round(time.monotonic() - start, 2)
    summary.write()
    return summary


def _read(tool: str, file: Source, slides: SlideFolder, recipe: ExchangeRecipe, to: str) -> FeatureGrid:
    from histopress.grids.exchange_grid import to_grid
    from histopress.grids.exchange_tools import read_bag
    from histopress.grids.store import read_grid

    if tool != "grid":
        bag = read_bag(tool, file.path, recipe)
        grid = to_grid(bag, file.slide, recipe, slides(file.slide))
    else:
        grid = read_grid(file.path)
    return grid if to == "grid" else _in_vendor_frame(grid, slides)


def _in_vendor_frame(grid: FeatureGrid, slides: SlideFolder) -> FeatureGrid:
    """The grid with its origin counted from the corner of the whole file, as other tools do."""
    known = slides(grid.slide.slide)
    if known is None or known.bounds is None:
        return grid
    origin = grid.lattice.origin
    moved = Point(origin.x + known.bounds.x, origin.y + known.bounds.y)
    return replace(grid, lattice=replace(grid.lattice, origin=moved))


def _check(recipe: ExchangeRecipe) -> None:
    if not 0 <= recipe.snap <= 0.5:
        raise RecipeError(f"--snap is {recipe.snap:g}, expected 0 to 0.5 of a step; give such a share")
    if recipe.tile is not None and recipe.tile < 1:
        raise RecipeError(f"--tile is {recipe.tile} px, expected 1 or more; give the width of a tile")
    for name in ("spacing", "tile_spacing"):
        value = getattr(recipe, name)
        if value is not None and not 0.05 <= value <= 5.0:
            raise RecipeError(
                f"--{name.replace('_', '-')} is {value:g} um/px, expected 0.05 to 5; give um/px, not a "
                "magnification"
            )
