"""The study of nCAMELYON: how small may a lesion be, until networks and chains no longer find it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from histopress.core.failures import Failures
from histopress.studies.chain import WANTED
from histopress.studies.ncamelyon import ncamelyon
from histopress.studies.ncamelyon_plan import plan_crops
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe
from histopress.studies.ncamelyon_study_recipe import NcamelyonStudyRecipe
from histopress.studies.ncamelyon_tiles import CamelyonTiles, write_tiles
from histopress.studies.picture_study import study_pictures
from histopress.studies.pictures import PARTS, Part, Pictures, balanced
from histopress.studies.sweep import SweepSummary


@dataclass(frozen=True)
class CropFiles:
    """Where the crops lie.

    Attributes:
        cohort: table of the slides.
        plans: folder of the plans.
        tiles: folder of crops that were written; none where they are read from the slides.
    """

    cohort: Path
    plans: Path
    tiles: Path | None = None


@dataclass(frozen=True)
class NcamelyonSource:
    """Crops of one band.

    Attributes:
        recipe: of the crops, without where things lie.
        content: identity of the crops.
        easiest: band that encoders of the chain learn from; none for this one.
    """

    recipe: NcamelyonRecipe
    content: str
    easiest: NcamelyonSource | None = None

    @property
    def o2i(self) -> float:
        """Geometric middle of the band."""
        return self.recipe.middle

    @property
    def axes(self) -> dict[str, int | float | str]:
        """What tables tell of it."""
        side = self.recipe.size
        return {
            "band": f"{self.recipe.low:g}-{self.recipe.high:g}",
            "px": side,
            "object_px": round(side * self.o2i**0.5, 1),
        }

    @property
    def cost(self) -> float:
        """Px of a crop."""
        return float(self.recipe.size**2)

    @property
    def side(self) -> int:
        """Of a crop, px."""
        return self.recipe.size

    @property
    def crop_source(self) -> NcamelyonSource:
        """Encoders of the chain learn from the easiest crops."""
        return self.easiest or self

    def part(self, part: Part, data: CropFiles) -> Pictures:
        """All crops of a part."""
        if data.tiles is not None:
            return CamelyonTiles(data.tiles / self.content / part)
        return ncamelyon(replace(self.recipe, cohort=data.cohort, plans=data.plans, part=part))

    def crops(self, count: int, data: CropFiles) -> Mapping[str, Mapping[Part, Pictures]]:
        """Crops with and without lesion."""
        found: dict[Part, Pictures] = {}
        for part in PARTS:
            whole = self.part(part, data)
            found[part] = balanced(whole, min(count, len(whole)), self.recipe.seed)
        return {WANTED: found}


def study_ncamelyon(cohort: Path, output: Path, recipe: NcamelyonStudyRecipe) -> SweepSummary:
    """Plan the crops of every band, then train everything that the recipe names on them.

    Args:
        cohort: table of annotated slides, see `NcamelyonRecipe`.
        output: folder for plans, tiles, runs, tables and figures.
        recipe: settings.
    """
    files = CropFiles(cohort, output / "plans", output / "tiles" if recipe.tiles else None)
    failures, sources = Failures(), []
    for crops in recipe.of_bands(files.cohort, files.plans):
        failures.items += plan_crops(crops, recipe.processes).failures.items
        source = NcamelyonSource(crops.plan, ncamelyon(replace(crops, part="train")).identity)
        sources.append(source)
        if files.tiles is not None:
            for part in PARTS:
                written = write_tiles(ncamelyon(replace(crops, part=part)), files.tiles / source.content)
                failures.items += written.failures.items
    easiest = max(sources, key=lambda source: source.o2i)
    banded = [replace(source, easiest=easiest) for source in sources]
    summary = study_pictures("ncamelyon", banded, recipe, files, output)
    summary.failures.items[:0] = failures.items
    summary.write()
    return summary
