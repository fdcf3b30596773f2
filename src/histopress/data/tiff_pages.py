"""A TIFF file, written page after page from JPEG tiles that are encoded already.

Written by hand, as the libraries that could do it want an encoder of their own even if it has nothing to do.
See TIFF 6.0 (Adobe, 1992) with Technical Note 2 on JPEG, and the BigTIFF design of libtiff.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import IO

from histopress.core.geometry import Size, Spacing

SHORT, LONG, RATIONAL, LONG8 = (3, "H"), (4, "I"), (5, "I"), (16, "Q")
"""TIFF's number and struct's letter of each type; a RATIONAL is a pair of LONGs."""

JPEG, YCBCR, CENTIMETRE = 7, 6, 3

UM_PER_CM = 10_000.0


@dataclass(frozen=True, slots=True)
class Page:
    """What a page is like.

    Attributes:
        size: px.
        spacing: um/px.
        tile: px a side.
        sharing: px along x and y that share one colour in its tiles.
        reduced: whether it is a coarser version of the first page.
    """

    size: Size
    spacing: Spacing
    tile: int
    sharing: tuple[int, int]
    reduced: bool


@dataclass(frozen=True, slots=True)
class _Field:
    tag: int
    kind: tuple[int, str]
    values: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.values) // (2 if self.kind is RATIONAL else 1)

    @property
    def packed(self) -> bytes:
        return struct.pack(f"<{len(self.values)}{self.kind[1]}", *self.values)


class TiffPages:
    """Pages appended to a file, each a run of tiles and then the directory that points at them."""

    def __init__(self, file: IO[bytes], big: bool) -> None:
        """Begin a file.

        Args:
            file: empty, open for writing bytes.
            big: whether it may grow beyond 4 GiB (BigTIFF).
        """
        self.file = file
        self.offset = LONG8 if big else LONG
        self.counts = "Q" if big else "H"
        file.write(struct.pack("<2sHHH", b"II", 43, 8, 0) if big else struct.pack("<2sH", b"II", 42))
        self.link = file.tell()
        file.write(self._address(0))

    def append(self, page: Page, tiles: Iterator[bytes]) -> None:
        """Write a page.

        Args:
            page: what it is like.
            tiles: complete JPEG streams of tile x tile px, row by row.
        """
        offsets, lengths = [], []
        for tile in tiles:
            offsets.append(self.file.tell())
            lengths.append(len(tile))
            self.file.write(tile)
        self._write_directory(_fields(page, _Field(324, self.offset, tuple(offsets)), tuple(lengths)))

    def _write_directory(self, fields: list[_Field]) -> None:
        self.file.write(b"\0" * (self.file.tell() % 2))
        start, width = self.file.tell(), len(self._address(0))
        entry = 4 + 2 * width
        place = start + struct.calcsize(self.counts) + entry * len(fields) + width
        entries, beyond = [], []
        for field in fields:
            value = field.packed
            if len(value) > width:
                beyond.append(value)
                value, place = self._address(place), place + len(value)
            head = struct.pack(f"<HH{self.offset[1]}", field.tag, field.kind[0], field.count)
            entries.append(head + value.ljust(width, b"\0"))
        count = struct.pack(f"<{self.counts}", len(fields))
        self.file.write(b"".join([count, *entries, self._address(0), *beyond]))
        self._link_to(start, start + len(count) + entry * len(fields))

    def _link_to(self, directory: int, next_link: int) -> None:
        """Let the directory before, or the head of the file, point at this one."""
        self.file.seek(self.link)
        self.file.write(self._address(directory))
        self.file.seek(0, 2)
        self.link = next_link

    def _address(self, value: int) -> bytes:
        return struct.pack(f"<{self.offset[1]}", value)


def _fields(page: Page, offsets: _Field, lengths: tuple[int, ...]) -> list[_Field]:
    """The directory of a page, in the order of its tags as TIFF wants it."""
    return [
        _Field(254, LONG, (int(page.reduced),)),  # NewSubfileType
        _Field(256, LONG, (page.size.width,)),
        _Field(257, LONG, (page.size.height,)),
        _Field(258, SHORT, (8, 8, 8)),  # BitsPerSample
        _Field(259, SHORT, (JPEG,)),  # Compression
        _Field(262, SHORT, (YCBCR,)),  # PhotometricInterpretation
        _Field(277, SHORT, (3,)),  # SamplesPerPixel
        _Field(282, RATIONAL, _rational(UM_PER_CM / page.spacing.x)),  # XResolution
        _Field(283, RATIONAL, _rational(UM_PER_CM / page.spacing.y)),  # YResolution
        _Field(284, SHORT, (1,)),  # PlanarConfiguration: colours side by side
        _Field(296, SHORT, (CENTIMETRE,)),  # ResolutionUnit
        _Field(322, LONG, (page.tile,)),  # TileWidth
        _Field(323, LONG, (page.tile,)),  # TileLength
        offsets,
        _Field(325, LONG, lengths),  # TileByteCounts
        _Field(530, SHORT, page.sharing),  # YCbCrSubSampling
    ]


def _rational(value: float) -> tuple[int, int]:
    """Numerator and denominator, each below 2^32 for any plausible resolution."""
    fraction = Fraction(value).limit_denominator(10_000)
    return (fraction.numerator, fraction.denominator)
