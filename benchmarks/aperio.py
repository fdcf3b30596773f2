"""Files laid out as Aperio does: JPEG tiles that share their tables, a thumbnail, levels x1, x4, x16.

Written by hand from JPEG streams that are there already, so that one stream can be laid down many times
without an encoder. See TIFF 6.0 (Adobe, 1992), its Technical Note 2, and BigTIFF.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from histopress.core.geometry import Size

RGB = NDArray[np.uint8]

BYTES, TEXT, SHORT, LONG, LONG8 = (7, "B"), (2, "B"), (3, "H"), (4, "I"), (16, "Q")
JPEG, YCBCR = 7, 6
SHARING = {"444": (1, 1), "422": (2, 1), "420": (2, 2)}
STEP = 4
"""How many times coarser each level is than the one above it."""


class Stream(NamedTuple):
    """A JPEG picture, taken apart: tables that many can share, and the rest."""

    tables: bytes
    rest: bytes


def split(jpeg: bytes) -> Stream:
    """A whole JPEG stream -> a stream of its tables alone, and one without them."""
    tables, rest, place = b"", jpeg[:2], 2
    while jpeg[place + 1] != 0xDA:
        marker, length = jpeg[place + 1], struct.unpack(">H", jpeg[place + 2 : place + 4])[0]
        segment = jpeg[place : place + 2 + length]
        if marker in (0xDB, 0xC4):
            tables += segment
        elif marker not in (0xE0, 0xEE):
            rest += segment
        place += 2 + length
    return Stream(b"\xff\xd8" + tables + b"\xff\xd9", rest + jpeg[place:])


@dataclass(frozen=True)
class Coding:
    """How pixels become tiles: px a side, JPEG quality, and how colours are shared ("420", "422", "444")."""

    tile: int
    quality: int
    subsampling: str

    def jpeg(self, pixels: RGB) -> bytes:
        """Pixels as a whole JPEG stream."""
        pixels = np.ascontiguousarray(pixels)
        return simplejpeg.encode_jpeg(pixels, self.quality, "RGB", self.subsampling)

    @property
    def tables(self) -> bytes:
        """The tables that all tiles share; they depend on the quality alone."""
        return split(self.jpeg(np.zeros((self.tile, self.tile, 3), np.uint8))).tables

    def tiles(self, band: RGB) -> list[bytes]:
        """The tiles of one row of them; what they lack at the far edges repeats the last pixel."""
        height, width, _ = band.shape
        side = self.tile
        band = np.pad(band, ((0, -height % side), (0, -width % side), (0, 0)), mode="edge")
        cut = (band[:side, left : left + side] for left in range(0, width, side))
        return [split(self.jpeg(tile)).rest for tile in cut]


class AperioFile:
    """Pages appended to a file that is open for writing: level 0, then one thumbnail, then lower levels.

    Args:
        file: empty.
        size: of level 0.
        spacing: um/px of level 0.
        coding: of all levels.
    """

    def __init__(self, file: IO[bytes], size: Size, spacing: float, coding: Coding) -> None:
        self.file, self.size, self.spacing, self.coding = file, size, spacing, coding
        self.tables = coding.tables
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
        self.link = 8

    def level(self, size: Size, tiles: Iterable[bytes]) -> None:
        """Append a level, tile by tile, row by row, each without its tables."""
        side = self.coding.tile
        shape = [(322, LONG, (side,)), (323, LONG, (side,)), (347, BYTES, self.tables)]
        self._page(size, tiles, shape, (324, 325), self._text(size))

    def thumbnail(self, pixels: RGB) -> None:
        """Append the small picture that Aperio keeps as the second page, one strip."""
        size = Size(pixels.shape[1], pixels.shape[0])
        strip = [self.coding.jpeg(pixels)]
        self._page(size, strip, [(278, LONG, (size.height,))], (273, 279), self._text(size))

    def _text(self, size: Size) -> bytes:
        own, side = self.size, self.coding.tile
        smaller = "" if size == own else f" -> {size.width}x{size.height}"
        return (
            f"Aperio Image Library v12.0.15 \r\n{own.width}x{own.height} "
            f"[0,0 {own.width}x{own.height}] ({side}x{side}){smaller} JPEG/RGB Q={self.coding.quality}"
            f"|AppMag = {round(10 / self.spacing)}|MPP = {self.spacing:.4f}|Filename = made for benchmarks\0"
        ).encode()

    def _page(
        self,
        size: Size,
        parts: Iterable[bytes],
        shape: list[tuple[int, tuple[int, str], Sequence[int]]],
        where: tuple[int, int],
        text: bytes,
    ) -> None:
        offsets, lengths, place = [], [], self.file.seek(0, 2)
        for part in parts:
            offsets.append(place)
            lengths.append(len(part))
            place += self.file.write(part)
        fields = [
            (256, LONG, (size.width,)),
            (257, LONG, (size.height,)),
            (258, SHORT, (8, 8, 8)),
            (259, SHORT, (JPEG,)),
            (262, SHORT, (YCBCR,)),
            (270, TEXT, text),
            (277, SHORT, (3,)),
            (284, SHORT, (1,)),
            (530, SHORT, SHARING[self.coding.subsampling]),
            (where[0], LONG8, offsets),
            (where[1], LONG, lengths),
            *shape,
        ]
        self._directory(sorted(fields, key=lambda field: field[0]))

    def _directory(self, fields: list[tuple[int, tuple[int, str], Sequence[int]]]) -> None:
        self.file.write(b"\0" * (-self.file.tell() % 8))
        start = self.file.tell()
        place = start + 8 + 20 * len(fields) + 8
        entries, beyond = b"", b""
        for tag, (kind, letter), values in fields:
            packed = struct.pack(f"<{len(values)}{letter}", *values)
            if len(packed) > 8:
                where = struct.pack("<Q", place + len(beyond))
                beyond += packed + b"\0" * (-len(packed) % 8)
                packed = where
            entries += struct.pack("<HHQ8s", tag, kind, len(values), packed)
        self.file.write(struct.pack("<Q", len(fields)) + entries + struct.pack("<Q", 0) + beyond)
        self.file.seek(self.link)
        self.file.write(struct.pack("<Q", start))
        self.link = start + 8 + len(entries)
        self.file.seek(0, 2)
