"""How strongly training tiles are changed: a ladder of published strengths, whose ranges may be set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from histopress.core.errors import RecipeError

Range = tuple[float, ...]
"""Smallest and largest value that may be drawn; empty: as the strength has it."""

STILL: dict[str, Any] = {
    "orientations": False,
    "zoom": (1.0, 1.0),
    "angle": (0.0, 0.0),
    "elastic_alpha": (0.0, 0.0),
    "elastic_sigma": (10.0, 10.0),
    "blur": (0.0, 0.0),
    "noise": (0.0, 0.0),
    "brightness": (1.0, 1.0),
    "contrast": (1.0, 1.0),
    "hue": (0.0, 0.0),
    "saturation": (0.0, 0.0),
    "stain": (0.0, 0.0),
    "stain_bias": (0.0, 0.0),
}
BASIC = {**STILL, "orientations": True}
MORPHOLOGY = {
    **BASIC,
    "zoom": (0.8, 1.2),
    "elastic_alpha": (80.0, 120.0),
    "elastic_sigma": (9.0, 11.0),
    "blur": (0.1, 1.0),
    "noise": (0.0, 0.1),
}
LIGHT = {**MORPHOLOGY, "brightness": (0.65, 1.35), "contrast": (0.5, 1.5)}
STRENGTHS: dict[str, dict[str, Any]] = {
    "none": STILL,
    "basic": BASIC,
    "morphology": MORPHOLOGY,
    "brightness-contrast": LIGHT,
    "hsv-light": {**LIGHT, "hue": (-0.1, 0.1), "saturation": (-0.1, 0.1)},
    "hsv-strong": {**LIGHT, "hue": (-1.0, 1.0), "saturation": (-1.0, 1.0)},
    "hed-light": {**LIGHT, "stain": (-0.3, 0.3), "stain_bias": (-0.3, 0.3)},
    "hed-strong": {**LIGHT, "stain": (-1.0, 1.0), "stain_bias": (-1.0, 1.0)},
}
"""Name -> ranges; every strength keeps what those above have, except that HSV and HED are alternatives."""

BOUNDS = {
    "zoom": (0.1, 10.0),
    "angle": (-360.0, 360.0),
    "elastic_alpha": (0.0, 1e6),
    "elastic_sigma": (0.1, 1e4),
    "blur": (0.0, 50.0),
    "noise": (0.0, 1.0),
    "brightness": (0.0, 10.0),
    "contrast": (0.0, 10.0),
    "hue": (-1.0, 1.0),
    "saturation": (-1.0, 1.0),
    "stain": (-1.0, 10.0),
    "stain_bias": (-10.0, 10.0),
}
"""Within which a range must lie."""


@dataclass(frozen=True)
class AugmentRecipe:
    """What may be drawn for a tile; each value evenly between the two ends of its range.

    The strengths are those compared by Tellez et al. (Medical Image Analysis 58 (2019) 101544, arXiv
    1902.06543): `basic` mirrors and turns by quarters; `morphology` adds scaling, elastic deformation, noise
    and blur; `brightness-contrast` adds these; then either hue and saturation (`hsv-`) or the amounts of
    the stains (`hed-`), light or strong. From the study are the order of the ladder and the ranges of
    elastic deformation, scaling, noise, brightness, contrast, hue and saturation. From the same
    group's later code are the order in which changes are applied, what a change of saturation means, and the
    blur of 0.1 to 1 px, since the study's 0 to 0.1 px changes no pixel.

    Our own choices: stains are amounts by Beer and Lambert, with natural logarithms, and a bias fades out
    towards glass. The group's code takes logarithms of intensity plus two, as an old library did; equal
    ranges then move tissue five to six times as far, and glass with it (on colorectal tissue 20 levels of
    255 for 0.05, here 4; 63 for 0.2, here 13). Its ranges of 0.05 and 0.2 are therefore 0.3 and 1 here, which
    move tissue as far (22 and 56 levels). Noise is
    drawn from a stored supply. JPEG and turns by any angle are no part of the study, and of no strength.

    Fields that are not given are filled in from the strength, so that a recipe holds all its numbers.

    Attributes:
        strength: name of the step of the ladder.
        orientations: mirror, and turn by quarters.
        zoom: magnification about the centre; what comes in from outside the tile is mirrored.
        angle: degrees, anticlockwise.
        elastic_alpha: strength of elastic deformation after Simard et al. (2003), in px^2: the displacement
            is about alpha / (6 sigma) px.
        elastic_sigma: how smooth it is, in px; from 5 px up.
        blur: standard deviation of a Gaussian, in px.
        noise: standard deviation, of intensities of 0 to 1.
        brightness: factor.
        contrast: factor on the distance from the mean grey of the tile.
        hue: shift, in shares of the full circle.
        saturation: -1 takes all colour away, 1 gives twice the saturation to pale colours.
        stain: relative change of haematoxylin, eosin and residual, each drawn alone.
        stain_bias: added to them where there is tissue, as optical density (natural logarithm).
        jpeg_share: of the tiles that are compressed and restored, 0 to 1.
        jpeg_quality: the lowest, 1 to 95; drawn from there to 95.
    """

    strength: str = "none"
    orientations: bool | None = None
    zoom: Range = ()
    angle: Range = ()
    elastic_alpha: Range = ()
    elastic_sigma: Range = ()
    blur: Range = ()
    noise: Range = ()
    brightness: Range = ()
    contrast: Range = ()
    hue: Range = ()
    saturation: Range = ()
    stain: Range = ()
    stain_bias: Range = ()
    jpeg_share: float = 0.0
    jpeg_quality: int = 40

    def __post_init__(self) -> None:
        if self.strength not in STRENGTHS:
            known = ", ".join(STRENGTHS)
            raise RecipeError(f"augmentation strength {self.strength!r} is unknown; expected one of {known}")
        for name, value in STRENGTHS[self.strength].items():
            if getattr(self, name) in ((), None):
                object.__setattr__(self, name, value)
        problems = [*_problems(self)]
        if problems:
            raise RecipeError("; ".join(problems))

    def shrunk(self, side: int) -> AugmentRecipe:
        """The same changes for tiles that were averaged over blocks before: ranges in px become smaller.

        Independent noise is averaged too. JPEG stays as it is.

        Args:
            side: of the blocks, in px.
        """
        return replace(
            self,
            elastic_alpha=_divided(self.elastic_alpha, side * side),
            elastic_sigma=_divided(self.elastic_sigma, side),
            blur=_divided(self.blur, side),
            noise=_divided(self.noise, side),
        )


def _divided(values: Range, by: int) -> Range:
    return tuple(value / by for value in values)


def _problems(recipe: AugmentRecipe) -> list[str]:
    """What is wrong with the numbers."""
    found = []
    for name, (least, most) in BOUNDS.items():
        given = getattr(recipe, name)
        if len(given) != 2 or not least <= given[0] <= given[1] <= most:
            found.append(f"{name} is {list(given)}, expected two numbers in order from {least:g} to {most:g}")
    if not 0 <= recipe.jpeg_share <= 1:
        found.append(f"jpeg_share is {recipe.jpeg_share}, expected 0 to 1")
    if not 1 <= recipe.jpeg_quality <= 95:
        found.append(f"jpeg_quality is {recipe.jpeg_quality}, expected 1 to 95")
    return found


LADDER = {name: AugmentRecipe(name) for name in STRENGTHS}
"""Strength -> recipe, from the weakest to the strongest."""
