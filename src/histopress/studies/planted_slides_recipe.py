"""How tiles are planted into slides; quick to import, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass

from histopress.core.errors import RecipeError


@dataclass(frozen=True)
class PlantSlidesRecipe:
    """Settings of `histopress study plant`.

    Attributes:
        o2i: object-to-image ratio: share of the tissue area of a positive slide that is planted; one tile
            at least.
        foci: connected groups of tiles.
        prevalence: share of the slides that are positive.
        tile_spacing: um/px of the pictures of tiles; there is no default, as a wrong one shrinks all cells.
        tissue: least share of tissue in a place that takes a tile.
        feather: px at the edge of a tile over which it fades into the slide.
        match_stain: give tiles the hue of the slide's tissue; their darkness stays their own.
        quality: of the JPEG tiles of the slides that are written.
        seed: which slides, which places, which tiles.
    """

    o2i: float = 0.01
    foci: int = 1
    prevalence: float = 0.5
    tile_spacing: float = 0.0
    tissue: float = 0.8
    feather: int = 6
    match_stain: bool = True
    quality: int = 90
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.o2i <= 1 and 0 <= self.prevalence <= 1 and 0 < self.tissue <= 1):
            raise RecipeError(
                f"o2i {self.o2i}, prevalence {self.prevalence}, tissue {self.tissue}; expected shares from "
                "0 to 1, o2i and tissue above 0"
            )
        if self.foci < 1 or self.feather < 0:
            raise RecipeError(f"foci {self.foci}, feather {self.feather}; expected 1 focus and 0 px or more")
