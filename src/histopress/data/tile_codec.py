"""Compressed tiles of a level -> pixels, whole or at a half, a quarter or an eighth of their size."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from histopress.data.tiff_layout import APERIO_YCC, JPEG, OtherLayoutError, TiledLevel

if TYPE_CHECKING:
    from PIL.Image import Image

SCALES = (1, 2, 4, 8)
"""px of a stored tile, a side, that become one; what both kinds of JPEG can give."""

START, END = b"\xff\xd8", b"\xff\xd9"
FRAME_STARTS = (0xC0, 0xC1, 0xC2)
"""Baseline, extended and progressive Huffman frames."""
APP0, APP14, SCAN_START = 0xE0, 0xEE, 0xDA
SIZ, COD = 0xFF51, 0xFF52


class TileDamage(ValueError):  # noqa: N818 - a fact about one tile, handled where tiles are read
    """A tile cannot be decoded."""


class TileCodec(Protocol):
    """Decodes the tiles of one level. Safe to use from several threads.

    Attributes:
        name: of the coding.
        scales: at which it can decode, finest first.
        averages: whether a px at a scale is the mean of those it covers, rather than lying on the first.
    """

    @property
    def name(self) -> str:
        """See above."""

    @property
    def scales(self) -> tuple[int, ...]:
        """See above."""

    @property
    def averages(self) -> bool:
        """See above."""

    def decode(self, data: bytes, scale: int = 1) -> NDArray[np.uint8]:
        """A compressed tile -> (height / scale, width / scale, 3) uint8 RGB.

        Raises:
            TileDamage: it cannot be decoded without errors, or is of another size.
        """

    def decode_many(self, tiles: Sequence[bytes], scale: int = 1) -> list[NDArray[np.uint8] | TileDamage]:
        """Many compressed tiles -> pixels of each, or why there are none."""


def codec_of(level: TiledLevel, first: bytes, gpu: bool = False) -> TileCodec:
    """The codec for the tiles of a level.

    Args:
        level: of the TIFF.
        first: any tile of it, to see whether its coding is what the directory says.
        gpu: have a GPU decode JPEG.

    Raises:
        OtherLayoutError: the coding is one whose colours or sizes could be got wrong.
    """
    try:
        if level.compression != JPEG:
            return Jpeg2000Tiles(level, first)
        if gpu:
            from histopress.data.tile_codec_gpu import GpuJpegTiles

            return GpuJpegTiles(level, first)
        return JpegTiles(level, first)
    except (IndexError, struct.error) as error:
        raise OtherLayoutError("its first tile has no sound header") from error


class _OneByOne:
    """Decodes many tiles one after the other."""

    def decode(self, data: bytes, scale: int = 1) -> NDArray[np.uint8]:
        raise NotImplementedError

    def decode_many(self, tiles: Sequence[bytes], scale: int = 1) -> list[NDArray[np.uint8] | TileDamage]:
        """See `TileCodec.decode_many`."""
        found: list[NDArray[np.uint8] | TileDamage] = []
        for data in tiles:
            try:
                found.append(self.decode(data, scale))
            except TileDamage as damage:
                found.append(damage)
        return found


class JpegTiles(_OneByOne):
    """JPEG by libjpeg-turbo, strictly: an error in the middle of a tile is an error, not grey pixels.

    Tiles of a TIFF are abbreviated streams: their tables are put in front of them, and an Adobe marker that
    says what the TIFF directory says of their colours. Without it decoders take RGB for luminance and chroma.
    """

    name = "JPEG"
    averages = True

    def __init__(self, level: TiledLevel, first: bytes) -> None:
        self.tile = level.tile
        self.scales = SCALES
        transform = 0 if level.rgb else 1
        adobe = struct.pack(">BBH5sHHHB", 0xFF, APP14, 14, b"Adobe", 100, 0, 0, transform)
        tables = level.tables.removeprefix(START).removesuffix(END)
        self._start = START + adobe + tables
        _check_jpeg(level, first, transform)

    def stream(self, data: bytes) -> bytes:
        """A tile as a JPEG stream of its own, with tables and colours."""
        return self._start + data[2:]

    def decode(self, data: bytes, scale: int = 1) -> NDArray[np.uint8]:
        """See `TileCodec.decode`."""
        import simplejpeg

        height, width = self.tile.height // scale, self.tile.width // scale
        try:
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
                self.stream(data), "RGB", min_height=height, min_width=width, min_factor=scale
            )
        except ValueError as error:
            raise TileDamage(f"JPEG: {error}") from error
        if pixels.shape != (height, width, 3):
            raise TileDamage(f"JPEG of {pixels.shape[1]} x {pixels.shape[0]} px, expected {width} x {height}")
        return pixels


def _check_jpeg(level: TiledLevel, first: bytes, transform: int) -> None:
    segments = dict(_segments(first))
    frame = next((segments[marker] for marker in FRAME_STARTS if marker in segments), None)
    if frame is None:
        raise OtherLayoutError("its JPEG tiles are neither baseline nor progressive")
    bits, height, width, colours = struct.unpack_from(">BHHB", frame)
    if (bits, height, width, colours) != (8, level.tile.height, level.tile.width, 3):
        raise OtherLayoutError(
            f"its JPEG tiles are of {width} x {height} px with {colours} colours of {bits} bits, expected "
            f"{level.tile} with 3 of 8"
        )
    own = segments.get(APP14, b"")[11:12]
    if (own and own[0] != transform) or (level.rgb and APP0 in segments):
        raise OtherLayoutError("the colours of its JPEG tiles are stated twice, and differently")


def _segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers of a JPEG stream before its pixels, each with what it holds."""
    at = 2
    while at + 4 <= len(stream) and stream[at + 1] != SCAN_START:
        (length,) = struct.unpack_from(">H", stream, at + 2)
        yield stream[at + 1], stream[at + 4 : at + 2 + length]
        at += 2 + length


class Jpeg2000Tiles(_OneByOne):
    """JPEG 2000 by OpenJPEG; a scale leaves out fine wavelets: each px lies on the first of its block."""

    name = "JPEG 2000"
    averages = False

    def __init__(self, level: TiledLevel, first: bytes) -> None:
        self.tile = level.tile
        self._ycc = level.compression == APERIO_YCC
        halvings = _check_jpeg2000(level, first)
        self.scales = SCALES[: halvings + 1]

    def decode(self, data: bytes, scale: int = 1) -> NDArray[np.uint8]:
        """See `TileCodec.decode`."""
        from PIL import Image

        try:
            with Image.open(io.BytesIO(data), formats=["JPEG2000"]) as image:
                image.reduce = scale.bit_length() - 1  # type: ignore[method-assign, assignment]
                image.load()
                pixels = np.array(_as_rgb(image) if self._ycc else image)
        except (OSError, ValueError, SyntaxError, struct.error) as error:
            raise TileDamage(f"JPEG 2000: {error}") from error
        expected = (self.tile.height // scale, self.tile.width // scale, 3)
        if pixels.shape != expected:
            raise TileDamage(f"JPEG 2000 of shape {pixels.shape}, expected {expected}")
        return pixels


def _as_rgb(image: Image) -> Image:
    from PIL import Image as Images

    return Images.merge("YCbCr", image.split()).convert("RGB")


def _check_jpeg2000(level: TiledLevel, first: bytes) -> int:
    """How many times the tiles of a level can be halved."""
    marker, _, _, right, bottom, left, top = struct.unpack_from(">HHHIIII", first, 2)
    if marker != SIZ or (right - left, bottom - top) != (level.tile.width, level.tile.height):
        raise OtherLayoutError(f"its JPEG 2000 tiles are no code streams of {level.tile}")
    (colours,) = struct.unpack_from(">H", first, 40)
    parts = [struct.unpack_from(">BBB", first, 42 + 3 * colour) for colour in range(colours)]
    if parts != [(7, 1, 1)] * 3:
        raise OtherLayoutError("its JPEG 2000 tiles do not hold three colours of 8 bits and of equal size")
    at = first.index(struct.pack(">H", COD), 42)
    return first[at + 9]
