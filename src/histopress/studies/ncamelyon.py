"""nCAMELYON: is there a lesion in this crop? Crops of annotated slides in a chosen band of lesion share.

After Pawlowski et al. (arXiv 1908.06037). Which crops is planned once, see `ncamelyon_plan.py`; their pixels
are read here when they are asked for, or from tiles that `ncamelyon_tiles.py` writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import RecipeError, RunError
from histopress.core.geometry import Box, Spacing
from histopress.core.recipe import digest
from histopress.data.cohort import read_cohort
from histopress.data.open_slides import OpenSlides
from histopress.data.slide import open_slide
from histopress.studies.ncamelyon_crops import unpack
from histopress.studies.ncamelyon_lesions import connected
from histopress.studies.ncamelyon_plan import PLAN_FILE, plan_crops, plan_folder
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe
from histopress.studies.pictures import Part, Sample

CHANNELS = 3
KEPT = 32
"""Slides that stay open in a process."""


NAMING = ["slide", "row", "col", "label", "share"]
"""Columns that say which crops these are."""


NO_BOXES = np.zeros((0, 4), np.int64)


@dataclass(frozen=True)
class CamelyonCrops:
    """Crops of one part, with a lesion (1) or without (0), read from slides on the fly.

    Attributes:
        plan: folder of the plan.
        cohort: table that says where the slides lie.
        part: train, tuning or test.
        size: px a side.
        o2i: geometric middle of the band; the true share of each crop is in `table`.
    """

    plan: Path
    cohort: Path
    part: Part
    size: int
    o2i: float

    @property
    def table(self) -> pd.DataFrame:
        """The plan of this part, one row a crop; see `Drawn.crops`."""
        return _planned(self.plan, self.part, _written(self.plan))

    @property
    def identity(self) -> str:
        """Digest of the settings, the slides and the crops of this part."""
        return _identity(self.plan, self.part, _written(self.plan))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every crop."""
        return (self.size, self.size, CHANNELS)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(crops,) 1 for a crop with a lesion, 0 for one without."""
        return self.table["label"].to_numpy(np.int64)

    def __len__(self) -> int:
        return len(self.table)

    def draw(self, index: int) -> Sample:
        """The crop of this number, with the boxes of the lesions that are seen in it.

        Raises:
            SlideError: its slide cannot be read any more.
        """
        crop = self._crop(index)
        with _slides(self.cohort).use(crop.slide) as slide:
            stored = slide.spacing
            spacing = Spacing(stored.x * crop.width / self.size, stored.y * crop.height / self.size)
            pixels = slide.read(Box(crop.x, crop.y, crop.width, crop.height), spacing)
        return Sample(pixels, crop.label, boxes_of(self.mask(index)) if crop.label else NO_BOXES.copy())

    def mask(self, index: int) -> NDArray[np.bool_]:
        """(size, size) lesion px of the crop of this number."""
        return unpack(self._crop(index).mask, self.size)

    def _crop(self, index: int) -> Any:
        """A row of `table`."""
        return _rows(self.plan, self.part, _written(self.plan))[index]


def ncamelyon(recipe: NcamelyonRecipe) -> CamelyonCrops:
    """The crops of a part; they are planned if they are not.

    Raises:
        CohortError: the cohort is not what is asked for.
        PatchError: no lesion fits the band.
        RecipeError: the part is none of the plan's.
    """
    if not recipe.values_of(recipe.part):
        raise RecipeError(
            f"part {recipe.part!r} has no {recipe.by}, expected some; name its values in `{recipe.part}`"
        )
    folder = plan_folder(recipe)
    if not (folder / PLAN_FILE).exists():
        plan_crops(recipe)
    return CamelyonCrops(folder, recipe.cohort, recipe.part, recipe.size, recipe.middle)


def boxes_of(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(lesions, 4) top, left, height and width of the connected lesions of a mask."""
    rows = [(lesion.top, lesion.left, lesion.height, lesion.width) for lesion in connected(mask)]
    return np.array(rows, np.int64).reshape(-1, 4)


def _written(plan: Path) -> int:
    """When the plan was written, so that what is remembered of it is never older."""
    file = plan / PLAN_FILE
    if not file.exists():
        raise RunError(
            f"{file}: there is no such plan, expected what `plan_crops` writes; plan the crops again"
        )
    return file.stat().st_mtime_ns


@lru_cache(maxsize=16)
def _planned(plan: Path, part: Part, _: int) -> pd.DataFrame:
    table = pd.read_parquet(plan / PLAN_FILE)
    return table[table["part"] == part].reset_index(drop=True)


@lru_cache(maxsize=16)
def _rows(plan: Path, part: Part, written: int) -> list[Any]:
    return list(_planned(plan, part, written).itertuples(index=False))


@lru_cache(maxsize=64)
def _identity(plan: Path, part: Part, written: int) -> str:
    rows = _planned(plan, part, written)[NAMING].to_numpy().tolist()
    return digest("ncamelyon", plan.name, part, rows)


@lru_cache(maxsize=4)
def _slides(cohort: Path) -> OpenSlides:
    """The slides of a cohort, a few of which stay open in every process."""
    table = read_cohort(cohort).table
    spacings = table["spacing"] if "spacing" in table else [float("nan")] * len(table)
    given = {
        str(name): (str(path), None if np.isnan(spacing) else float(spacing))
        for name, path, spacing in zip(table["slide"], table["path"], spacings, strict=True)
    }
    return OpenSlides(lambda name: open_slide(*given[name]), KEPT)
