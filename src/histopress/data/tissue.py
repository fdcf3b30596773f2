"""Where on a slide there is tissue: from a thumbnail, by colour and texture relative to the slide's own glass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histopress.core.geometry import Lattice, Size, Spacing

if TYPE_CHECKING:
    from histopress.data.slide import RGB, Slide


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
        holes: enclosed holes up to this size belong to the tissue (fat cells, small lumens); 0 keeps all open.
        thinnest: parts that are nowhere wider are hairs and lines.
        smallest: smaller parts are dust.
    """

    spacing: float = 8.0
    faint: float = 0.018
    plain: float = 0.05
    grey: float = 0.2
    pens: bool = True
    gap: float = 24.0
    holes: float = 50_000.0
    thinnest: float = 40.0
    smallest: float = 20_000.0


@dataclass(frozen=True)
class TissueMask:
    """Which pixels of a picture of a slide are tissue.

    Attributes:
        mask: (rows, cols) bool; its upper left corner is the slide's origin.
        spacing: um/px of the mask.
    """

    mask: NDArray[np.bool_]
    spacing: Spacing

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
        step_y, step_x = lattice.step_y * stored.y / self.spacing.y, lattice.step_x * stored.x / self.spacing.x
        top, left = lattice.origin.y * stored.y / self.spacing.y, lattice.origin.x * stored.x / self.spacing.x
        bands = _between(self.mask, top + step_y * np.arange(lattice.rows + 1))
        cells = _between(bands.T, left + step_x * np.arange(lattice.cols + 1)).T
        return np.clip(cells / (step_x * step_y), 0, 1).astype(np.float32)


def _between(values: NDArray[np.generic], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integrals of rows of values (each constant over its row) between consecutive fractional edges."""
    length = len(values)
    edges = np.clip(edges, 0, length)
    whole = np.minimum(edges.astype(np.int64), length - 1)
    sums = np.zeros((length + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=sums[1:])
    return np.diff(sums[whole] + (edges - whole)[:, None] * values[whole], axis=0)


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
    from scipy import ndimage

    from histopress.data.glass import FLAT, optical_density, spread
    from histopress.data.ink import find_ink
    from histopress.data.regions import closed, filled, solid

    density = optical_density(picture, spacing)
    calm = (5 / spacing.y, 5 / spacing.x, 0)
    smooth = ndimage.gaussian_filter(density, calm)
    depth = density.mean(axis=-1)
    colour = smooth.max(axis=-1) - smooth.min(axis=-1)
    textured = spread(depth, spacing) > FLAT
    stained = ((colour > recipe.plain) | (colour > recipe.faint) & textured) & (
        colour > recipe.grey * smooth.mean(axis=-1)
    )
    ink = find_ink(density, stained, spacing) if recipe.pens else np.zeros_like(stained)
    tissue = closed(stained & ~ink, recipe.gap, spacing)
    tissue = filled(tissue, recipe.holes, spacing) & ~ink
    return TissueMask(solid(tissue, recipe.smallest, recipe.thinnest, spacing), spacing)


def mask_slide(slide: Slide, recipe: TissueRecipe) -> TissueMask:
    """Tissue of a slide, found on a thumbnail of it."""
    picture = slide.thumbnail(Spacing.square(recipe.spacing))
    height, width = picture.shape[:2]
    stored = slide.spacing
    return find_tissue(picture, stored.scaled(slide.size.width / width, slide.size.height / height), recipe)
