"""Settings of nCAMELYON: which crops of which slides; quick to import, so that help comes at once.

Defaults are those of the published scripts (Pawlowski et al., arXiv 1908.06037), except where a crop could be
told by something else than its lesion: there, both classes are held to the same rules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from histopress.core.errors import RecipeError
from histopress.studies.picture_parts import PARTS, Part

BANDS = ((0.5, 1.0), (0.1, 0.5), (0.01, 0.1), (0.001, 0.01))
"""Lowest and highest share of lesion in a crop, from easy to hard."""

TRAIN_SITES, TUNING_SITES, TEST_SITES = ("0", "1", "2"), ("3",), ("4",)
"""Centres of CAMELYON17, as it numbers them."""


@dataclass(frozen=True)
class NcamelyonRecipe:
    """Is there a lesion in this crop? Settings of the crops.

    Attributes:
        cohort: table with the columns patient, slide, path, site and annotation.
        plans: folder in which plans are kept, each under its identity.
        part: train, tuning or test.
        size: px a side of a crop.
        low: least share of lesion in a crop that has one.
        high: largest share.
        spacing: um/px; 2 is about level 3 of CAMELYON.
        tolerance: the spacing may differ by this share if pixels then need no resampling; a larger one takes
            the px of a stored level as they are, as the published scripts do, of a spacing that varies.
        annotation: column with a file of ASAP (.xml), of QuPath (.geojson, .json, or with .gz) or a picture
            of labels, relative to the table; slides without one have no lesion.
        lesions: names of the regions that are lesion; all but those in `cut` if empty.
        cut: names of regions that are cut out of lesions, as CAMELYON16 and 17 and QuPath name them.
        values: of the px of label pictures that are lesion; all but 0 if empty.
        by: column that tells the parts.
        train: its values of the train part; slides with a value that is in no part are left out.
        tuning: likewise.
        test: likewise.
        label: column that tells which slides without annotation are known to be without lesion; if empty, all
            are. Needed where positive slides are not all annotated, as in CAMELYON17.
        negative: its values that mean so.
        per_lesion: most crops of a lesion.
        per_slide: most crops without lesion of a slide.
        tries: places that are drawn for a lesion, and for a slide.
        lesion_free: where crops without lesion come from; "all" takes them from slides with lesions, too, so
            that the look of a slide tells nothing, if these are annotated exhaustively.
        green: largest mean of the green channel, for both classes; brighter px are taken for glass.
        tissue: least share of tissue in a crop, for both classes.
        black: px of which no channel is brighter count as never scanned; -1 for none.
        blank: whether squares of pure white count as never scanned; switch it off for saturated glass.
        strata: bins of the share of glass within which classes are balanced, beside one for crops without
            any; 1 only balances the classes.
        seed: of the places.
    """

    cohort: Path = Path("cohort.csv")
    plans: Path = Path("plans")
    part: Part = "train"
    size: int = 128
    low: float = 0.5
    high: float = 1.0
    spacing: float = 2.0
    tolerance: float = 0.02
    annotation: str = "annotation"
    lesions: tuple[str, ...] = ()
    cut: tuple[str, ...] = ("_2", "Exclusion", "normal", "Ignore*")
    values: tuple[int, ...] = ()
    by: str = "site"
    train: tuple[str, ...] = TRAIN_SITES
    tuning: tuple[str, ...] = TUNING_SITES
    test: tuple[str, ...] = TEST_SITES
    label: str = ""
    negative: tuple[str, ...] = ("negative", "normal", "none")
    per_lesion: int = 50
    per_slide: int = 100
    tries: int = 10_000
    lesion_free: Literal["negative", "all"] = "negative"
    green: float = 200.0
    tissue: float = 0.05
    black: int = 8
    blank: bool = True
    strata: int = 20
    seed: int = 1234

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high <= 1:
            raise RecipeError(
                f"a lesion of {self.low:g} to {self.high:g} of a crop, expected a band of shares above 0, up "
                "to 1, the lower first; change `low` or `high`"
            )
        counts = (self.per_lesion, self.per_slide, self.tries, self.strata)
        if self.size < 8 or min(counts) < 1 or self.seed < 0:
            raise RecipeError(
                f"crops of {self.size} px, {self.per_lesion} a lesion, {self.per_slide} a slide in "
                f"{self.tries} tries, {self.strata} strata, seed {self.seed}; expected 8 px or more, counts "
                "from 1 and a seed from 0; change what is less"
            )
        self._check_parts()

    def _check_parts(self) -> None:
        given = [value for part in PARTS for value in self.values_of(part)]
        twice = sorted({value for value in given if given.count(value) > 1})
        if twice or not given:
            found = f"{', '.join(twice)} named twice" if twice else "no values named"
            raise RecipeError(
                f"parts by column {self.by!r}: {found}, expected every value in one part at most; change "
                "`train`, `tuning` or `test`"
            )

    def values_of(self, part: Part) -> tuple[str, ...]:
        """Values of the column `by` that make a part."""
        return {"train": self.train, "tuning": self.tuning, "test": self.test}[part]

    @property
    def middle(self) -> float:
        """Geometric middle of the band: the object-to-image ratio by which bands are compared."""
        return math.sqrt(self.low * self.high)

    @property
    def plan(self) -> NcamelyonRecipe:
        """What shapes the plan of all parts, wherever things lie."""
        return replace(self, cohort=Path(), plans=Path(), part="train")
