"""How a signal is planted into grids; quick to import, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from histopress.core.errors import RecipeError

Context = Literal["anywhere", "border", "core", "cluster"]
CONTEXTS: tuple[Context, ...] = get_args(Context)


@dataclass(frozen=True)
class PlantRecipe:
    """Which signal is planted into which of the patients, and what stands in its way.

    Attributes:
        o2i: object-to-image ratio: share of a slide's tissue cells that hold the object; one cell at least.
        foci: connected groups that these cells form; no more than there are cells.
        contrast: 0 leaves a cell as it is, 1 puts the object in its place, between them codes are mixed.
        inside: where the object counts: anywhere, or in one part of the tissue alone: border (the cells
            nearest to the edge of the tissue), core (those farthest from it) or cluster (those whose
            surroundings are alike: the highest along the direction in which the codes of all slides vary
            most). Then negative slides hold as large an object in the rest of the tissue. Of a cluster, an
            effect, or a contrast below 1, leaves something in the object's own codes to be told by.
        context: share of a slide's tissue cells that are that part.
        label_noise: share of the patients whose label is wrong.
        sites: that patients are dealt to; 0 takes the column `site` of the table.
        site_shift: each site adds a constant of its own to every number of all codes; its standard deviation,
            in those of the codes.
        confounding: how strongly site goes with label: 0 not at all, 1 tells the label. With two sites, the
            difference between the labels in the share of patients of the first site.
        prevalence: share of patients that are positive.
        seed: of everything that is drawn.
    """

    o2i: float
    foci: int = 1
    contrast: float = 1.0
    inside: Context = "anywhere"
    context: float = 0.5
    label_noise: float = 0.0
    sites: int = 2
    site_shift: float = 0.0
    confounding: float = 0.0
    prevalence: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        shares = ("o2i", "contrast", "context", "label_noise", "confounding", "prevalence")
        wrong = [
            f"{name} is {getattr(self, name)}, expected a share from 0 to 1"
            for name in shares
            if not 0 <= getattr(self, name) <= 1
        ]
        wrong += [f"foci is {self.foci}, expected 1 or more"] * (self.foci < 1)
        wrong += [f"sites is {self.sites}, expected 0 or more"] * (self.sites < 0)
        wrong += [f"site_shift is {self.site_shift}, expected 0 or more"] * (self.site_shift < 0)
        wrong += [f"confounding is {self.confounding} with {self.sites} sites, expected 2 sites or more"] * (
            self.confounding > 0 and self.sites < 2
        )
        wrong += [f"inside is {self.inside!r}, expected {', '.join(CONTEXTS)}"] * (
            self.inside not in CONTEXTS
        )
        if wrong:
            raise RecipeError(f"{'; '.join(wrong)}; correct the setting")
