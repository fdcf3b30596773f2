"""One picture of nMNIST: chance decides what lies where, then it is painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELL = 64
"""px a side of the cells that an object is placed in, for digits of `DIGIT` px."""

DIGIT = 28
"""px a side of a digit as it is stored."""

BUSY, BUSY_CANVAS = 25, 256
"""Distractors on a canvas of so many px a side, for digits of `DIGIT` px."""


@dataclass(frozen=True)
class Layout:
    """Sizes that all pictures of a set share.

    Attributes:
        canvas: px a side.
        digit: px a side of every thing.
        distractors: on a positive picture; a negative one has one more.
    """

    canvas: int
    digit: int
    distractors: int


@dataclass(frozen=True)
class Scene:
    """What lies where; `thing` decides on the label.

    Attributes:
        layout: sizes.
        place: (2,) int64 top and left of the object, or of the distractor in its stead, px.
        thing: row of the object, or of that distractor, in their sets.
        positive: whether it is the object.
        distractors: (distractors,) int64 rows of the others.
        places: (distractors, 2) int64 their top and left, px.
    """

    layout: Layout
    place: NDArray[np.int64]
    thing: int
    positive: bool
    distractors: NDArray[np.int64]
    places: NDArray[np.int64]

    @property
    def boxes(self) -> NDArray[np.int64]:
        """(objects, 4) top, left, height, width of the object, if there is one."""
        box = np.array([[*self.place, self.layout.digit, self.layout.digit]], np.int64)
        return box if self.positive else box[:0]


def distractors(canvas: int, digit: int = DIGIT, density: float = 1.0) -> int:
    """Distractors on a positive picture.

    They lie equally dense on every canvas: 25 on one of 256 px, for digits of 28 px. Rounded, that gives the
    published 2, 6, 25, 100, 400, 1,600, 6,400 and 14,400 for 64, 128, 256, 512, 1,024, 2,048, 4,096 and
    6,144 px. Digits and canvas count by their ratio.

    Args:
        canvas: px a side.
        digit: px a side.
        density: times the published one.
    """
    ratio = (canvas * DIGIT) / (digit * BUSY_CANVAS)
    return round(density * BUSY * ratio**2)


def draw_scene(random: np.random.Generator, layout: Layout, thing: int | None, pool: int) -> Scene:
    """Chance alone: a cell, a place in it, and distractors anywhere; all lie wholly on the canvas.

    Both labels have as many things, and what decides on the label lies at places of one law.

    Args:
        random: chance.
        layout: sizes.
        thing: row of the object; none: another distractor lies in its stead.
        pool: distractors to choose from, each as often as it comes.
    """
    canvas, digit, count = layout.canvas, layout.digit, layout.distractors
    cells = max(1, canvas * DIGIT // (CELL * digit))
    at = random.random((count + 2, 2))  # one call for all: integers() takes as long as painting three digits
    cell = np.floor(at[0] * cells)
    first_px, end_px = np.floor(cell * canvas / cells), np.floor((cell + 1) * canvas / cells)
    place = (first_px + at[1] * (end_px - first_px - digit + 1)).astype(np.int64)
    places = (at[2:] * (canvas - digit + 1)).astype(np.int64)
    chosen = (random.random(count + 1) * pool).astype(np.int64)
    first = int(chosen[0]) if thing is None else thing
    return Scene(layout, place, first, thing is not None, chosen[1:], places)


def paint(scene: Scene, objects: NDArray[np.uint8], clutter: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(canvas, canvas, 1) uint8: all things added, sums over 255 clipped.

    Args:
        scene: what lies where.
        objects: (n, digit, digit) what `thing` of a positive scene chooses from.
        clutter: (n, digit, digit) what everything else chooses from.
    """
    canvas, digit = scene.layout.canvas, scene.layout.digit
    things = np.concatenate(
        [(objects if scene.positive else clutter)[[scene.thing]], clutter[scene.distractors]]
    )
    places = np.concatenate([scene.place[None], scene.places])
    order = np.argsort(places[:, 0], kind="stable")  # neighbours in memory one after the other
    dark = np.full((canvas, canvas), 255, np.uint8)
    room = np.empty((digit, digit), np.uint8)
    for (top, left), thing in zip(places[order].tolist(), things[order], strict=True):
        under = dark[top : top + digit, left : left + digit]
        np.minimum(under, thing, out=room)
        np.subtract(under, room, out=under)
    return np.invert(dark, out=dark)[:, :, None]
