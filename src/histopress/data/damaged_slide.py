"""Why a file cannot be read as a slide: a look at its first bytes, and at where its directories point."""

from __future__ import annotations

import struct
from pathlib import Path

from histopress.core.errors import UnreadableSlideError
from histopress.data.tiff_layout import silence

COPY_AGAIN = "copy it again from its source"

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

SIGNS = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"\x89HDF": "an HDF5 file",
    b"PK": "a ZIP archive; unpack it first",
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"%PDF": "a PDF document",
    b"<": "text like a web page; perhaps a log-in page was saved in place of the slide",
}
"""First bytes of files that are taken for slides by mistake, and what to call them."""


def check_file(path: Path) -> None:
    """Make sure that there is a file with something in it.

    Raises:
        UnreadableSlideError: it is missing, a folder, a pipe, empty, or may not be read.
    """
    if not path.exists():
        raise UnreadableSlideError(f"{path}: there is no such file; check the path")
    if path.is_dir():
        raise UnreadableSlideError(
            f"{path}: this is a folder, expected a slide file; name the file itself "
            "(for MIRAX the .mrxs file beside its folder, for DICOM any one .dcm file of the series)"
        )
    if not path.is_file():
        raise UnreadableSlideError(f"{path}: this is a pipe or a device, expected a slide file; name a file")
    try:
        start = _start(path)
    except OSError as error:
        raise UnreadableSlideError(
            f"{path}: the file may not be read ({error.strerror}); check who owns it"
        ) from error
    if not start:
        raise UnreadableSlideError(f"{path}: the file is empty (0 bytes); {COPY_AGAIN}")


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF does."""
    return _start(path).startswith(TIFF_STARTS)


def why_unreadable(path: Path) -> str:
    """What is wrong with a file that no reader knows."""
    start = _start(path)
    if path.suffix.lower() == ".mrxs":
        return (
            f"this is only the index of a MIRAX slide; put its folder {path.stem}/ with the pixels beside it"
        )
    if start.startswith(TIFF_STARTS):
        return missing_end(path) or (
            "this TIFF holds no image that OpenSlide or Pillow can read; save it as a tiled 8-bit RGB TIFF"
        )
    if start[128:132] == b"DICM":
        return "OpenSlide does not take this DICOM file for a slide; give one of type VOLUME of its series"
    if not any(start):
        return f"the file begins with zeros, as if its copy was never finished; {COPY_AGAIN}"
    kind = next((what for sign, what in SIGNS.items() if start.startswith(sign)), "of no known format")
    return (
        f"the file is {kind} (first bytes {start[:8].hex(' ')}), expected a slide that OpenSlide knows "
        f"or a picture named .png, .jpg or .tif; check where it comes from, or {COPY_AGAIN}"
    )


def missing_end(path: Path) -> str | None:
    """What a TIFF file lacks at its end, going by where its directories point; None if it lacks nothing."""
    start = _start(path)
    if not start.startswith(TIFF_STARTS):
        return None
    size = path.stat().st_size
    directory = _first_directory(start)
    if directory >= size:
        return (
            f"the file is cut off: it has {size:,} bytes, but its directory of images should lie at byte "
            f"{directory:,}; {COPY_AGAIN}"
        )
    end = _end_of_pixels(path)
    if end > size:
        return (
            f"the file is cut off: it has {size:,} bytes, but its pixels should reach to byte {end:,}; "
            f"{COPY_AGAIN}"
        )
    return None


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(132)


def _first_directory(start: bytes) -> int:
    """Where the first directory lies: 4 bytes at 4 in a TIFF, 8 bytes at 8 in a BigTIFF."""
    order = "<" if start[:2] == b"II" else ">"
    big = b"+" in start[:4]
    form, position = (f"{order}Q", 8) if big else (f"{order}I", 4)
    offset: int = struct.unpack_from(form, start.ljust(16, b"\0"), position)[0]
    return offset


def _end_of_pixels(path: Path) -> int:
    """The last byte that the tiles and strips of all pages take up; 0 where the directories are damaged."""
    import tifffile

    with silence("tifffile"):
        try:
            with tifffile.TiffFile(path) as tiff:
                return max(
                    (
                        offset + count
                        for page in tiff.pages
                        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
                    ),
                    default=0,
                )
        except Exception:  # noqa: BLE001 - damaged directories raise anything, and then tell nothing of the end
            return 0
