"""The Slide contract, and `open_slide`, which finds the right reader for a file."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import SpacingError, UnreadableSlideError
from histopress.core.geometry import PLAUSIBLE_SPACING, Box, Size, Spacing
from histopress.data.resample import resample
from histopress.data.slide_facts import Level, SlideFacts

RGB = NDArray[np.uint8]
"""(height, width, 3) uint8."""

WHITE = 255

SPACING_REMEDY = "give it in a `spacing` column of the cohort table or with --spacing UM_PER_PX"


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
        stored = self.levels[level].size
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + size.width, stored.width), min(y + size.height, stored.height)
        if (left, top, right, bottom) == (x, y, x + size.width, y + size.height):
            return self._read_level(level, x, y, size)
        pixels = np.full((*size.shape, 3), WHITE, np.uint8)
        if left < right and top < bottom:
            inside = self._read_level(level, left, top, Size(right - left, bottom - top))
            pixels[top - y : bottom - y, left - x : right - x] = inside
        return pixels

    def _picture(self, box: Box, wanted: Size) -> RGB:
        index = self._best_level(min(box.width / wanted.width, box.height / wanted.height))
        level = self.levels[index]
        on_level = Box(
            box.x / level.downsample_x,
            box.y / level.downsample_y,
            box.width / level.downsample_x,
            box.height / level.downsample_y,
        )
        return resample(partial(self.stored, index), on_level, wanted)

    def _best_level(self, ratio: float) -> int:
        """The coarsest level that is not coarser than wanted; by 1 % it may be, as spacings are rounded."""
        fine = [i for i, v in enumerate(self.levels) if max(v.downsample_x, v.downsample_y) <= ratio * 1.01]
        return fine[-1] if fine else 0

    @abstractmethod
    def _read_level(self, level: int, x: int, y: int, size: Size) -> RGB:
        """Stored pixels of one level, never asked for beyond it; raises UnreadableSlideError."""

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
