"""The fast reader for tiled JPEG and JPEG 2000 TIFFs: bytes straight from the file, decoded once, at scale.

Its exact pixels are bit for bit those that OpenSlide gives. Its scaled pixels come from decoding a JPEG in
the DCT domain at a half, a quarter or an eighth of its size, which costs half as much and, for pictures, is
as good an average as any resampling filter; see docs/concepts/pixels.md for what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from histopress.core.errors import UnreadableSlideError
from histopress.core.geometry import Lattice, Size
from histopress.core.location import Location
from histopress.data.byte_source import ByteSource, open_bytes, open_file
from histopress.data.damage import BadTile, Damage
from histopress.data.resample import Reader
from histopress.data.slide import RGB, WHITE, Pixels, ReaderName, Slide
from histopress.data.source import Source
from histopress.data.tiff_layout import OtherLayoutError, TiffLayout, TiledLevel, read_layout
from histopress.data.tile_cache import Place, Tile, TileCache
from histopress.data.tile_codec import TileCodec, TileDamage, codec_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from histopress.data.cell_reader import CellReader

NAME = "histopress"

GetTiles = Callable[[Sequence[Place]], dict[Place, Tile]]

LOOKS = 5
"""Tiles of a level that are looked at, at most, to see how its tiles are coded."""

CACHE_BYTES = 16 << 20
"""Decoded tiles kept per open slide and source for reads here and there."""


class JpegSlide(Slide):
    """A tiled TIFF of JPEG or JPEG 2000 tiles: Aperio SVS, generic, OME-TIFF, Philips."""

    def __init__(
        self,
        path: Location,
        spacing: float | None = None,
        pixels: Pixels = "exact",
        reader: ReaderName = "auto",
    ) -> None:
        """Open a slide.

        Args:
            path: of a TIFF, on a disk or in an object store.
            spacing: um/px of level 0, instead of what the file states.
            pixels: exact, or scaled where a coarser spacing is asked for.
            reader: nvjpeg to have a GPU decode.

        Raises:
            OtherLayoutError: another reader should take it; with the reason.
            UnreadableSlideError: the file cannot be read.
        """
        self.path = path
        self.pixels = pixels
        self.reader = reader
        with open_file(path) as file:
            layout = read_layout(file, NAME if reader == "auto" else f"{NAME} with {reader}")
        super().__init__(spacing, layout.spacing)
        self._bytes: ByteSource = open_bytes(path)
        try:
            self._tiled = layout.levels
            self._codecs = tuple(self._codec(level) for level in layout.levels)
        except BaseException:
            self._bytes.close()
            raise
        self.levels = layout.places
        self.size = self.levels[0].size
        self.facts = replace(layout.facts, extra={"stored as": self._coding()})
        self._sources = tuple(self._all_sources(layout))
        self._lock = Lock()
        self._caches: dict[Source, TileCache] = {}

    def _coding(self) -> str:
        """How level 0 is stored, in words."""
        level = self._tiled[0]
        colours = "RGB" if level.rgb else "YCbCr"
        return f"{self._codecs[0].name} tiles of {level.tile}, {colours}; each is decoded once"

    def _codec(self, level: TiledLevel) -> TileCodec:
        present = np.argwhere(level.counts > 0)
        if not len(present):
            raise OtherLayoutError("one of its levels holds no pixels at all")
        reasons = []
        for row, col in present[np.linspace(0, len(present) - 1, LOOKS, dtype=int)]:
            (tile,) = self._bytes.read([level.range_of((int(row), int(col)))])
            try:
                return codec_of(level, tile, gpu=self.reader == "nvjpeg")
            except OtherLayoutError as error:  # perhaps just this tile is damaged
                reasons.append(error)
        raise reasons[0]

    def _all_sources(self, layout: TiffLayout) -> list[Source]:
        found = []
        for number, (level, codec) in enumerate(zip(layout.places, self._codecs, strict=True)):
            for scale in codec.scales if self.pixels == "scaled" else (1,):
                ahead = 0.0 if codec.averages else 0.5 - 0.5 / scale
                found.append(Source.of(number, level, scale, ahead))
        return found

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every level at every scale that its tiles can be decoded at."""
        return self._sources

    def cell_reader(self, lattice: Lattice, cells: NDArray[np.int32], memory: int) -> CellReader:
        """Reads cells from stored tiles that are decoded once; see `Slide.cell_reader`."""
        from histopress.data.tile_plan import PlannedCells, averaged

        with self._lock:
            self._caches.clear()
        source = self._best_source(min(lattice.step_x, lattice.step_y) / lattice.tile)
        if self.pixels == "exact":
            source = averaged(source, lattice, self.levels[source.level])
        return PlannedCells(self, source, lattice, cells, memory)

    def _read_level(self, level: int, x: int, y: int, size: Size) -> RGB:
        return self._read_source(Source.of(level, self.levels[level]), x, y, size)

    def _read_source(self, source: Source, x: int, y: int, size: Size) -> RGB:
        return self.assemble(source, self._cache(source).get, x, y, size)

    def _reader_of(self, source: Source, damage: Damage) -> Reader:
        if damage.on_bad_tile == "fail":
            return partial(self._read_source, source)
        cache = self._cache(source)

        def sound(places: Sequence[Place]) -> dict[Place, Tile]:
            tiles = cache.get(places)
            for found in self.whiten(source, tiles).values():
                damage.add(self.path, found)
            return tiles

        return partial(self.assemble, source, sound)

    def whiten(self, source: Source, tiles: dict[Place, Tile]) -> dict[Place, BadTile]:
        """Put white in the place of damaged tiles; tells which they were."""
        bad = {place: tile for place, tile in tiles.items() if isinstance(tile, TileDamage)}
        tiles.update(dict.fromkeys(bad, self.white_tile(source)))
        return {place: self.bad_tile(source, place, tile) for place, tile in bad.items()}

    def _cache(self, source: Source) -> TileCache:
        with self._lock:
            if source not in self._caches:
                self._caches[source] = TileCache(partial(self.load, source), CACHE_BYTES)
            return self._caches[source]

    def tile_of(self, source: Source) -> Size:
        """Px of a decoded tile of a source."""
        tile = self._tiled[source.level].tile
        return Size(tile.width // source.scale, tile.height // source.scale)

    def assemble(self, source: Source, get: GetTiles, x: int, y: int, size: Size) -> RGB:
        """The pixels of a region that lies within a source, from decoded tiles.

        Raises:
            UnreadableSlideError: one of the tiles has no pixels.
        """
        tile = self.tile_of(source)
        rows = range(y // tile.height, -(-(y + size.height) // tile.height))
        cols = range(x // tile.width, -(-(x + size.width) // tile.width))
        pixels = np.empty((*size.shape, 3), np.uint8)
        self.paste(source, get([(row, col) for row in rows for col in cols]), x, y, pixels)
        return pixels

    def paste(self, source: Source, tiles: dict[Place, Tile], x: int, y: int, pixels: RGB) -> None:
        """Copy into a picture what tiles show of it.

        Args:
            source: that the tiles belong to.
            tiles: some that overlap with the picture.
            x: px of the source at which the picture begins.
            y: likewise.
            pixels: (height, width, 3) uint8, changed in place.

        Raises:
            UnreadableSlideError: one of the tiles has no pixels.
        """
        tile_height, tile_width = self.tile_of(source).shape
        height, width, _ = pixels.shape
        for (row, col), found in tiles.items():
            if isinstance(found, TileDamage):
                raise self.damaged(source, (row, col), found)
            top, left = row * tile_height - y, col * tile_width - x
            pixels[max(0, top) : top + tile_height, max(0, left) : left + tile_width] = found[
                max(0, -top) : height - top, max(0, -left) : width - left
            ]

    def bad_tile(self, source: Source, place: Place, damage: TileDamage) -> BadTile:
        """A damaged tile, as it is reported."""
        tile = self._tiled[source.level].tile
        x, y = place[1] * tile.width, place[0] * tile.height
        return BadTile(source.level, x, y, tile.width, tile.height, str(damage))

    def damaged(self, source: Source, place: Place, damage: TileDamage) -> UnreadableSlideError:
        """The error for a damaged tile."""
        return UnreadableSlideError(
            f"{self.path}: {self.bad_tile(source, place, damage)}; the file is damaged there, copy it again "
            "from its source, or see --on-bad-tile"
        )

    def white_tile(self, source: Source) -> RGB:
        """What stands for a tile without pixels."""
        return np.full((*self.tile_of(source).shape, 3), WHITE, np.uint8)

    def shape_of(self, source: Source) -> tuple[int, int]:
        """(rows, cols) of stored tiles."""
        rows, cols = self._tiled[source.level].counts.shape
        return rows, cols

    def load(self, source: Source, places: Sequence[Place]) -> list[Tile]:
        """Read and decode stored tiles.

        Raises:
            UnreadableSlideError: the file is cut off, or was closed.
        """
        level, codec = self._tiled[source.level], self._codecs[source.level]
        held = self._bytes.read([level.range_of(place) for place in places])
        special = [
            not data or self._needs_mean(source, place) for place, data in zip(places, held, strict=True)
        ]
        plain = [data for data, other in zip(held, special, strict=True) if not other]
        decoded = iter(codec.decode_many(plain, source.scale))
        return [
            self._averaged(source, place, data) if other else next(decoded)
            for place, data, other in zip(places, held, special, strict=True)
        ]

    def _needs_mean(self, source: Source, place: Place) -> bool:
        """Whether a tile is to be decoded whole and averaged: always when exact, else at the edges."""
        if source.scale == 1:
            return False
        level = self._tiled[source.level]
        within = level.inside(place)
        crosses = within.width < level.tile.width or within.height < level.tile.height
        return self.pixels == "exact" or (crosses and self._codecs[source.level].averages)

    def _averaged(self, source: Source, place: Place, data: bytes) -> Tile:
        """A tile as means over its pixels; white where nothing was scanned, and beyond the level."""
        if not data:
            return self.white_tile(source)
        (pixels,) = self._codecs[source.level].decode_many([data])
        if isinstance(pixels, TileDamage):
            return pixels
        return _mean_of_inside(pixels, self._tiled[source.level].inside(place), source.scale)

    def close(self) -> None:
        """Let go of the file."""
        self._bytes.close()
        with self._lock:
            self._caches.clear()


def _mean_of_inside(pixels: RGB, within: Size, scale: int) -> RGB:
    """A tile at the edge of its level, averaged with white in the place of the padding behind the edge."""
    from PIL import Image

    pixels[within.height :] = WHITE
    pixels[:, within.width :] = WHITE
    return np.array(Image.fromarray(pixels).reduce(scale))
