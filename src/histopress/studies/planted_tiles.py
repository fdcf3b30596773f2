"""Pictures of tiles laid on a slide: where, in which colours, and what the slide looks like then."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import NoTissueError, RecipeError
from histopress.core.geometry import Box, Lattice, Point, Size
from histopress.data.slide import RGB, Slide
from histopress.data.tiles import select_cells
from histopress.data.tissue import TissueRecipe, mask_slide
from histopress.studies.planted_slides_recipe import PlantSlidesRecipe
from histopress.studies.planting_foci import grow

MASK_STEP = 8
"""Level-0 px along one side of a px of the masks of what was planted."""

FAINT = 1e-3
"""Optical density below which a colour has no hue."""


@dataclass(frozen=True)
class Tile:
    """A picture that lies on a slide.

    Attributes:
        x: left edge in level-0 px of the slide.
        y: upper edge, likewise.
        pixels: (height, width, 3) uint8, level-0 px of the slide.
    """

    x: int
    y: int
    pixels: RGB


def lay_tiles(
    slide: Slide, tiles: list[Path], recipe: PlantSlidesRecipe, random: np.random.Generator
) -> list[Tile]:
    """Tiles on places of the slide that are full of tissue, in connected groups.

    Args:
        slide: open.
        tiles: pictures of one size.
        recipe: settings.
        random: of places and of the order of the tiles.

    Raises:
        NoTissueError: there is not enough tissue.
        RecipeError: a picture cannot be read, or they differ in size.
    """
    pictures = [_read(path) for path in tiles]
    sides = {picture.shape for picture in pictures}
    if len(sides) != 1:
        raise RecipeError(f"tiles have {len(sides)} sizes, expected one; cut them alike")
    height, width, _ = pictures[0].shape
    step_x, step_y = (
        n * recipe.tile_spacing / s for n, s in ((width, slide.spacing.x), (height, slide.spacing.y))
    )
    lattice = _inner(
        Lattice.stepping(slide.size, step_x, step_y, recipe.tile_spacing, max(width, height)), slide.size
    )
    mask = mask_slide(slide, TissueRecipe())
    cells, _ = select_cells(mask, lattice, slide.spacing, recipe.tissue)
    area = step_x * slide.spacing.x * step_y * slide.spacing.y
    wanted = max(1, round(recipe.o2i * mask.area / area))
    if len(cells) < wanted:
        raise NoTissueError(
            f"{len(cells)} places of {width} x {height} px are full of tissue, {wanted} are wanted for o2i "
            f"{recipe.o2i:g}; lower o2i, tissue, or take smaller tiles"
        )
    taken = grow(cells, np.ones(len(cells), np.bool_), wanted, recipe.foci, random)
    if recipe.match_stain:
        tissue = _density(slide.thumbnail(mask.spacing)[mask.mask])
        pictures = [_matched(picture, tissue) for picture in pictures]
    order = random.permutation(len(pictures))
    return [
        _tile(lattice, int(row), int(col), pictures[order[n % len(order)]])
        for n, (row, col) in enumerate(cells[taken])
    ]


def _read(path: Path) -> RGB:
    from PIL import Image

    try:
        return np.asarray(Image.open(path).convert("RGB"))
    except OSError as error:
        raise RecipeError(f"{path} is no readable picture: {error}; take it out of the folder") from error


def _inner(lattice: Lattice, size: Size) -> Lattice:
    """The lattice without cells that reach beyond the slide."""
    rows, cols = math.floor(size.height / lattice.step_y), math.floor(size.width / lattice.step_x)
    if min(rows, cols) < 1:
        raise RecipeError(f"a tile is larger than the slide ({size} px); check tile_spacing")
    return Lattice(lattice.step_x, lattice.step_y, rows, cols, lattice.spacing, lattice.tile, Point(0.0, 0.0))


def _tile(lattice: Lattice, row: int, col: int, pixels: RGB) -> Tile:
    """A picture as large as its cell."""
    from PIL import Image

    x, y = round(col * lattice.step_x), round(row * lattice.step_y)
    width, height = round((col + 1) * lattice.step_x) - x, round((row + 1) * lattice.step_y) - y
    scaled = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return Tile(x, y, np.asarray(scaled))


def _density(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean optical density of red, green and blue."""
    return np.asarray(-np.log((pixels.reshape(-1, 3) + 1.0) / 256).mean(axis=0), np.float64)


def _matched(pixels: RGB, tissue: NDArray[np.float64]) -> RGB:
    """The picture with the hue of the tissue, whose mean densities are given; as dark as before."""
    own = _density(pixels)
    if min(own.mean(), tissue.mean()) < FAINT:
        return pixels
    gain = (tissue / tissue.mean()) / np.maximum(own / own.mean(), FAINT)
    density = -np.log((pixels + 1.0) / 256) * gain
    return np.asarray(np.clip(256 * np.exp(-density) - 1, 0, 255).round(), np.uint8)


def mask_of(size: Size, tiles: list[Tile]) -> NDArray[np.bool_]:
    """(rows, cols) of px of `MASK_STEP` level-0 px: where tiles lie."""
    mask = np.zeros((-(-size.height // MASK_STEP), -(-size.width // MASK_STEP)), np.bool_)
    for tile in tiles:
        height, width = tile.pixels.shape[:2]
        mask[_steps(tile.y, height), _steps(tile.x, width)] = True
    return mask


def _steps(start: int, length: int) -> slice:
    return slice(round(start / MASK_STEP), round((start + length) / MASK_STEP))


def rows_with(slide: Slide, tiles: list[Tile], recipe: PlantSlidesRecipe, start: int, stop: int) -> RGB:
    """(stop - start, width, 3) rows of the slide, with the tiles on it."""
    rows = slide.read(Box(0, start, slide.size.width, stop - start), slide.spacing).copy()
    for tile in tiles:
        first, last = max(start, tile.y), min(stop, tile.y + len(tile.pixels))
        if first >= last:
            continue
        part = slice(first - tile.y, last - tile.y)
        under = rows[first - start : last - start, tile.x : tile.x + tile.pixels.shape[1]]
        weight = _weights(tile.pixels.shape[:2], recipe.feather)[part, :, None]
        under[:] = (under + weight * (tile.pixels[part].astype(np.float64) - under)).round()
    return rows


def _weights(shape: tuple[int, int], feather: int) -> NDArray[np.float64]:
    """(height, width) 1 inside of a tile, down towards its edges."""
    edges = [np.minimum(np.arange(n), np.arange(n)[::-1]) + 1 for n in shape]
    inner = [np.clip(edge / (feather + 1), 0, 1) for edge in edges]
    return np.asarray(np.minimum(inner[0][:, None], inner[1][None]), np.float64)
