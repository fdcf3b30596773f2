"""Which reader takes a file."""

from __future__ import annotations

from pathlib import Path

from histopress.core.errors import UnreadableSlideError
from histopress.core.location import Location, Url
from histopress.data.damaged_slide import check_file, is_tiff, why_unreadable
from histopress.data.jpeg_slide import JpegSlide
from histopress.data.openslide_slide import OpenSlideSlide
from histopress.data.picture_slide import PictureSlide
from histopress.data.slide import Pixels, ReaderName, Slide
from histopress.data.tiff_layout import OtherLayoutError


def opened(path: Location, spacing: float | None, reader: ReaderName, pixels: Pixels) -> Slide:
    """A slide, open; see `open_slide`."""
    if isinstance(path, Url):
        return _remote_slide(path, spacing, reader, pixels)
    check_file(path)
    why_not = ""
    if reader != "openslide":
        slide, why_not = _jpeg_slide(path, spacing, pixels, reader)
        if slide:
            return slide
    if OpenSlideSlide.knows(path):
        return OpenSlideSlide(path, spacing, why_not)
    if PictureSlide.knows(path):
        return PictureSlide(path, spacing)
    raise UnreadableSlideError(f"{path}: {why_unreadable(path)}")


def _remote_slide(url: Url, spacing: float | None, reader: ReaderName, pixels: Pixels) -> Slide:
    """A slide in an object store, which only the fast reader can read there."""
    remedy = "copy it to a disk, or mount the store"
    if reader == "openslide":
        raise UnreadableSlideError(f"{url}: OpenSlide reads from disks only; {remedy}")
    try:
        return JpegSlide(url, spacing, pixels, reader)
    except OtherLayoutError as error:
        raise UnreadableSlideError(
            f"{url}: from an object store only tiled JPEG and JPEG 2000 TIFFs are read, but of this one: "
            f"{str(error).replace('; ', ', ')}; {remedy}"
        ) from error


def _jpeg_slide(
    path: Path, spacing: float | None, pixels: Pixels, reader: ReaderName
) -> tuple[Slide | None, str]:
    """The slide as the fast reader gives it, or why it does not."""
    if not is_tiff(path):
        return None, "it is no TIFF"
    try:
        return JpegSlide(path, spacing, pixels, reader), ""
    except OtherLayoutError as error:
        return None, str(error)
