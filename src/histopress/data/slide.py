"""The Slide contract, and `open_slide`, which finds the right reader for a file."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import SpacingError, UnreadableSlideError
from histopress.core.geometry import PLAUSIBLE_SPACING, Box, Point, Size, Spacing
from histopress.data.resample import Patch, resample

RGB = NDArray[np.uint8]
"""(height, width, 3) uint8."""

WHITE = 255

SPACING_REMEDY = "give it in a `spacing` column of the cohort table or with --spacing UM_PER_PX"


@dataclass(frozen=True, slots=True)
class Level:
    """One stored resolution of a slide; `downsample_x` level-0 px make one of its px.

    Attributes:
        size: px of this level.
        downsample_x: level-0 px along x; those of a pyramid are whole numbers, see `Level.of`.
        downsample_y: likewise along y.
        exact: whether the reader can start at every px of this level; if not, it starts close to it.
    """

    size: Size
    downsample_x: float
    downsample_y: float
    exact: bool = True

    @classmethod
    def of(cls, size: Size, full: Size, exact: bool = True) -> Level:
        """The level of this size in a slide whose level 0 has the full size.

        Pyramids are made by merging k x k pixels, and what is left over at the far edges is dropped or
        padded: a level of 2221 px below 4443 px has a downsample of 2, not of 2.0005. Only where no whole k
        explains both sides are the ratios of the sides taken.
        """
        ratio_x, ratio_y = full.width / size.width, full.height / size.height
        k = round(ratio_x if full.width > full.height else ratio_y)
        if abs(full.width / k - size.width) < 1 and abs(full.height / k - size.height) < 1:
            return cls(size, float(k), float(k), exact)
        return cls(size, ratio_x, ratio_y, exact)


@dataclass(frozen=True, slots=True)
class Associated:
    """A picture that comes with a slide: its label, macro photograph or thumbnail."""

    name: str
    size: Size
    icc_profile_bytes: int = 0


@dataclass(frozen=True)
class SlideFacts:
    """What the file says of itself, for `inspect`; nothing here is used in computing.

    Attributes:
        reader: the library that reads it.
        vendor: the format, as the reader calls it.
        spacing_source: which property or tag the spacing comes from; empty if there is none.
        icc_profile_bytes: length of the colour profile, which is reported and not applied.
        bounds: scanned part of the vendor's level 0; the slide's origin is its corner. None if there is none.
        associated: label, macro, thumbnail.
        objective_power: as stated, for example "20"; empty if it is not. Never taken for a spacing.
        extra: anything else worth telling.
    """

    reader: str
    vendor: str
    spacing_source: str = ""
    icc_profile_bytes: int = 0
    bounds: Box | None = None
    associated: tuple[Associated, ...] = ()
    objective_power: str = ""
    extra: dict[str, str] = field(default_factory=dict)


class Slide(ABC):
    """A picture with a physical scale, open for reading. Safe to read from several threads.

    Use it as a context manager. It pickles as how to reopen it.

    Attributes:
        path: the file.
        size: of level 0 in px, within the bounds the vendor gives, if any.
        levels: stored resolutions, finest first.
        facts: what the file says of itself.
    """

    path: Path
    size: Size
    levels: tuple[Level, ...]
    facts: SlideFacts

    def __init__(self, given_spacing: float | None, stored_spacing: Spacing | None) -> None:
        self._given_spacing = given_spacing
        self._stored_spacing = stored_spacing

    @property
    def stated_spacing(self) -> Spacing | None:
        """um/px of level 0 that the file states, plausible or not; None if it states none."""
        return self._stored_spacing

    @property
    def spacing(self) -> Spacing:
        """um/px of level 0: the given one, or else the one that the file states.

        Raises:
            SpacingError: missing, or outside 0.05 to 5 um/px.
        """
        if self._given_spacing is not None:
            spacing = Spacing.square(self._given_spacing)
            origin = "the given spacing"
        elif self._stored_spacing is not None:
            spacing = self._stored_spacing
            origin = f"the spacing in the file ({self.facts.spacing_source})"
        else:
            raise SpacingError(f"{self.path}: {self._what_is_stated()}; {SPACING_REMEDY}")
        if not spacing.plausible:
            low, high = PLAUSIBLE_SPACING
            raise SpacingError(
                f"{self.path}: {origin} is {spacing}, expected {low} to {high} um/px; {SPACING_REMEDY}"
            )
        return spacing

    def _what_is_stated(self) -> str:
        if power := self.facts.objective_power:
            return f"the file states no spacing (an objective of {power}x does not tell the size of a pixel)"
        return "the file states no spacing"

    def read(self, box: Box, spacing: Spacing) -> RGB:
        """The pixels of a box at a spacing, antialiased, from the best stored level.

        Args:
            box: level-0 px; may reach beyond the slide, where the result is white.
            spacing: um/px of the result.

        Returns:
            (height, width, 3) uint8 with `box.size_at(self.spacing, spacing)` pixels.

        Raises:
            UnreadableSlideError: pixels could not be decoded.
            SpacingError: see `spacing`.
        """
        stored = self.spacing
        return self._picture(box, box.size_at(stored, spacing))

    def thumbnail(self, spacing: Spacing) -> RGB:
        """The whole slide at a spacing, read block by block.

        Returns:
            (height, width, 3) uint8: as many pixels of exactly this spacing as it takes to cover the slide,
            from its origin. The last row and column may reach beyond the slide, where they are white.

        Raises:
            UnreadableSlideError: pixels could not be decoded.
            SpacingError: see `spacing`.
        """
        step_x, step_y = spacing.x / self.spacing.x, spacing.y / self.spacing.y
        tiny = 1e-6
        cols = max(1, math.ceil(self.size.width / step_x - tiny))
        rows = max(1, math.ceil(self.size.height / step_y - tiny))
        return self._picture(Box(0.0, 0.0, cols * step_x, rows * step_y), Size(cols, rows))

    def overview(self, longest: int) -> RGB:
        """The whole slide, its longer side at most so many px; needs no spacing, as it is for eyes only."""
        factor = max(1.0, max(self.size.shape) / longest)
        wanted = Size(max(1, round(self.size.width / factor)), max(1, round(self.size.height / factor)))
        return self._picture(Box.whole(self.size), wanted)

    def stored(self, level: int, x: int, y: int, size: Size) -> RGB:
        """Pixels of one level as they are stored, white outside of it; needs no spacing.

        Args:
            level: its number.
            x: px of the level.
            y: px of the level.
            size: px of the level.
        """
        return self._patch(level, x, y, size).pixels

    def _picture(self, box: Box, wanted: Size) -> RGB:
        index = self._best_level(min(box.width / wanted.width, box.height / wanted.height))
        level = self.levels[index]
        on_level = Box(
            box.x / level.downsample_x,
            box.y / level.downsample_y,
            box.width / level.downsample_x,
            box.height / level.downsample_y,
        )
        return resample(partial(self._patch, index), on_level, wanted, level.exact)

    def _best_level(self, ratio: float) -> int:
        """The coarsest level that is not coarser than wanted; by 1 % it may be, as spacings are rounded."""
        fine = [i for i, v in enumerate(self.levels) if max(v.downsample_x, v.downsample_y) <= ratio * 1.01]
        return fine[-1] if fine else 0

    def _patch(self, index: int, x: int, y: int, size: Size) -> Patch:
        """Stored pixels of one level, white outside of it, and where they really begin."""
        level = self.levels[index].size
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + size.width, level.width), min(y + size.height, level.height)
        if left >= right or top >= bottom:
            return Patch(np.full((*size.shape, 3), WHITE, np.uint8), x, y)
        inside = self._read_level(index, left, top, Size(right - left, bottom - top))
        begin = self._begins(index, left, top)
        if inside.shape[:2] != size.shape:
            whole = np.full((*size.shape, 3), WHITE, np.uint8)
            whole[top - y : bottom - y, left - x : right - x] = inside
            inside = whole
        return Patch(inside, begin.x - (left - x), begin.y - (top - y))

    @abstractmethod
    def _read_level(self, level: int, x: int, y: int, size: Size) -> RGB:
        """Stored pixels of one level, never asked for beyond it; raises UnreadableSlideError."""

    def _begins(self, level: int, x: int, y: int) -> Point:
        """Where pixels asked for at (x, y) really begin, px of the level; elsewhere only if not exact."""
        return Point(x, y)

    @abstractmethod
    def close(self) -> None:
        """Let go of the file; reading afterwards is an error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (open_slide, (self.path, self._given_spacing))


def open_slide(path: str | Path, spacing: float | None = None) -> Slide:
    """Open a slide or a plain picture.

    OpenSlide is asked first (SVS, NDPI, MRXS, SCN, BIF, VMS, DICOM, tiled TIFF, ...); what it does not know
    is tried as a plain picture (PNG, JPEG, TIFF). A slide that OpenSlide knows but cannot open is an error:
    it is never read as a picture instead, which would lose its spacing and its levels.

    Args:
        path: the file.
        spacing: um/px of level 0; overrides what the file states, and is needed where it states none.

    Raises:
        UnreadableSlideError: the file is missing, damaged or of no known format.
    """
    from histopress.data.damaged_slide import check_file, why_unreadable
    from histopress.data.openslide_slide import OpenSlideSlide
    from histopress.data.picture_slide import PictureSlide

    path = Path(path)
    check_file(path)
    if OpenSlideSlide.knows(path):
        return OpenSlideSlide(path, spacing)
    if PictureSlide.knows(path):
        return PictureSlide(path, spacing)
    raise UnreadableSlideError(f"{path}: {why_unreadable(path)}")
