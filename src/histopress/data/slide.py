"""The Slide contract, and `open_slide`, which finds the right reader for a file."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import CutOffError, SpacingError, UnreadableSlideError
from histopress.core.geometry import PLAUSIBLE_SPACING, Box, Size, Spacing
from histopress.core.location import Location, location
from histopress.data.damage import BadTile, Damage
from histopress.data.resample import Reader, resample
from histopress.data.slide_facts import Level, SlideFacts
from histopress.data.source import Source

if TYPE_CHECKING:
    from histopress.core.geometry import Lattice
    from histopress.data.cell_reader import CellReader

RGB = NDArray[np.uint8]
"""(height, width, 3) uint8."""

ReaderName = Literal["auto", "openslide", "nvjpeg"]
"""auto: the fastest that gives the same pixels. openslide: the reference, for every slide that it knows.
nvjpeg: as auto, but a GPU decodes JPEG."""

Pixels = Literal["exact", "scaled"]
"""exact: stored pixels, averaged. scaled: JPEG decoded at a half, a quarter or an eighth if that will do."""

WHITE = 255

TOLERANCE = (1.01, 1.06)
"""How much coarser than wanted a stored level, and one decoded smaller, may be, as spacings are rounded."""

SPACING_REMEDY = "give it in a `spacing` column of the cohort table or with --spacing UM_PER_PX"


class Slide(ABC):
    """A picture with a physical scale, open for reading. Safe to read from several threads.

    Use it as a context manager. It pickles as how to reopen it.

    Attributes:
        path: the file.
        size: of level 0 in px, within the bounds the vendor gives, if any.
        levels: stored resolutions, finest first.
        facts: what the file says of itself.
        reader: with which it is opened again.
        pixels: whether they are exact or scaled.
    """

    path: Location
    size: Size
    levels: tuple[Level, ...]
    facts: SlideFacts
    reader: ReaderName = "auto"
    pixels: Pixels = "exact"

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

    def thumbnail(self, spacing: Spacing, damage: Damage | None = None) -> RGB:
        """The whole slide at a spacing, read block by block.

        Args:
            spacing: um/px.
            damage: told of what cannot be decoded, which is white then; without, it is an error.

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
        return self._picture(Box(0.0, 0.0, cols * step_x, rows * step_y), Size(cols, rows), damage)

    def overview(self, longest: int, damage: Damage | None = None) -> RGB:
        """The whole slide, its longer side at most so many px; needs no spacing, as it is for eyes only.

        Args:
            longest: px.
            damage: as for `thumbnail`.
        """
        factor = max(1.0, max(self.size.shape) / longest)
        wanted = Size(max(1, round(self.size.width / factor)), max(1, round(self.size.height / factor)))
        return self._picture(Box.whole(self.size), wanted, damage)

    def stored(self, level: int, x: int, y: int, size: Size) -> RGB:
        """Pixels of one level as they are stored, white outside of it; needs no spacing.

        Args:
            level: its number.
            x: px of the level.
            y: px of the level.
            size: px of the level.
        """
        source = Source.of(level, self.levels[level])
        return white_around(partial(self._read_source, source), source.size, x, y, size)

    def cell_reader(self, lattice: Lattice, cells: NDArray[np.int32], memory: int) -> CellReader:
        """What reads many cells of this slide well.

        Args:
            lattice: of the slide.
            cells: (tiles, 2) row and col of the cells that are going to be read, best row by row.
            memory: bytes of decoded pixels that may be held, about.
        """
        from histopress.data.cell_reader import OneByOne

        return OneByOne(self, lattice, cells)

    def merged(self, wanted: float) -> tuple[float, float]:
        """How many level-0 px, along x and y, make a px of nearly the wanted spacing without resampling.

        Args:
            wanted: um/px.
        """
        ratio = wanted / self.spacing.mean
        source = self._best_source(ratio)
        factor = max(1, round(ratio / source.downsample_x))
        return source.downsample_x * factor, source.downsample_y * factor

    def _picture(self, box: Box, wanted: Size, damage: Damage | None = None) -> RGB:
        source = self._best_source(min(box.width / wanted.width, box.height / wanted.height))
        read = self._reader_of(source, damage or Damage("fail"))
        return resample(partial(white_around, read, source.size), source.box(box), wanted)

    def _best_source(self, ratio: float) -> Source:
        """The coarsest source that is not coarser than wanted, the stored one of equals."""
        limits = [ratio * tolerance for tolerance in TOLERANCE]
        fine = [s for s in self.sources if max(s.downsample_x, s.downsample_y) <= limits[s.scale > 1]]
        return max(fine, key=lambda s: (s.downsample_x, -s.scale)) if fine else self.sources[0]

    @property
    def sources(self) -> tuple[Source, ...]:
        """What pictures can be resampled from: here the stored levels."""
        return tuple(Source.of(number, level) for number, level in enumerate(self.levels))

    def _reader_of(self, source: Source, damage: Damage) -> Reader:
        """Gives pixels of a source, white where they cannot be decoded unless damage is to fail."""

        def read(x: int, y: int, size: Size) -> RGB:
            try:
                return self._read_source(source, x, y, size)
            except CutOffError:
                raise
            except UnreadableSlideError as error:
                if damage.on_bad_tile == "fail":
                    raise
                damage.add(self.path, BadTile.at(source.shown(x, y, size), error))
                return np.full((*size.shape, 3), WHITE, np.uint8)

        return read

    def _read_source(self, source: Source, x: int, y: int, size: Size) -> RGB:
        """Pixels of a source, never asked for beyond it; raises UnreadableSlideError."""
        return self._read_level(source.level, x, y, size)

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
        return (open_slide, (self.path, self._given_spacing, self.reader, self.pixels))


def white_around(read: Reader, inside: Size, x: int, y: int, size: Size) -> RGB:
    """Pixels of a picture, white outside of it.

    Args:
        read: gives pixels of the picture, and is never asked for any beyond it.
        inside: px of the picture.
        x: px from which to read; may lie outside.
        y: likewise.
        size: px wanted.
    """
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + size.width, inside.width), min(y + size.height, inside.height)
    if (left, top, right, bottom) == (x, y, x + size.width, y + size.height):
        return read(x, y, size)
    pixels = np.full((*size.shape, 3), WHITE, np.uint8)
    if left < right and top < bottom:
        pixels[top - y : bottom - y, left - x : right - x] = read(left, top, Size(right - left, bottom - top))
    return pixels


def open_slide(
    path: str | Location, spacing: float | None = None, reader: ReaderName = "auto", pixels: Pixels = "exact"
) -> Slide:
    """Open a slide or a plain picture.

    Tiled JPEG and JPEG 2000 TIFFs (SVS, OME-TIFF, Philips, generic) are read by `JpegSlide`, every other
    format that OpenSlide knows (NDPI, MRXS, SCN, BIF, VMS, DICOM, ...) by OpenSlide; what neither knows is
    tried as a plain picture (PNG, JPEG, TIFF). A slide that OpenSlide knows but cannot open is an error: it
    is never read as a picture instead, which would lose its spacing and its levels.

    Args:
        path: the file, or the address of one that `JpegSlide` reads, such as s3://bucket/a.svs.
        spacing: um/px of level 0; overrides what the file states, and is needed where it states none.
        reader: "auto"; "openslide" to have the reference read all it knows; "nvjpeg" to have a GPU decode.
        pixels: "exact", or "scaled", which is faster where tiles of a coarser spacing than the stored one are
            read from JPEG; see docs/concepts/pixels.md. Only `JpegSlide` makes a difference of it.

    Raises:
        UnreadableSlideError: the file is missing, damaged or of no known format.
        RemoteError: the object store refuses.
    """
    from histopress.data.readers import opened

    return opened(location(path), spacing, reader, pixels)
