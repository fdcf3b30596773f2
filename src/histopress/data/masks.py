"""The verb `mask`: slides -> tissue masks as PNG, as QuPath GeoJSON, and as outlines for the eye."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.failures import Failures
from histopress.data.tissue import TissueRecipe

if TYPE_CHECKING:
    from histopress.data.slide import RGB, Slide
    from histopress.data.tissue import TissueMask

OVERVIEW_PX = 2048
"""Longest side of the picture with the outline."""
OUTLINE = (0, 170, 60)


@dataclass(frozen=True)
class MaskRecipe:
    """Settings of `mask`.

    Attributes:
        tissue: how tissue is told from glass.
        spacing: um/px of level 0, for slides that state none or a wrong one.
    """

    tissue: TissueRecipe = field(default_factory=TissueRecipe)
    spacing: float | None = None


def write_masks(paths: Sequence[Path], output: Path, recipe: MaskRecipe) -> Failures:
    """Write `<slide id>.mask.png`, `<slide id>.mask.geojson` and `<slide id>.overlay.jpg` for every slide.

    Args:
        paths: slides, and folders of slides.
        output: folder for the files and for `failures.csv`.
        recipe: how.

    Returns:
        The slides that could not be done, and why.

    Raises:
        CohortError: two slides share an id.
    """
    from histopress.core.progress import progress
    from histopress.data.slide_files import find_slides, slide_id

    failures = Failures()
    slides = find_slides(paths)
    with progress("mask", len(slides), "slides") as bar:
        for path in slides:
            with failures.attempt(str(path)):
                write_mask(path, output / slide_id(path), recipe)
            bar.advance(note=path.name)
    failures.write(output)
    return failures


def write_mask(path: Path, stem: Path, recipe: MaskRecipe) -> TissueMask:
    """Find the tissue of one slide and write its three files, which are named after a stem."""
    from histopress.core.files import write_whole
    from histopress.data.mask_files import write_geojson, write_png
    from histopress.data.slide import open_slide
    from histopress.data.tissue import mask_slide

    with open_slide(path, recipe.spacing) as slide:
        mask = mask_slide(slide, recipe.tissue, on_bad_tile="skip")
        overlay = draw_overlay(slide, mask)
        write_geojson(mask, stem.with_name(f"{stem.name}.mask.geojson"), slide.spacing, slide.size)
    write_png(mask, stem.with_name(f"{stem.name}.mask.png"))
    write_whole(stem.with_name(f"{stem.name}.overlay.jpg"), _jpeg(overlay))
    return mask


def draw_overlay(slide: Slide, mask: TissueMask) -> RGB:
    """The slide with the outline of its tissue, (height, width, 3) uint8, at most `OVERVIEW_PX` a side."""
    import numpy as np
    from scipy import ndimage

    from histopress.data.damage import Damage

    picture = slide.overview(OVERVIEW_PX, Damage("white"))
    rows, cols = (
        np.minimum(((np.arange(n) + 0.5) * full * um / n / own).astype(int), last - 1)
        for n, full, um, own, last in zip(
            picture.shape[:2],
            slide.size.shape,
            (slide.spacing.y, slide.spacing.x),
            (mask.spacing.y, mask.spacing.x),
            mask.mask.shape,
            strict=True,
        )
    )
    shown = mask.mask[np.ix_(rows, cols)]
    line = ndimage.binary_dilation(shown, iterations=2) & ~shown
    return np.where(line[..., None], np.array(OUTLINE, np.uint8), picture)


def _jpeg(picture: RGB) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="JPEG", quality=88)
    return file.getvalue()
