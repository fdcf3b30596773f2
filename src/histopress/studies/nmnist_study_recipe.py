"""Settings of `histopress study nmnist`; quick to import, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from histopress.studies.picture_axes import PictureAxes


@dataclass(frozen=True, kw_only=True)
class NmnistStudyRecipe(PictureAxes):
    """Is there a 3 among the clutter? The defaults are the published ones, for a GPU.

    Attributes:
        canvases: sides of the pictures in px; with the side of a digit they make the object-to-image ratio.
        digit: side of a digit in px; 28 as published, 14 costs a quarter at the same ratio.
        target: the digit to be found.
        density: distractors, times the published ones.
        objects: folder or zip of pictures that are looked for instead of a digit.
        object_pattern: regular expression that their paths must hold.
        clutter: folder or zip of pictures that distract instead of digits.
        clutter_pattern: regular expression that their paths must hold.
        seed: of the pictures.
    """

    canvases: tuple[int, ...] = (64, 128, 256, 512, 1024)
    digit: int = 28
    target: int = 3
    density: float = 1.0
    objects: Path | None = None
    object_pattern: str = ""
    clutter: Path | None = None
    clutter_pattern: str = ""
    seed: int = 1234
