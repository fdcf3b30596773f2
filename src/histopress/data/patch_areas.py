"""Places inside areas of a class: all cells of a lattice, or so many drawn for each class and picture."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.data.patch_frames import Floats, Frame, generator
from histopress.data.patch_slides import Picture, SlideLayout, SlideSource, patch_errors
from histopress.data.patch_source import Place
from histopress.data.slide import Slide
from histopress.data.tissue import TissueRecipe, mask_slide

Bools = NDArray[np.bool_]

LARGEST = 1 << 24
"""px of a layer, which takes some 80 MB with its sums."""

TRIES = 64
"""Places that are looked at for each one that is to be drawn."""

NEAR_WHITE = 200
"""A px of which every channel is brighter is nearly white."""

LOOK = 64
"""px a side of the tile by which the share of white is judged."""

TINY = 1e-9


@dataclass(frozen=True)
class AreaLayout(SlideLayout):
    """Settings of layouts of areas, beyond those of `SlideLayout`.

    Attributes:
        share: of a tile that must lie in areas of its class.
        count: tiles drawn for each class and picture; 0: all cells of a lattice, `stride` of the task apart.
        white: largest share of nearly white px; 1 keeps all.
        seed: of the draws.
    """

    share: float = 0.9
    count: int = 0
    white: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Layer:
    """A picture of yes and no that covers a slide.

    Attributes:
        mask: (rows, cols).
        step_x: level-0 px of the slide that a px of the mask is wide.
        step_y: likewise, high.
    """

    mask: Bools
    step_x: float
    step_y: float

    @cached_property
    def _sums(self) -> NDArray[np.int32]:
        """(rows + 1, cols + 1): how many px above and left of each corner are yes."""
        sums = np.zeros((self.mask.shape[0] + 1, self.mask.shape[1] + 1), np.int32)
        np.cumsum(self.mask, axis=0, out=sums[1:, 1:])
        np.cumsum(sums, axis=1, out=sums)
        return sums

    def shares(self, lefts: Floats, tops: Floats, frame: Frame) -> Floats:
        """(n,) shares of yes in tiles, by exact area; beyond the slide it is no.

        Args:
            lefts: (n,) px of the slide.
            tops: (n,) px of the slide.
            frame: what a tile is.
        """
        left, right = lefts / self.step_x, (lefts + frame.width) / self.step_x
        top, bottom = tops / self.step_y, (tops + frame.height) / self.step_y
        yes = self._until(bottom, right) - self._until(top, right) - self._until(bottom, left)
        area = frame.width * frame.height / (self.step_x * self.step_y)
        shares: Floats = np.clip((yes + self._until(top, left)) / area, 0, 1)
        return shares

    def _until(self, rows: Floats, cols: Floats) -> Floats:
        """Yes in px of the mask, between its corner and points in it; px are even inside."""
        height, width = self.mask.shape
        rows, cols = np.clip(rows, 0, height), np.clip(cols, 0, width)
        row, col = np.minimum(rows, height - 1).astype(np.int64), np.minimum(cols, width - 1).astype(np.int64)
        down, across = rows - row, cols - col
        sums = self._sums
        upper = sums[row, col] * (1 - across) + sums[row, col + 1] * across
        lower = sums[row + 1, col] * (1 - across) + sums[row + 1, col + 1] * across
        until: Floats = upper * (1 - down) + lower * down
        return until

    def points(self, count: int, random: np.random.Generator) -> tuple[Floats, Floats]:
        """Points in different px that are yes, `count` at most: their x and y in level-0 px."""
        below = np.cumsum(self.mask.sum(axis=1, dtype=np.int64))
        total = int(below[-1])
        ranks = random.choice(total, min(count, total), replace=False)
        rows = np.searchsorted(below, ranks, side="right")
        within = ranks - np.concatenate([[0], below])[rows]
        cols = np.array(
            [np.flatnonzero(self.mask[r])[w] for r, w in zip(rows, within, strict=True)], np.float64
        )
        jitter = random.random((2, len(ranks)))
        return (cols + jitter[0]) * self.step_x, (rows + jitter[1]) * self.step_y


@dataclass(frozen=True)
class Area:
    """Where the places of a class are.

    Attributes:
        label: index of the class.
        needs: layers, and the least share that a tile must have of each; tiles are drawn around points of the
            first.
    """

    label: int
    needs: tuple[tuple[Layer, float], ...]

    def fits(self, lefts: Floats, tops: Floats, frame: Frame) -> Bools:
        """(n,) whether tiles are of this class."""
        fits = np.ones(len(lefts), bool)
        for layer, least in self.needs:
            fits &= layer.shares(lefts, tops, frame) >= max(least, TINY) - TINY
        return fits


class AreaSource(SlideSource):
    """What layouts of areas have in common; `areas` tells where they are."""

    layout: AreaLayout

    @abstractmethod
    def areas(self, picture: Picture, slide: Slide, frame: Frame) -> Sequence[Area]:
        """The areas of the classes on a slide; none if it is to be left out."""

    @abstractmethod
    def seen(self) -> str:
        """What was found in place of the areas, for the error if there is no place at all."""

    def places(self, field: float) -> Sequence[Place]:
        """See `PatchSource.places`; a tile that would be of several classes is of none."""
        if not 0 < self.layout.share <= 1:
            raise PatchError(f"`source.share` = {self.layout.share:g}, expected above 0, up to 1; mend it")
        found = [place for picture in self.pictures for place in self.attempted(picture, field)]
        if not found:
            raise PatchError(
                f"task {self.task.name!r}: no tile of {field:g} um in {len(self.pictures)} pictures is to "
                f"{self.layout.share:.0%} of one class; found {self.seen()}; mend `[source]`, or ask for "
                "smaller tiles"
            )
        return found

    def places_on(self, picture: Picture, slide: Slide, frame: Frame) -> Iterator[Place]:
        """See `SlideSource.places_on`: by class."""
        areas = self.areas(picture, slide, frame)
        for area in areas:
            squares = (
                self._drawn(picture, area, frame) if self.layout.count else frame.lattice(self.task.stride)
            )
            fits = area.fits(*squares, frame)
            squares = squares[0][fits], squares[1][fits]
            others = [other.fits(*squares, frame) for other in areas if other is not area]
            kept = ~np.any([np.zeros(len(squares[0]), bool), *others], axis=0)
            places = self._without_white(picture, area.label, squares[0][kept], squares[1][kept], frame)
            yield from islice(places, self.layout.count or None)

    def _drawn(self, picture: Picture, area: Area, frame: Frame) -> tuple[Floats, Floats]:
        """Corners of different tiles around points of the class, in the order they were drawn."""
        random = generator(self.layout.seed, picture.file, self.task.classes[area.label])
        x, y = area.needs[0][0].points(TRIES * self.layout.count, random)
        corners = np.stack(frame.inside(x - frame.width / 2, y - frame.height / 2))
        first = np.sort(np.unique(corners, axis=1, return_index=True)[1])
        return corners[0, first], corners[1, first]

    def _without_white(
        self, picture: Picture, label: int, lefts: Floats, tops: Floats, frame: Frame
    ) -> Iterator[Place]:
        for left, top in zip(lefts, tops, strict=True):
            place = self.place(picture, float(label), left, top, frame)
            if self.layout.white >= 1 or white_share(self.cut(place, LOOK)) <= self.layout.white:
                yield place


def tissue_of(slide: Slide) -> Layer:
    """Where on a slide there is tissue, by the default recipe.

    Raises:
        PatchError: the slide cannot be read.
    """
    with patch_errors():
        tissue = mask_slide(slide, TissueRecipe())
    return Layer(tissue.mask, tissue.spacing.x / slide.spacing.x, tissue.spacing.y / slide.spacing.y)


def white_share(pixels: NDArray[np.uint8]) -> float:
    """Share of px that are nearly white.

    Args:
        pixels: (height, width, 3).
    """
    return float((pixels.min(axis=-1) > NEAR_WHITE).mean())
