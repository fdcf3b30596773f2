"""One slide -> the crops that are drawn on it: around each lesion, and where there is none."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.failures import stage
from histopress.core.geometry import Lattice, Spacing
from histopress.data.patch_areas import Layer, tissue_of
from histopress.data.patch_frames import Frame, generator
from histopress.data.slide import RGB, Slide, open_slide
from histopress.data.tiles import lay_lattice
from histopress.studies.ncamelyon_cohort import Case
from histopress.studies.ncamelyon_lesions import Bools, Lesion, Lesions, read_lesions
from histopress.studies.ncamelyon_looks import BLANK, Ints, Looks, Sums, Window
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe

TINY = 1e-6
"""px by which rounding may put the edge of a crop beyond that of its slide."""

NO_LESION = Lesions(np.zeros((0, 0), bool), 0, 0)


@dataclass(frozen=True)
class Drawn:
    """What one slide gave.

    Attributes:
        crops: one row each: slide, label, place on the lattice (row, col, px) and in level-0 px (x, y, width,
            height), lesion (number on the slide, -1 for none), share of lesion, share of tissue, share of
            `dark` px, which are no brighter than `green`, mean green of the crop and of what is `around` its
            lesions, `edge` (um to the slide's nearest edge), `key` (its draw in the order of crops), and
            `mask`, its packed lesion px.
        lesions: one row each: slide, lesion, area and bounding box in px, crops that it gave, and `why` if it
            gave none.
    """

    crops: pd.DataFrame
    lesions: pd.DataFrame


def draw_crops(case: Case, recipe: NcamelyonRecipe) -> Drawn:
    """Draw all crops of a slide; they depend on the seed and the slide, and on no other slide.

    Raises:
        HistopressError: the slide or its annotation cannot be read.
    """
    with stage("open"):
        slide = open_slide(case.path, case.spacing)
    with slide, stage("read"):
        ground = Ground(slide, recipe)
        lesions = NO_LESION
        if case.annotation:
            lesions = read_lesions(Path(case.annotation), slide, ground.lattice, recipe)
        crops: list[dict[str, Any]] = []
        told: list[dict[str, Any]] = []
        for number, lesion in enumerate(lesions.found() if case.annotation else ()):
            random = generator(recipe.seed, case.slide, f"lesion {number}")
            found, why = _around(lesion, lesions, ground, random)
            crops += [_row(case, number, place, lesions, ground) for place in found]
            told.append(
                {"slide": case.slide, "lesion": number, **vars(lesion), "crops": len(found), "why": why}
            )
        if not case.annotation or recipe.lesion_free == "all":
            random = generator(recipe.seed, case.slide, "no lesion")
            places = list(_elsewhere(lesions, ground, random))
            crops += [_row(case, -1, place, lesions, ground) for place in places]
    return Drawn(pd.DataFrame(crops), pd.DataFrame(told))


class Ground:
    """A slide as crops are drawn on it.

    Args:
        slide: open.
        recipe: settings.

    Attributes:
        lattice: of its px at the wanted spacing.
        rows: whole px from top to bottom.
        cols: whole px from left to right.
    """

    def __init__(self, slide: Slide, recipe: NcamelyonRecipe) -> None:
        self.slide, self.recipe = slide, recipe
        self.lattice: Lattice = lay_lattice(slide, recipe.spacing, 1, recipe.tolerance)
        self.rows = int(slide.size.height / self.lattice.step_y + TINY)
        self.cols = int(slide.size.width / self.lattice.step_x + TINY)
        self._tissue: Layer = tissue_of(slide)

    def tissue(self, tops: Ints, lefts: Ints) -> NDArray[np.float64]:
        """(n,) share of tissue in crops."""
        step_x, step_y, size = self.lattice.step_x, self.lattice.step_y, self.recipe.size
        frame = Frame(size * step_x, size * step_y, self.slide.size)
        x, y = lefts.astype(np.float64) * step_x, tops.astype(np.float64) * step_y
        return self._tissue.shares(x, y, frame)

    def looks(self, window: Window) -> Looks:
        """What the crops in a window of the lattice look like."""
        seen, stored = window.widened(BLANK, self.rows, self.cols), self.slide.spacing
        spacing = Spacing(stored.x * self.lattice.step_x, stored.y * self.lattice.step_y)
        pixels = self.slide.read(self.lattice.box(seen.top, seen.left, seen.rows, seen.cols), spacing)
        return Looks(pixels, seen, self.recipe.size, self.recipe.black, self.recipe.blank)

    def edge(self, top: int, left: int) -> float:
        """Um from a crop to the slide's nearest edge."""
        size, spacing = self.recipe.size, self.lattice.spacing
        return min(top, left, self.rows - size - top, self.cols - size - left) * spacing


@dataclass(frozen=True)
class _Place:
    top: int
    left: int
    tissue: float
    pixels: RGB


def _around(
    lesion: Lesion, lesions: Lesions, ground: Ground, random: np.random.Generator
) -> tuple[list[_Place], str]:
    """Crops that hold all of a lesion, or why there are none."""
    recipe, size = ground.recipe, ground.recipe.size
    if lesion.area > recipe.high * size**2:
        return [], "too large for the band"
    tops = _reach(lesion.top, lesion.height, size, ground.rows)
    lefts = _reach(lesion.left, lesion.width, size, ground.cols)
    if tops is None or lefts is None:
        return [], "longer than a crop, or no room on the slide"
    rows, cols = _draws(tops, lefts, recipe.tries, random)
    window = Window(tops[0], lefts[0], tops[1] - tops[0] + size, lefts[1] - lefts[0] + size)
    share = Sums(lesions.window(window)).of(rows - window.top, cols - window.left, size) / size**2
    fits = (share >= recipe.low) & (share <= recipe.high)
    if not fits.any():
        return [], "too small for the band" if share.max() < recipe.low else "too large with its neighbours"
    rows, cols = rows[fits], cols[fits]
    tissue = ground.tissue(rows, cols)
    looks = ground.looks(window)
    rules = {
        "never scanned": looks.scanned(rows, cols),
        "brighter than `green`": looks.green(rows, cols) <= recipe.green,
        "less than `tissue`": tissue >= recipe.tissue,
    }
    kept = np.flatnonzero(np.all(list(rules.values()), axis=0))[: recipe.per_lesion]
    if not len(kept):
        return [], min(rules, key=lambda name: int(rules[name].sum()))
    return [
        _Place(r, c, float(tissue[i]), looks.pixels(r, c))
        for i, r, c in zip(kept, rows[kept].tolist(), cols[kept].tolist(), strict=True)
    ], ""


def _reach(start: int, length: int, size: int, whole: int) -> tuple[int, int] | None:
    """First and last row at which a crop may begin to hold all of a lesion and to lie inside the slide."""
    first, last = max(0, start + length - size), min(start, whole - size)
    return (first, last) if first <= last else None


def _draws(
    tops: tuple[int, int], lefts: tuple[int, int], tries: int, random: np.random.Generator
) -> tuple[Ints, Ints]:
    """Different places, each as likely as any other, in the order in which they are drawn."""
    rows = random.integers(tops[0], tops[1] + 1, tries)
    cols = random.integers(lefts[0], lefts[1] + 1, tries)
    first = np.sort(np.unique(rows * (lefts[1] + 1) + cols, return_index=True)[1])
    return rows[first], cols[first]


def _elsewhere(lesions: Lesions, ground: Ground, random: np.random.Generator) -> Iterator[_Place]:
    """Crops without any lesion px."""
    recipe, size = ground.recipe, ground.recipe.size
    if ground.rows < size or ground.cols < size:
        return
    rows, cols = _draws((0, ground.rows - size), (0, ground.cols - size), recipe.tries, random)
    tissue = ground.tissue(rows, cols)
    found = 0
    for i in np.flatnonzero(tissue >= recipe.tissue):
        window = Window(int(rows[i]), int(cols[i]), size, size)
        if lesions.window(window).any():
            continue
        looks, place = ground.looks(window), (rows[i : i + 1], cols[i : i + 1])
        if looks.scanned(*place)[0] and looks.green(*place)[0] <= recipe.green:
            yield _Place(window.top, window.left, float(tissue[i]), looks.pixels(window.top, window.left))
            found += 1
        if found == recipe.per_slide:
            return


def _row(case: Case, number: int, place: _Place, lesions: Lesions, ground: Ground) -> dict[str, Any]:
    size, green = ground.recipe.size, place.pixels[..., 1]
    mask = lesions.window(Window(place.top, place.left, size, size))
    return {
        "slide": case.slide,
        "label": int(number >= 0),
        "row": place.top,
        "col": place.left,
        "lesion": number,
        "share": float(mask.mean()),
        "tissue": place.tissue,
        "dark": float((green <= ground.recipe.green).mean()),
        "green": float(green.mean()),
        "around": float(green[~mask].mean()) if not mask.all() else float("nan"),
        "edge": ground.edge(place.top, place.left),
        "key": float(generator(ground.recipe.seed, case.slide, f"{place.top} {place.left}").random()),
        **_box(ground.lattice, place, size),
        "mask": pack(mask),
    }


def _box(lattice: Lattice, place: _Place, size: int) -> dict[str, float]:
    box = lattice.box(place.top, place.left, size, size)
    return {"x": box.x, "y": box.y, "width": box.width, "height": box.height}


def pack(mask: Bools) -> bytes:
    """A mask in few bytes."""
    return zlib.compress(np.packbits(mask).tobytes())


def unpack(packed: bytes, size: int) -> Bools:
    """The (size, size) mask again."""
    bits = np.frombuffer(zlib.decompress(packed), np.uint8)
    return np.unpackbits(bits, count=size * size).reshape(size, size).astype(bool)
