"""Annotations of a slide -> its lesions on a lattice of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.core.geometry import Lattice
from histopress.data.outlines import Polygon, fill
from histopress.data.patch_annotations import Region, read_asap, read_geojson
from histopress.data.patch_masks import read_labels
from histopress.data.slide import Slide
from histopress.studies.ncamelyon_looks import Window
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe

Bools = NDArray[np.bool_]

GEOJSON = (".geojson", ".json", ".geojson.gz", ".json.gz")

BAND = 256
"""Rows that are counted at once, so that large masks fit into memory."""

TOUCHING = np.ones((3, 3), np.int64)
"""Pixels that touch by a side or by a corner belong to the same lesion."""


@dataclass(frozen=True)
class Lesion:
    """A connected lesion, in px of the lattice.

    Attributes:
        area: px.
        top: first row of its bounding box.
        left: first col.
        height: rows.
        width: cols.
    """

    area: int
    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Lesions:
    """All lesion px of a slide.

    Attributes:
        mask: (rows, cols) bool, the part of the lattice that holds them.
        top: row of the lattice at which it begins.
        left: col.
    """

    mask: Bools
    top: int
    left: int

    def window(self, window: Window) -> Bools:
        """(rows, cols) lesion px of a window of the lattice, wherever it lies."""
        seen = np.zeros((window.rows, window.cols), bool)
        down, across = window.top - self.top, window.left - self.left
        part = self.mask[
            max(down, 0) : max(down + window.rows, 0), max(across, 0) : max(across + window.cols, 0)
        ]
        row, col = max(-down, 0), max(-across, 0)
        seen[row : row + part.shape[0], col : col + part.shape[1]] = part
        return seen

    def found(self) -> list[Lesion]:
        """Connected lesions, from top to bottom."""
        return [
            Lesion(lesion.area, lesion.top + self.top, lesion.left + self.left, lesion.height, lesion.width)
            for lesion in connected(self.mask)
        ]


def connected(mask: Bools) -> list[Lesion]:
    """Connected parts of a (rows, cols) mask, in the order in which their first px comes."""
    from scipy import ndimage

    labels, count = ndimage.label(mask, TOUCHING)
    areas = np.zeros(count + 1, np.int64)
    for start in range(0, len(labels), BAND):
        areas += np.bincount(labels[start : start + BAND].ravel(), minlength=count + 1)
    return [
        Lesion(int(area), rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)
        for area, (rows, cols) in zip(areas[1:], ndimage.find_objects(labels), strict=True)
    ]


def read_lesions(path: Path, slide: Slide, lattice: Lattice, recipe: NcamelyonRecipe) -> Lesions:
    """The lesions of a slide: pixels whose centres lie in one.

    Args:
        path: .xml of ASAP, GeoJSON of QuPath, or a picture of labels that covers the slide. Pictures of more
            than 16 million px are thinned, see `read_labels`.
        slide: open.
        lattice: of its pixels at the wanted spacing.
        recipe: what counts as lesion.

    Raises:
        PatchError: the file is missing, cannot be read, is of another slide or holds no lesion.
    """
    if not path.is_file():
        raise PatchError(
            f"{path}: there is no such file, expected the lesions of {slide.path}; mend column "
            f"{recipe.annotation!r}, or leave it empty for a slide without lesion"
        )
    name = path.name.lower()
    if name.endswith((".xml", *GEOJSON)):
        regions = read_asap(path) if name.endswith(".xml") else read_geojson(path)
        lesions, seen = _drawn(path, regions, slide, lattice, recipe)
    else:
        lesions, seen = _painted(path, slide, lattice, recipe)
    if not lesions.mask.any():
        raise PatchError(
            f"{path}: no px of {lattice.spacing:g} um is lesion; found {seen}; mend `lesions`, `cut` or "
            "`values`, or leave the annotation empty for a slide without lesion"
        )
    return lesions


def _drawn(
    path: Path, regions: Sequence[Region], slide: Slide, lattice: Lattice, recipe: NcamelyonRecipe
) -> tuple[Lesions, str]:
    """Lesions of outlines in level-0 px, and what is there instead if there are none."""
    names = sorted({region.name or "without a name" for region in regions})
    seen = f"regions {', '.join(names)}" if names else "no regions"
    away = [region.polygon for region in regions if region.name in recipe.cut]
    kept = [region for region in regions if region.name not in recipe.cut]
    inside = [r.polygon for r in kept if not recipe.lesions or r.name in recipe.lesions]
    if not inside:
        return Lesions(np.zeros((0, 0), bool), 0, 0), seen
    _check_place(path, inside, slide)
    steps = np.array([lattice.step_x, lattice.step_y])
    points = np.concatenate([polygon.outer for polygon in inside]) / steps
    near = np.clip(np.floor(points.min(axis=0)), 0, lattice.shape[::-1]).astype(int)
    far = np.clip(np.ceil(points.max(axis=0)), 0, lattice.shape[::-1]).astype(int)
    shape = (int(far[1] - near[1]), int(far[0] - near[0]))
    mask = fill([_placed(p, steps, near) for p in inside], shape)
    return Lesions(
        mask & ~fill([_placed(p, steps, near) for p in away], shape), int(near[1]), int(near[0])
    ), seen


def _placed(polygon: Polygon, steps: NDArray[np.float64], corner: NDArray[np.int64]) -> Polygon:
    return Polygon(polygon.outer / steps - corner, tuple(hole / steps - corner for hole in polygon.holes))


def _check_place(path: Path, polygons: Sequence[Polygon], slide: Slide) -> None:
    """Outlines of another slide, or in other units, mostly show by where they lie."""
    points = np.concatenate([polygon.outer for polygon in polygons])
    limit = np.array([slide.size.width, slide.size.height])
    outside = 1 - ((points >= -1) & (points <= limit + 1)).all(axis=1).mean()
    if outside > 0.5:
        raise PatchError(
            f"{path}: {outside:.0%} of the points of its lesions lie outside of {slide.path} of "
            f"{slide.size}, expected its level-0 px; does it belong to another slide?"
        )


def _painted(path: Path, slide: Slide, lattice: Lattice, recipe: NcamelyonRecipe) -> tuple[Lesions, str]:
    """Lesions of a picture of labels, and its values."""
    labels = read_labels(path, slide.size)
    inside: Bools = np.isin(labels, recipe.values) if recipe.values else labels > 0
    seen = f"values {', '.join(map(str, np.unique(labels)))}"
    if not inside.any():
        return Lesions(np.zeros((0, 0), bool), 0, 0), seen
    rows, top = _nearest(np.asarray(inside.any(axis=1)), lattice.rows, lattice.step_y / slide.size.height)
    cols, left = _nearest(np.asarray(inside.any(axis=0)), lattice.cols, lattice.step_x / slide.size.width)
    return Lesions(inside[np.ix_(rows, cols)], top, left), seen


def _nearest(used: Bools, count: int, step: float) -> tuple[NDArray[np.int64], int]:
    """Rows of a picture that the centres of rows of the lattice lie in, as far as lesions reach.

    Args:
        used: (picture's rows,) whether there is a lesion.
        count: rows of the lattice.
        step: height of a row of the lattice as a share of the slide's.

    Returns:
        (rows,) rows of the picture, and the row of the lattice that comes first.
    """
    at = np.floor((np.arange(count) + 0.5) * step * len(used)).astype(np.int64)
    at = at[at < len(used)]
    lesion = np.flatnonzero(used)
    first, last = np.searchsorted(at, [lesion[0], lesion[-1] + 1])
    return at[first:last], int(first)
