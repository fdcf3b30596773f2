"""Settings of a cohort of drawn slides; quick to import, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from histopress.core.errors import RecipeError


@dataclass(frozen=True)
class PhantomRecipe:
    """A cohort of drawn slides, half of them with a planted tumour.

    Attributes:
        slides: how many; one patient in four has two of them.
        lesion_share: share of the tissue area that is tumour in the slides that have one, 0 to 0.8.
        foci: fewest and most places in which the tumour lies.
        focus_um: diameter of each focus; 0 where lesion_share decides. A single nest of cells has about 100.
        contrast: 1 for nuclei as those of tumours, 0 for nuclei like those of benign glands, in solid nests.
        inside: where a tumour counts: anywhere, or only in the core or at the edge of the tissue; then
            normal slides hold one too, in the other place, so that its presence alone tells nothing.
        label_noise: share of the patients whose label in the table is wrong, 0 to 0.5.
        site_shift: how far apart the stains of the two sites are; 1 as laboratories with one protocol.
        confounding: 0: sites have both labels alike; 1: all tumours come from one site.
        width: narrowest and widest slide in px, rounded down to a multiple of `MASK_STEP`.
        height: lowest and highest slide in px, likewise.
        spacing: um/px; cells are drawn in um, so a coarser spacing draws them smaller.
        stain_variation: 0 stains all slides alike, 1 as differently as several laboratories do.
        seed: another seed, another cohort.
    """

    slides: int = 40
    lesion_share: float = 0.05
    foci: tuple[int, int] = (1, 3)
    focus_um: float = 0.0
    contrast: float = 1.0
    inside: Literal["anywhere", "core", "edge"] = "anywhere"
    label_noise: float = 0.0
    site_shift: float = 1.0
    confounding: float = 0.0
    width: tuple[int, int] = (4400, 6400)
    height: tuple[int, int] = (3800, 5200)
    spacing: float = 0.5
    stain_variation: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.slides < 4:
            raise RecipeError(f"slides is {self.slides}, expected at least 4: two of each label")
        if not 0 < self.lesion_share <= 0.8:
            raise RecipeError(f"lesion_share is {self.lesion_share}, expected above 0 and up to 0.8")
        if not 0.2 <= self.spacing <= 2:
            raise RecipeError(f"spacing is {self.spacing} um/px, expected 0.2 to 2: nuclei must stay visible")
        for name, most in (("contrast", 1), ("label_noise", 0.5), ("confounding", 1)):
            if not 0 <= getattr(self, name) <= most:
                raise RecipeError(f"{name} is {getattr(self, name)}, expected 0 to {most}")
        if self.focus_um < 0 or self.site_shift < 0:
            raise RecipeError(
                f"focus_um is {self.focus_um} and site_shift {self.site_shift}, expected none below 0"
            )
        for name, (low, high) in (("width", self.width), ("height", self.height)):
            if not 256 <= low <= high:
                raise RecipeError(
                    f"{name} is {low} to {high} px, expected a range that starts at 256 or more"
                )
        if self.seed < 0:
            raise RecipeError(f"seed is {self.seed}, expected 0 or more")
        if not 1 <= self.foci[0] <= self.foci[1]:
            raise RecipeError(
                f"foci is {self.foci[0]} to {self.foci[1]}, expected a range that starts at 1 or more"
            )
