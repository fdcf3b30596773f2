"""The Slide contract, and `open_slide`, which finds the right reader for a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import SpacingError
from histopress.core.geometry import Box, Size, Spacing
from histopress.data.resample import resample

RGB = NDArray[np.uint8]
"""(height, width, 3) uint8."""

SPACING_REMEDY = "give it in a `spacing` column of the cohort table or with --spacing UM_PER_PX"


@dataclass(frozen=True, slots=True)
class Level:
    """One stored resolution of a slide; `downsample_x` level-0 px make one of its px."""

    size: Size
    downsample_x: float
    downsample_y: float


@dataclass(frozen=True)
class SlideFacts:
    """What the file says of itself, for `inspect`; nothing here is used in computing."""

    reader: str
    vendor: str
    spacing_source: str
    icc_profile_bytes: int = 0
    bounds: Box | None = None
    associated: tuple[str, ...] = ()
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
            raise SpacingError(f"{self.path}: the file states no spacing; {SPACING_REMEDY}")
        if not spacing.plausible:
            raise SpacingError(
                f"{self.path}: {origin} is {spacing}, expected 0.05 to 5 um/px; {SPACING_REMEDY}"
            )
        return spacing

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
        ratio_x, ratio_y = spacing.x / self.spacing.x, spacing.y / self.spacing.y
        index = self._best_level(min(ratio_x, ratio_y))
        level = self.levels[index]
        on_level = Box(
            box.x / level.downsample_x,
            box.y / level.downsample_y,
            box.width / level.downsample_x,
            box.height / level.downsample_y,
        )
        wanted = box.size_at(self.spacing, spacing)
        return resample(lambda x, y, size: self._read_level(index, x, y, size), on_level, wanted)

    def _best_level(self, ratio: float) -> int:
        """The coarsest level that is not coarser than wanted (1 % tolerance, as levels are whole px)."""
        fine = [i for i, l in enumerate(self.levels) if max(l.downsample_x, l.downsample_y) <= ratio * 1.01]
        return fine[-1] if fine else 0

    @abstractmethod
    def _read_level(self, level: int, x: int, y: int, size: Size) -> RGB:
        """Stored pixels of one level; outside of the level white; raises UnreadableSlideError."""

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
    is tried as a plain picture (PNG, JPEG, TIFF).

    Args:
        path: the file.
        spacing: um/px of level 0; overrides what the file states, and is needed where it states none.

    Raises:
        UnreadableSlideError: the file is missing, damaged or of no known format.
    """
    raise NotImplementedError
