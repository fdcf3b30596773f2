"""The reader for every vendor format that OpenSlide knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from histopress.core.errors import UnreadableSlideError
from histopress.core.geometry import Box, Point, Size, Spacing
from histopress.data.shift import MARGIN, unshifted
from histopress.data.slide import RGB, WHITE, Slide
from histopress.data.slide_facts import Associated, Level, SlideFacts

if TYPE_CHECKING:
    from openslide import OpenSlide
    from PIL.Image import Image

CACHE_BYTES = 32 << 20
"""Decoded tiles kept per open slide, some 120 of 256 px, so that reads side by side decode them once."""

LARGEST_TILE = 1 << 26
"""px of a stored tile; decoded it takes 4 bytes a pixel."""

SPACING_PROPERTIES = {
    "aperio": "aperio.MPP",
    "dicom": "dicom.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[1]",
    "generic-tiff": "tiff.XResolution",
    "hamamatsu": "tiff.XResolution",
    "leica": "tiff.XResolution",
    "mirax": "mirax.LAYER_0_LEVEL_0_SECTION.MICROMETER_PER_PIXEL_X",
    "philips": "philips.DICOM_PIXEL_SPACING",
    "ventana": "ventana.ScanRes",
}
"""Where OpenSlide takes openslide.mpp-x from, by vendor; only to be told, never to compute with."""


class OpenSlideSlide(Slide):
    """A slide read by OpenSlide; its origin and size are those of the scanned bounds, if there are any."""

    path: Path
    reader = "openslide"

    def __init__(self, path: Path, spacing: float | None = None, why: str = "") -> None:
        """Open a slide.

        Args:
            path: a file for which `knows` is true.
            spacing: um/px of level 0, instead of what the file states.
            why: no faster reader takes it; told in its facts.

        Raises:
            UnreadableSlideError: OpenSlide cannot open it.
        """
        self.path = path
        self._lock = Lock()
        self._handle: OpenSlide | None = _open(path)
        properties = dict(self._handle.properties)
        _check_tiles(path, properties)
        super().__init__(spacing, _spacing(properties))
        bounds = _bounds(properties)
        self._origin = Point(bounds.x, bounds.y) if bounds else Point(0.0, 0.0)
        dimensions = [Size(*d) for d in self._handle.level_dimensions]
        self._downsamples = tuple(self._handle.level_downsamples)
        full = [Level.of(size, dimensions[0]) for size in dimensions]
        self.levels = tuple(_within(level, bounds) for level in full) if bounds else tuple(full)
        self.size = self.levels[0].size
        self.facts = _facts(properties, bounds, why)

    @staticmethod
    def knows(path: Path) -> bool:
        """Whether OpenSlide takes the file for a slide."""
        from openslide import OpenSlide, OpenSlideError

        try:
            return OpenSlide.detect_format(str(path)) is not None
        except OpenSlideError as error:
            raise UnreadableSlideError(f"{path}: OpenSlide cannot look into the file: {error}") from error

    def _read_level(self, level: int, x: int, y: int, size: Size) -> RGB:
        if not self._is_shifted(level):
            return self._region(level, *self._place(level, x, y)[0], size)
        location, shift = self._place(level, x - MARGIN, y - MARGIN)
        around = Size(size.width + 2 * MARGIN, size.height + 2 * MARGIN)
        return unshifted(self._region(level, *location, around), *shift)

    def _is_shifted(self, level: int) -> bool:
        """Whether a level's own px fall between those that OpenSlide can begin at."""
        own, downsample = self.levels[level], self._downsamples[level]
        on_grid = self._origin.x % own.downsample_x == 0 and self._origin.y % own.downsample_y == 0
        return on_grid and not downsample.is_integer()

    def _place(self, level: int, x: int, y: int) -> tuple[tuple[int, int], tuple[float, float]]:
        """Where in OpenSlide's frame (level-0 px) to read for px (x, y) of a level; how far off that is, px.

        OpenSlide divides by its own downsample, the mean ratio of the sides, and interpolates.
        """
        downsample, own = self._downsamples[level], self.levels[level]
        wanted = (x + self._origin.x / own.downsample_x, y + self._origin.y / own.downsample_y)
        left, top = (round(w * downsample) for w in wanted)
        off = (left / downsample - wanted[0], top / downsample - wanted[1])
        return (left, top), off

    def _region(self, level: int, left: int, top: int, size: Size) -> RGB:
        from openslide import OpenSlideError

        handle = self._open_handle()
        try:
            image = handle.read_region((left, top), level, (size.width, size.height))
        except OpenSlideError:
            image = self._read_afresh(handle, (left, top), level, size)
        return _on_white(image)

    def _open_handle(self) -> OpenSlide:
        handle = self._handle
        if handle is None:
            raise UnreadableSlideError(f"{self.path}: the slide was closed; read inside of its `with` block")
        return handle

    def _read_afresh(self, broken: OpenSlide, location: tuple[int, int], level: int, size: Size) -> Image:
        """Read once more with a handle of its own, and put a sound handle in the place of the broken one.

        After an error an OpenSlide handle fails for ever, also for other threads, whose tiles may be good.
        """
        from openslide import OpenSlideError

        fresh = _open(self.path)
        try:
            image = fresh.read_region(location, level, (size.width, size.height))
        except OpenSlideError as error:
            self._replace(broken, _open(self.path))
            raise UnreadableSlideError(
                f"{self.path}: pixels at {location} of level {level} ({size}) cannot be decoded: {error}; "
                "the file is damaged there, copy it again from its source"
            ) from error
        self._replace(broken, fresh)
        return image

    def _replace(self, broken: OpenSlide, sound: OpenSlide) -> None:
        with self._lock:
            if self._handle is broken:
                self._handle = sound

    def close(self) -> None:
        """Let go of the file; it is closed as soon as no other thread is reading from it."""
        with self._lock:
            self._handle = None


def _open(path: Path) -> OpenSlide:
    from openslide import OpenSlide, OpenSlideCache, OpenSlideError

    try:
        handle = OpenSlide(str(path))
    except OpenSlideError as error:
        raise UnreadableSlideError(
            f"{path}: OpenSlide knows the format but cannot open the file: {error}; "
            "convert it to a tiled JPEG TIFF, or copy it again if it should be sound"
        ) from error
    handle.set_cache(OpenSlideCache(CACHE_BYTES))
    return handle


def _check_tiles(path: Path, properties: Mapping[str, str]) -> None:
    """Refuse tiles that no scanner writes: OpenSlide ends the process if it finds no memory for one."""
    for name, width in properties.items():
        if name.endswith("].tile-width"):
            height = properties[name.replace("width", "height")]
            if int(width) * int(height) > LARGEST_TILE:
                raise UnreadableSlideError(
                    f"{path}: the file says that its tiles are of {width} x {height} px, expected "
                    f"{LARGEST_TILE:,} px at most; its directory is damaged, copy it again from its source"
                )


def _on_white(image: Image) -> RGB:
    """RGBA -> RGB: where nothing was scanned it is white."""
    from PIL import Image as Images

    alpha = image.getchannel("A")
    if alpha.getextrema() == (WHITE, WHITE):
        return np.array(image.convert("RGB"))
    white = Images.new("RGB", image.size, (WHITE, WHITE, WHITE))
    white.paste(image, mask=alpha)
    return np.array(white)


def _within(level: Level, bounds: Box) -> Level:
    """The part of a level that the bounds cover."""
    return Level(
        Size(
            max(1, round(bounds.width / level.downsample_x)),
            max(1, round(bounds.height / level.downsample_y)),
        ),
        level.downsample_x,
        level.downsample_y,
    )


def _bounds(properties: Mapping[str, str]) -> Box | None:
    names = [f"openslide.bounds-{side}" for side in ("x", "y", "width", "height")]
    if not all(name in properties for name in names):
        return None
    return Box(*(float(properties[name]) for name in names))


def _spacing(properties: Mapping[str, str]) -> Spacing | None:
    x, y = properties.get("openslide.mpp-x"), properties.get("openslide.mpp-y")
    return Spacing(float(x), float(y)) if x and y else None


def _facts(properties: Mapping[str, str], bounds: Box | None, why: str) -> SlideFacts:
    vendor = properties.get("openslide.vendor", "unknown")
    source = ""
    if _spacing(properties):
        name = SPACING_PROPERTIES.get(vendor, "")
        raw = properties.get(name)
        source = f"{vendor} {name.rsplit('.')[-1]} = {raw}" if raw else f"{vendor}, openslide.mpp-x"
    return SlideFacts(
        reader="OpenSlide",
        vendor=vendor,
        spacing_source=source,
        icc_profile_bytes=int(properties.get("openslide.icc-size", 0)),
        bounds=bounds,
        associated=_associated(properties),
        objective_power=properties.get("openslide.objective-power", ""),
        extra={"read by OpenSlide because": why} if why else {},
    )


def _associated(properties: Mapping[str, str]) -> tuple[Associated, ...]:
    start, end = "openslide.associated.", ".width"
    names = sorted(k[len(start) : -len(end)] for k in properties if k.startswith(start) and k.endswith(end))
    return tuple(
        Associated(
            name,
            Size(int(properties[f"{start}{name}.width"]), int(properties[f"{start}{name}.height"])),
            int(properties.get(f"{start}{name}.icc-size", 0)),
        )
        for name in names
    )
