"""um/px of level 0 and of the tiles: from the file, the user or the slide, and never guessed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.errors import GridError, SpacingError
from histopress.core.files import quick_hash
from histopress.core.geometry import Box, Size, Spacing
from histopress.data.slide_files import MADE_FROM_SLIDES, SLIDES, SUFFIXES, slide_id

if TYPE_CHECKING:
    from histopress.grids.exchange import ExchangeRecipe
    from histopress.grids.exchange_bag import TileBag

AGREEMENT = 0.05
"""Relative difference up to which two statements of one spacing are taken to agree."""

ASK_LEVEL0 = (
    "give the um/px of level 0 of the slides (their full resolution, not that of the tiles) with --spacing, "
    "or the folder of the slides with --slides"
)
ASK_TILE = "give the width of a tile in px with --tile"
ASK_TILE_SPACING = "give the um/px at which the tiles were read (not that of level 0) with --tile-spacing"
CLAM_HINT = ", or put CLAM's `patches` folder beside the folder of features"


@dataclass(frozen=True)
class KnownSlide:
    """What the slide itself tells.

    Attributes:
        spacing: um/px of level 0.
        size: of level 0.
        hash: `core.files.quick_hash` of its file.
        bounds: the scanned part of the vendor's level 0, whose corner is our origin; None if all of it.
    """

    spacing: Spacing
    size: Size
    hash: str
    bounds: Box | None


class SlideFolder:
    """The slides in a folder and its subfolders, found by their id; scans go before plain pictures."""

    def __init__(self, folder: Path | None, spacing: float | None) -> None:
        """Look for slides.

        Args:
            folder: of slides; None if there is none.
            spacing: um/px of level 0, instead of what the files state.

        Raises:
            GridError: there is no such folder.
        """
        self.folder, self.spacing = folder, spacing
        self._paths: dict[str, list[Path]] = defaultdict(list)
        if folder is not None and not folder.is_dir():
            raise GridError(f"{folder}: no such folder of slides; name one with --slides, or leave it out")
        for path in sorted(folder.rglob("*")) if folder else ():
            name = path.name.lower()
            if path.suffix.lower() in SUFFIXES and not name.endswith(MADE_FROM_SLIDES) and name[0] != ".":
                self._paths[slide_id(path)].append(path)
        for same in self._paths.values():
            same[:] = [p for p in same if p.suffix.lower() in SLIDES] or same

    def __call__(self, slide: str) -> KnownSlide | None:
        """The slide of this id; None without a folder.

        Raises:
            GridError: there is none in the folder, or several.
            SlideError: it cannot be opened or has no spacing.
        """
        if self.folder is None:
            return None
        paths = self._paths.get(slide, [])
        if len(paths) != 1:
            found = " and ".join(map(str, paths)) or f"none among {len(self._paths)}"
            raise GridError(
                f"expected one slide {slide!r} in {self.folder}, found {found}; name another folder"
            )
        return _know(paths[0], self.spacing)


def _know(path: Path, spacing: float | None) -> KnownSlide:
    from histopress.data.slide import open_slide

    with open_slide(path, spacing=spacing) as slide:
        return KnownSlide(slide.spacing, slide.size, quick_hash(path), slide.facts.bounds)


@dataclass(frozen=True)
class Scale:
    """Sizes that turn a bag's coordinates into level-0 px and its steps into cells.

    Attributes:
        level0: um/px of level 0.
        level0_from: where that is known from: file, given, slide; or tiles, if level 0 is only a frame for
            positions in um, because nothing tells of the slide.
        factor: (x, y) level-0 px in one unit of the bag.
        step: (x, y) level-0 px from tile to tile.
        tile: width and height of a tile in px.
        cell: width and height of a cell in px of the tiles; less than `tile` where tiles overlap.
        spacing: um/px of the tiles.
    """

    level0: Spacing
    level0_from: str
    factor: tuple[float, float]
    step: tuple[float, float]
    tile: int
    cell: int
    spacing: float


def find_scale(bag: TileBag, recipe: ExchangeRecipe, slide: KnownSlide | None) -> Scale:
    """Everything that has a size.

    Raises:
        SpacingError: a spacing is missing or implausible.
        GridError: the size of a tile or the step is missing, or statements contradict each other.
    """
    if bag.unit == "level 0":
        return _in_level0(bag, recipe, slide)
    return _in_um(bag, recipe, slide)


def _level0(bag: TileBag, recipe: ExchangeRecipe, slide: KnownSlide | None) -> tuple[Spacing, str] | None:
    if recipe.spacing is not None:
        return _plausible(Spacing.square(recipe.spacing), "--spacing"), "given"
    if bag.level0 is not None:
        return _plausible(bag.level0, f"level 0 of the {bag.tool} file"), "file"
    return None if slide is None else (slide.spacing, "slide")


def _in_level0(bag: TileBag, recipe: ExchangeRecipe, slide: KnownSlide | None) -> Scale:
    known = _level0(bag, recipe, slide)
    if known is None:
        raise SpacingError(f"{bag.tool} files do not tell how large a pixel of the slide is; {ASK_LEVEL0}")
    level0, origin = known
    extent = bag.extent
    if extent is None:
        tile = _tile(bag, recipe)
        extent = tile * (recipe.tile_spacing or level0.mean) / level0.mean
    tile = recipe.tile or bag.tile or max(1, round(extent))
    step = _step(bag, recipe, extent, tile)
    exact = extent * level0.mean / tile
    spacing = _agreed(exact, recipe.tile_spacing or bag.tile_spacing)
    steps = (step, step) if bag.lattice is None else (bag.lattice.step_x, bag.lattice.step_y)
    return Scale(level0, origin, (1.0, 1.0), steps, tile, max(1, round(tile * step / extent)), spacing)


def _in_um(bag: TileBag, recipe: ExchangeRecipe, slide: KnownSlide | None) -> Scale:
    known = _level0(bag, recipe, slide)
    spacing = _tile_spacing(bag, recipe, known[0] if known else None)
    level0, origin = known or (_plausible(Spacing.square(spacing), "the spacing of the tiles"), "tiles")
    tile = _tile(bag, recipe)
    unit = {"um": 1.0, "tile": spacing, "cell": 1.0}[bag.unit]
    extent = bag.extent if bag.extent is not None else tile * spacing / unit
    step = _step(bag, recipe, extent, tile)
    unit = step * unit if bag.unit == "cell" else unit
    factor = (unit / level0.x, unit / level0.y)
    size = 1.0 if bag.unit == "cell" else step
    steps = (size * factor[0], size * factor[1])
    if bag.lattice is not None:
        steps = (bag.lattice.step_x, bag.lattice.step_y)
        factor = steps if bag.unit == "cell" else factor
    return Scale(level0, origin, factor, steps, tile, max(1, round(tile * step / extent)), spacing)


def _tile_spacing(bag: TileBag, recipe: ExchangeRecipe, level0: Spacing | None) -> float:
    if bag.tile_spacing is not None:
        return _agreed(bag.tile_spacing, recipe.tile_spacing)
    if recipe.tile_spacing is not None:
        return recipe.tile_spacing
    if bag.unit == "cell" and level0 is not None:
        return round(level0.mean, 9)
    also = f", or, if tiles were cut at level 0, {ASK_LEVEL0}" if bag.unit == "cell" else ""
    raise SpacingError(
        f"{bag.tool} files do not tell how large a pixel of the tiles is; {ASK_TILE_SPACING}{also}"
    )


def _tile(bag: TileBag, recipe: ExchangeRecipe) -> int:
    tile = bag.tile or recipe.tile
    if tile is None:
        where = " (at the um/px of --tile-spacing, or of level 0 without it)" if bag.unit != "tile" else ""
        also = CLAM_HINT if bag.tool == "clam" else ""
        raise GridError(f"this {bag.tool} file does not tell how large a tile is; {ASK_TILE}{where}{also}")
    return tile


def _step(bag: TileBag, recipe: ExchangeRecipe, extent: float, tile: int) -> float:
    """From tile to tile, in the unit of the extent."""
    if recipe.overlap is None:
        return bag.step if bag.step is not None else extent
    if not 0 <= recipe.overlap < tile:
        raise GridError(
            f"--overlap is {recipe.overlap} px, expected 0 to less than a tile of {tile} px; give the px "
            "that two tiles share"
        )
    return extent * (tile - recipe.overlap) / tile


def _agreed(exact: float, stated: float | None) -> float:
    """The stated spacing where it is near enough to the one that follows from the numbers."""
    if stated is None:
        return float(f"{exact:.8g}")
    if abs(exact / stated - 1) > AGREEMENT:
        raise SpacingError(
            f"the tiles have {exact:.4g} um/px, but {stated:.4g} um/px is stated; check --spacing and "
            "--tile-spacing, or exchange slides of other scanners apart"
        )
    return stated


def _plausible(spacing: Spacing, what: str) -> Spacing:
    if not spacing.plausible:
        raise SpacingError(f"{what} is {spacing}, expected 0.05 to 5 um/px; {ASK_LEVEL0}")
    return spacing
