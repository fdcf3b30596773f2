"""The study of nMNIST: how small may a digit be, until networks and chains no longer find it?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from histopress.core.recipe import digest
from histopress.studies.chain import WANTED
from histopress.studies.nmnist import NmnistRecipe, nmnist
from histopress.studies.nmnist_scene import CELL, DIGIT
from histopress.studies.nmnist_study_recipe import NmnistStudyRecipe
from histopress.studies.picture_study import study_pictures
from histopress.studies.pictures import PARTS, Part, Pictures, balanced
from histopress.studies.sweep import SweepSummary

TUNING_SHARE = 0.1
DIGITS = 10


@dataclass(frozen=True)
class NmnistMaterial:
    """What pictures are made of: digits, other objects and clutter, and how much; see `NmnistRecipe`."""

    mnist: Path
    objects: Path | None = None
    object_pattern: str = ""
    clutter: Path | None = None
    clutter_pattern: str = ""
    density: float = 1.0

    @property
    def content(self) -> str:
        """Digest of everything, wherever the files lie."""
        parts = [nmnist(NmnistRecipe(part=part, **vars(self))).identity for part in PARTS]
        return digest(parts) if self.density == 1 else digest(parts, self.density)


@dataclass(frozen=True)
class NmnistSource:
    """Pictures of one canvas.

    Attributes:
        canvas: side of the pictures, px.
        digit: side of a digit, px.
        target: the digit to be found.
        seed: of the pictures.
        content: of the material.
    """

    canvas: int
    digit: int
    target: int
    seed: int
    content: str

    @property
    def o2i(self) -> float:
        """Object-to-image ratio."""
        return (self.digit / self.canvas) ** 2

    @property
    def axes(self) -> dict[str, int | float | str]:
        """What tables tell of it."""
        return {"canvas": self.canvas, "object_px": self.digit}

    @property
    def cost(self) -> float:
        """Px of a picture."""
        return float(self.canvas**2)

    def part(self, part: Part, data: NmnistMaterial) -> Pictures:
        """All pictures of a part."""
        return nmnist(
            NmnistRecipe(
                canvas=self.canvas,
                digit=self.digit,
                part=part,
                target=self.target,
                seed=self.seed,
                **vars(data),
            )
        )

    @property
    def crop_source(self) -> NmnistSource:
        """Pictures of the smallest canvas."""
        return replace(self, canvas=self.side)

    @property
    def side(self) -> int:
        """Of a crop, px."""
        return self.digit * CELL // DIGIT

    def crops(self, count: int, data: NmnistMaterial) -> dict[str, dict[Part, Pictures]]:
        """Crops with and without the wanted object, and with and without every other digit."""
        others = [digit for digit in range(DIGITS) if digit != self.target or data.objects]
        plain = replace(data, objects=None, object_pattern="")
        return {WANTED: self._parts(count, data)} | {
            f"digit-{digit}": replace(self, target=digit)._parts(count, plain) for digit in others
        }

    def _parts(self, count: int, data: NmnistMaterial) -> dict[Part, Pictures]:
        few = max(2, round(TUNING_SHARE * count))
        wanted = {"train": count, "tuning": few, "test": few}
        whole = {part: self.part(part, data) for part in PARTS}
        return {part: balanced(whole[part], min(wanted[part], len(whole[part])), self.seed) for part in PARTS}


def study_nmnist(mnist: Path, output: Path, recipe: NmnistStudyRecipe) -> SweepSummary:
    """Train everything that the recipe names, on every canvas; what is done already is not done again.

    Args:
        mnist: folder of the digits, IDX files.
        output: folder for runs, tables and figures.
        recipe: settings.
    """
    material = NmnistMaterial(
        mnist,
        recipe.objects,
        recipe.object_pattern,
        recipe.clutter,
        recipe.clutter_pattern,
        recipe.density,
    )
    sources = [
        NmnistSource(canvas, recipe.digit, recipe.target, recipe.seed, material.content)
        for canvas in recipe.canvases
    ]
    return study_pictures("nmnist", sources, recipe, material, output)
