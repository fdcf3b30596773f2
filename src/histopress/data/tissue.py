"""Where on a slide there is tissue: by colour and texture of a thumbnail, compared with the slide's glass."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Lattice, Spacing
from histopress.data.damage import BadTile, Damage, OnBadTile

if TYPE_CHECKING:
    from histopress.data.slide import RGB, Slide

CALM_UM = 3.0
"""Standard deviation of the smoothing that takes the noise out of colours."""


@dataclass(frozen=True)
class TissueRecipe:
    """How tissue is told from glass; lengths in um, areas in um^2, thresholds in optical density.

    Attributes:
        spacing: um/px of the thumbnail.
        faint: colour (largest minus smallest density of the channels) from which a textured pixel is tissue;
            the colour noise of glass stays below 0.01, pale mucus and fat begin at about 0.02.
        plain: colour from which a pixel is tissue even where it is flat, as only tinted glass is.
        grey: least colour as a share of the mean density; stains have 0.4 and more, while dust, shadows
            and the edges of slide and coverslip are grey.
        pens: whether pen marks are removed. Switch it off for stains that are green or blue themselves.
        gap: half the width of the gaps that are closed, such as breaks in the walls of fat cells.
        holes: holes up to this size belong to the tissue (fat cells, small lumens); 0 keeps all open.
        thinnest: parts that are nowhere wider are hairs and lines.
        smallest: smaller parts are dust.
    """

    spacing: float = 8.0
    faint: float = 0.018
    plain: float = 0.05
    grey: float = 0.2
    pens: bool = True
    gap: float = 40.0
    holes: float = 50_000.0
    thinnest: float = 64.0
    smallest: float = 20_000.0


@dataclass(frozen=True)
class TissueMask:
    """Which pixels of a picture of a slide are tissue.

    Attributes:
        mask: (rows, cols) bool; its upper left corner is the slide's origin.
        spacing: um/px of the mask.
        damage: parts of the slide that could not be decoded when it was made.
    """

    mask: NDArray[np.bool_]
    spacing: Spacing
    damage: tuple[BadTile, ...] = ()

    @property
    def area(self) -> float:
        """Tissue in um^2."""
        return float(self.mask.sum()) * self.spacing.x * self.spacing.y

    def share(self, lattice: Lattice, stored: Spacing) -> NDArray[np.float32]:
        """How much of each cell is tissue, by exact area; what is beyond the slide is not tissue.

        Args:
            lattice: of the slide.
            stored: um/px of the slide's level 0.

        Returns:
            (rows, cols) float32 from 0 to 1.
        """
        scale_y, scale_x = stored.y / self.spacing.y, stored.x / self.spacing.x
        rows = (lattice.origin.y + lattice.step_y * np.arange(lattice.rows + 1)) * scale_y
        cols = (lattice.origin.x + lattice.step_x * np.arange(lattice.cols + 1)) * scale_x
        tissue = _between(_between(self.mask, rows).T, cols).T
        cell = lattice.step_y * scale_y * lattice.step_x * scale_x
        return np.clip(tissue / cell, 0, 1).astype(np.float32)


def _between(values: NDArray[Any], edges: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Integrals over rows of values, constant within a row, from each fractional edge to the next."""
    edges = np.clip(edges, 0, len(values))
    sums = np.zeros((len(edges) - 1, *values.shape[1:]))
    for i, (start, stop) in enumerate(pairwise(edges)):
        rows = np.arange(math.floor(start), math.ceil(stop))
        overlap = np.minimum(rows + 1, stop) - np.maximum(rows, start)
        sums[i] = overlap @ values[rows]
    return sums


def find_tissue(picture: RGB, spacing: Spacing, recipe: TissueRecipe) -> TissueMask:
    """Tissue on a thumbnail; a pure function.

    Tissue is what is coloured compared with the slide's own glass, and either textured or clearly coloured.
    There is no threshold that splits the pixels of a slide into two classes, so an empty slide gives an
    empty mask and a slide full of tissue a full one.

    Args:
        picture: (rows, cols, 3) uint8, the whole slide.
        spacing: um/px of the picture, best between 4 and 16.
        recipe: thresholds and sizes.
    """
    from histopress.data.bands import bands
    from histopress.data.glass import FLAT_UM, find_glass
    from histopress.data.ink import Hues, find_ink, ink_hues
    from histopress.data.regions import closed, filled, solid

    glass = find_glass(picture, spacing)
    stained, *hues = np.zeros((1 + len(fields(Hues)), *picture.shape[:2]), bool)
    for band in bands(picture.shape, math.ceil(FLAT_UM / spacing.y)):
        density = glass.density(picture[band.seen], band.seen.start)
        stained[band.wanted] = look_stained(density, spacing, recipe)[band.inner]
        for whole, part in zip(hues, astuple(ink_hues(density, spacing)), strict=True):
            whole[band.wanted] = part[band.inner]
    ink = find_ink(Hues(*hues), stained, spacing) if recipe.pens else np.zeros_like(stained)
    tissue = closed(stained & ~ink, recipe.gap, spacing)
    tissue = filled(tissue, recipe.holes, spacing) & ~ink
    return TissueMask(solid(tissue, recipe.smallest, recipe.thinnest, spacing), spacing)


def look_stained(density: NDArray[np.float32], spacing: Spacing, recipe: TissueRecipe) -> NDArray[np.bool_]:
    """Which pixels are stained, by their own looks and those of their surroundings; pen marks may be, too.

    Args:
        density: optical density, (3, rows, cols).
        spacing: um/px.
        recipe: its thresholds are used.
    """
    from scipy import ndimage

    from histopress.data.glass import FLAT, spread

    textured = spread(density.mean(axis=0), spacing) > FLAT
    calm = ndimage.gaussian_filter(density, (0, CALM_UM / spacing.y, CALM_UM / spacing.x))
    colour = calm.max(axis=0) - calm.min(axis=0)
    coloured = (colour > recipe.plain) | (colour > recipe.faint) & textured
    return np.asarray(coloured & (colour > recipe.grey * calm.mean(axis=0)))


def mask_slide(slide: Slide, recipe: TissueRecipe, on_bad_tile: OnBadTile = "fail") -> TissueMask:
    """Tissue of a slide, found on a thumbnail of it.

    Args:
        slide: open.
        recipe: thresholds and sizes.
        on_bad_tile: what cannot be decoded is an error (fail), glass (white), or taken for tissue (skip), so
            that it is looked at closely and then left out.

    Raises:
        UnreadableSlideError: the slide is damaged and that is to be an error, or it is cut off.
    """
    spacing, damage = Spacing.square(recipe.spacing), Damage(on_bad_tile)
    found = find_tissue(slide.thumbnail(spacing, damage), spacing, recipe)
    if on_bad_tile == "skip":
        for tile in damage.tiles:
            found.mask[_shown_by(tile, slide, spacing)] = True
    return replace(found, damage=tuple(sorted(damage.tiles)))


def _shown_by(tile: BadTile, slide: Slide, spacing: Spacing) -> tuple[slice, slice]:
    """The px of a thumbnail that a stored tile touches."""
    level = slide.levels[tile.level]
    down = level.downsample_y * slide.spacing.y / spacing.y
    across = level.downsample_x * slide.spacing.x / spacing.x
    return (
        slice(math.floor(tile.y * down), math.ceil((tile.y + tile.height) * down)),
        slice(math.floor(tile.x * across), math.ceil((tile.x + tile.width) * across)),
    )
