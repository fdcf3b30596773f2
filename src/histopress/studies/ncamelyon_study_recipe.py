"""Settings of `histopress study ncamelyon`; quick to import, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from histopress.core.errors import RecipeError
from histopress.studies.end_to_end_recipe import EndToEndRecipe
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe
from histopress.studies.patchnet_recipe import PatchnetRecipe
from histopress.studies.picture_axes import PictureAxes

TRAINING = EndToEndRecipe(
    network=PatchnetRecipe(field=177), epochs=50, milestones=(), schedule="constant", full=0, batch=8
)
"""As published for lesions: 50 epochs, batches of 8; whether the rate fell is not known, so it does not."""


@dataclass(frozen=True, kw_only=True)
class NcamelyonStudyRecipe(PictureAxes):
    """Is there a lesion in this crop? The defaults are the published ones, for a GPU and CAMELYON17.

    Attributes:
        bands: LOW-HIGH shares of a crop that are lesion, from easy to hard.
        px: sides of the crops, one for each band, or one for all.
        tiles: write the crops as PNG first: faster where slides are many and memory is short, and to look at.
        crops: which slides train, tune and test, and which crops of them; bands and sides above hold.
    """

    bands: tuple[str, ...] = ("0.5-1", "0.1-0.5", "0.01-0.1", "0.001-0.01")
    px: tuple[int, ...] = (128, 512, 512, 1024)
    tiles: bool = False
    fields: tuple[int, ...] = (177,)
    crops: NcamelyonRecipe = field(default_factory=NcamelyonRecipe)
    training: EndToEndRecipe = TRAINING

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bands or len(self.px) not in (1, len(self.bands)):
            raise RecipeError(
                f"{len(self.px)} sides for {len(self.bands)} bands, expected one for each, or one for all"
            )
        self.of_bands(Path(), Path())

    def of_bands(self, cohort: Path, plans: Path) -> list[NcamelyonRecipe]:
        """Settings of the crops of every band."""
        sides = self.px if len(self.px) > 1 else self.px * len(self.bands)
        return [
            replace(self.crops, cohort=cohort, plans=plans, low=low, high=high, size=side)
            for (low, high), side in zip(map(_band, self.bands), sides, strict=True)
        ]


def _band(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    try:
        return float(low), float(high)
    except ValueError as error:
        raise RecipeError(f"band {text!r}, expected LOW-HIGH such as 0.1-0.5; change it") from error
