"""The reader for plain pictures (PNG, JPEG, TIFF): one level, held in memory, mostly with a given spacing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from histopress.core.errors import UnreadableSlideError
from histopress.core.geometry import Size, Spacing
from histopress.data.slide import RGB, WHITE, Slide
from histopress.data.slide_facts import Level, SlideFacts
from histopress.data.tiff_layout import MICROMETRES

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr")
"""Pillow's names for 8-bit grey, palette and RGB, with or without alpha: what becomes RGB in only one way."""

LARGEST = 160_000_000
"""px; a decoded picture takes 3 bytes a pixel (480 MB at most), and twice that while it is converted."""

ORIENTATION = 0x0112


class PictureSlide(Slide):
    """A plain picture.

    Its stored pixels are used as they lie in the file, as other tools that draw on slides do: an EXIF
    orientation is reported and not applied. Its resolution tag counts as its spacing only when that is
    plausible for a microscope: the 72, 96 or 300 dpi that programs write into PNG and JPEG files say how to
    print it.
    """

    path: Path

    def __init__(self, path: Path, spacing: float | None = None) -> None:
        """Open a picture; pixels are decoded when they are first read.

        Args:
            path: a file for which `knows` is true.
            spacing: um/px, instead of what the file states.

        Raises:
            UnreadableSlideError: it cannot be opened, is too large, or its pixels are not 8-bit RGB or grey.
        """
        self.path = path
        self._lock = Lock()
        self._pixels: RGB | None = None
        self._closed = False
        with _opened(path) as image:
            _check_size(path, image)
            _check_mode(path, image)
            stored, source = _spacing(image)
            super().__init__(spacing, stored)
            self.size = Size(image.width, image.height)
            self.facts = SlideFacts(
                reader="Pillow",
                vendor=f"plain {image.format} picture",
                spacing_source=source,
                icc_profile_bytes=len(image.info.get("icc_profile") or b""),
                extra=_extra(image),
            )
        self.levels = (Level(self.size, 1.0, 1.0),)

    @staticmethod
    def knows(path: Path) -> bool:
        """Whether the file is a picture by its name and by its content."""
        from PIL import UnidentifiedImageError

        if path.suffix.lower() not in SUFFIXES:
            return False
        try:
            with _opened(path):
                return True
        except UnreadableSlideError as error:
            if isinstance(error.__cause__, UnidentifiedImageError):
                return False
            raise

    def _read_level(self, level: int, x: int, y: int, size: Size) -> RGB:
        if self._closed:
            raise UnreadableSlideError(f"{self.path}: the slide was closed; read inside of its `with` block")
        with self._lock:
            if self._pixels is None:
                self._pixels = _decode(self.path)
            pixels = self._pixels
        return pixels[y : y + size.height, x : x + size.width].copy()

    def close(self) -> None:
        """Free the pixels."""
        self._closed = True
        self._pixels = None


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """An open picture; whatever Pillow raises on the way becomes an UnreadableSlideError.

    Pillow's guard against decompression bombs gives way to `LARGEST`, and what it says of odd metadata is
    dropped.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
            with Image.open(path, formats=FORMATS) as image:
                yield image
    except UnreadableSlideError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableSlideError(
            f"{path}: {_too_large(f'over {2 * (Image.MAX_IMAGE_PIXELS or 0):,} px')}"
        ) from error
    except Exception as error:
        raise UnreadableSlideError(
            f"{path}: the picture cannot be decoded: {error}; copy it again from its source"
        ) from error


def _check_size(path: Path, image: Image) -> None:
    pixels = image.width * image.height
    if pixels > LARGEST:
        raise UnreadableSlideError(f"{path}: {_too_large(f'{image.width} x {image.height} = {pixels:,} px')}")


def _too_large(found: str) -> str:
    return (
        f"too large to be held in memory as a plain picture ({found}), expected {LARGEST:,} px at most; "
        "convert it to a tiled pyramid (TIFF), which is read piece by piece"
    )


def _check_mode(path: Path, image: Image) -> None:
    bits = _bits(image)
    if image.mode == "CMYK":
        raise UnreadableSlideError(
            f"{path}: the picture has CMYK colours, which depend on a printer, expected RGB or grey; "
            "convert it to RGB with its colour profile"
        )
    if image.mode not in MODES or bits > 8:
        raise UnreadableSlideError(
            f"{path}: the picture has {bits} bits a channel (Pillow mode {image.mode}), expected 8-bit RGB "
            "or grey; convert it, choosing yourself which values become black and white"
        )


def _bits(image: Image) -> int:
    """Bits a channel: Pillow drops the lower half of 16-bit RGB in silence, so the file itself is asked."""
    if image.format == "TIFF":
        stated = image.tag_v2.get(258, (1,))  # type: ignore[attr-defined]
        return int(max(stated) if isinstance(stated, tuple) else stated)
    if image.format == "PNG":
        with Path(image.filename).open("rb") as file:  # type: ignore[attr-defined]
            return file.read(25)[24]
    return 8


def _decode(path: Path) -> RGB:
    with _opened(path) as image:
        return on_white(image)


def on_white(image: Image) -> RGB:
    """Pixels of an open picture; what is transparent shows white."""
    from PIL import Image as Images

    if not image.has_transparency_data:
        return np.array(image.convert("RGB"))
    image = image.convert("RGBA")
    white = Images.new("RGB", image.size, (WHITE, WHITE, WHITE))
    white.paste(image, mask=image.getchannel("A"))
    return np.array(white)


def _spacing(image: Image) -> tuple[Spacing | None, str]:
    """The spacing in a resolution tag and which tag it is; none if it is not one of a microscope."""
    spacing, source = _tiff_spacing(image) if image.format == "TIFF" else _dpi_spacing(image)
    return (spacing, source) if spacing is not None and spacing.plausible else (None, "")


def _tiff_spacing(image: Image) -> tuple[Spacing | None, str]:
    tags = image.tag_v2  # type: ignore[attr-defined]
    x, y = float(tags.get(282, 0)), float(tags.get(283, 0))
    unit = MICROMETRES.get(tags.get(296, 2))
    if unit is None or x <= 0 or y <= 0:
        return None, ""
    return Spacing(unit / x, unit / y), "TIFF XResolution, YResolution"


def _dpi_spacing(image: Image) -> tuple[Spacing | None, str]:
    x, y = map(float, image.info.get("dpi", (0, 0)))
    if x <= 0 or y <= 0:
        return None, ""
    return Spacing(MICROMETRES[2] / x, MICROMETRES[2] / y), f"{image.format} resolution tag"


def _extra(image: Image) -> dict[str, str]:
    facts = {"mode": image.mode}
    if "dpi" in image.info:
        facts["resolution tag"] = "{:.4g} x {:.4g} dpi".format(*map(float, image.info["dpi"]))
    if (turn := _orientation(image)) != 1:
        facts["EXIF orientation"] = f"{turn}, not applied"
    if (pages := getattr(image, "n_frames", 1)) > 1:
        facts["pages"] = f"{pages}, of which the first is read"
    return facts


def _orientation(image: Image) -> int:
    """1 is upright; EXIF data at the end of a PNG are not looked for, as that would decode all pixels."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    return int(image.getexif().get(ORIENTATION, 1))
