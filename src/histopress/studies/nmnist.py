"""nMNIST: is there a 3 among the clutter? Pictures whose object takes 19 % of the area, or 0.002 %.

The published task (Pawlowski and others, "Needles in Haystacks", arXiv 1908.06037), drawn when asked for.
Every object digit gives two positive and two negative pictures. Negatives have one distractor more, which
lies where an object could, so that neither the number of digits nor their places tell the label. Parts share
no digit.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError, RecipeError
from histopress.core.recipe import digest
from histopress.studies.clutter import Stamps, read_stamps, scaled
from histopress.studies.mnist_files import read_mnist
from histopress.studies.nmnist_scene import Layout, Scene, distractors, draw_scene, paint
from histopress.studies.pictures import PARTS, Part, Pictures, Sample

CANVASES = (64, 128, 256, 512, 1024, 2048, 4096, 6144)
"""px; the published ones, for digits of 28 px."""

DUPLICATES = 2
"""Pictures of either label that every object gives."""

EACH = 2 * DUPLICATES
TUNING = 12
"""One in so many of the training digits tunes, the first of them, as published: 5,000 of 60,000."""


@dataclass(frozen=True)
class NmnistRecipe:
    """How pictures of nMNIST are drawn.

    Attributes:
        mnist: folder of the MNIST files, plain or gzip.
        canvas: px a side of a picture.
        digit: px a side of a digit, by the mean over areas; only its ratio to the canvas shapes the task.
        part: train, tuning or test.
        target: the digit that is looked for.
        seed: of everything.
        density: distractors, times the published ones.
        objects: folder or zip of pictures that are looked for instead of a digit; of another hand than the
            clutter, the weight of their strokes may be enough to tell them.
        object_pattern: regular expression that their paths must hold.
        clutter: folder or zip of pictures that distract instead of digits.
        clutter_pattern: regular expression that their paths must hold.
    """

    mnist: Path
    canvas: int = 64
    digit: int = 28
    part: Part = "train"
    target: int = 3
    seed: int = 1234
    density: float = 1.0
    objects: Path | None = None
    object_pattern: str = ""
    clutter: Path | None = None
    clutter_pattern: str = ""

    def __post_init__(self) -> None:
        if not 4 <= self.digit <= self.canvas:
            raise RecipeError(
                f"digits of {self.digit} px on a canvas of {self.canvas} px, expected 4 px or more, and no "
                "more than the canvas; change them"
            )
        if self.part not in PARTS or not 0 <= self.target <= 9:
            raise RecipeError(
                f"part {self.part!r} and target {self.target}, expected {', '.join(PARTS)} and a digit from "
                "0 to 9; change them"
            )
        if self.seed < 0 or not 0 <= self.density <= 100:
            raise RecipeError(
                f"seed {self.seed} and density {self.density}, expected no negative seed and a density from "
                "0 to 100; change them"
            )

    @property
    def o2i(self) -> float:
        """Object-to-image ratio, by area."""
        return (self.digit / self.canvas) ** 2

    @property
    def layout(self) -> Layout:
        """Sizes that all pictures share."""
        return Layout(self.canvas, self.digit, distractors(self.canvas, self.digit, self.density))


@dataclass(frozen=True)
class Nmnist:
    """The pictures of one part. Label 1: the object is there.

    Picture 4 k + 2 d + label is the d-th of that label from object k. Files are read when the first label or
    picture is asked for, once in a process.

    Attributes:
        recipe: how they are drawn.
    """

    recipe: NmnistRecipe

    @property
    def identity(self) -> str:
        """Digest of settings and digits, wherever their files lie."""
        r = self.recipe
        settings = (r.canvas, r.digit, r.part, r.target, r.seed, r.layout.distractors)
        return digest("nmnist", settings, _fingerprint(r))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(canvas, canvas, 1)."""
        return self.recipe.canvas, self.recipe.canvas, 1

    @property
    def o2i(self) -> float:
        """Object-to-image ratio, by area."""
        return self.recipe.o2i

    @property
    def labels(self) -> NDArray[np.int64]:
        """(pictures,) 1 where the object is there; every other one."""
        return np.arange(len(self), dtype=np.int64) % 2

    def __len__(self) -> int:
        return EACH * len(sets(self.recipe).objects)

    def scene(self, index: int) -> Scene:
        """What lies where in the picture of this number."""
        return self._scene(index, sets(self.recipe))

    def draw(self, index: int) -> Sample:
        """The picture of this number."""
        chosen = sets(self.recipe)
        scene = self._scene(index, chosen)
        return Sample(paint(scene, chosen.objects, chosen.clutter), int(scene.positive), scene.boxes)

    def _scene(self, index: int, chosen: Sets) -> Scene:
        if not 0 <= index < EACH * len(chosen.objects):
            raise IndexError(f"picture {index} of {EACH * len(chosen.objects)}")
        r = self.recipe
        random = np.random.default_rng([r.seed, PARTS.index(r.part), index])
        thing = index // EACH if index % 2 else None
        return draw_scene(random, r.layout, thing, len(chosen.clutter))


@dataclass(frozen=True)
class Sets:
    """What a part of a recipe draws from, each (n, digit, digit) uint8, bright on black.

    Attributes:
        objects: decide on the label.
        clutter: distract; none of them is an object.
    """

    objects: NDArray[np.uint8]
    clutter: NDArray[np.uint8]


def nmnist(recipe: NmnistRecipe) -> Pictures:
    """The pictures of a recipe; nothing is read yet."""
    return Nmnist(recipe)


def sets(recipe: NmnistRecipe) -> Sets:
    """Objects and clutter of a part; read once in a process, for all canvases and seeds.

    Raises:
        PatchError: files are missing or damaged, or there are no objects or no clutter.
        RecipeError: a pattern is no regular expression.
    """
    return _sets(replace(recipe, canvas=recipe.digit, seed=0, density=0.0))


@lru_cache(maxsize=6)
def _sets(recipe: NmnistRecipe) -> Sets:
    others = _stamps(recipe, recipe.objects, recipe.object_pattern)
    strokes = _stamps(recipe, recipe.clutter, recipe.clutter_pattern)
    shown = others.pictures if others else _digits(recipe, [recipe.target])
    if strokes:
        around = (strokes.without(others) if others else strokes).pictures
    else:
        around = _digits(recipe, [number for number in range(10) if others or number != recipe.target])
    if not len(shown) or not len(around):
        raise PatchError(
            f"{recipe.part} part: {len(shown)} objects and {len(around)} distractors to draw from, expected "
            "one of each at least; give more digits or pictures, or another target or pattern"
        )
    return Sets(shown, around)


def _stamps(recipe: NmnistRecipe, source: Path | None, pattern: str) -> Stamps | None:
    return None if source is None else read_stamps(source, recipe.part, recipe.digit, pattern)


def _digits(recipe: NmnistRecipe, classes: list[int]) -> NDArray[np.uint8]:
    """(n, digit, digit) the digits of these classes in a part, in the order of their file."""
    held = read_mnist(recipe.mnist, "test" if recipe.part == "test" else "training")
    tuning = len(held.labels) // TUNING
    rows = {"train": slice(tuning, None), "tuning": slice(tuning), "test": slice(None)}[recipe.part]
    chosen = held.pictures[rows][np.isin(held.labels[rows], classes)]
    side = recipe.digit
    if chosen.shape[1:] == (side, side):
        return chosen
    return np.rint(scaled(chosen.astype(np.float32), side)).astype(np.uint8)


@lru_cache(maxsize=16)
def _fingerprint(recipe: NmnistRecipe) -> str:
    """Hash of all that a part draws from."""
    chosen = sets(recipe)
    return digest(
        *(hashlib.sha256(stamps.tobytes()).hexdigest() for stamps in (chosen.objects, chosen.clutter))
    )
