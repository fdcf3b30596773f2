"""How a tiled TIFF slide is laid out: its pyramid, where the bytes of each tile lie, how they are coded.

Parsed by tifffile. Only what the fast reader can give without a doubt is taken: anything else raises
`OtherLayoutError`, whose message is the reason why a slide is read by OpenSlide.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import HistopressError, UnreadableSlideError
from histopress.core.geometry import Size, Spacing
from histopress.data.slide_facts import Associated, Level, SlideFacts

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

JPEG = 7
JPEG_2000 = (33003, 33004, 33005, 34712)
APERIO_YCC = 33003
RGB, YCBCR = 2, 6
ICC_PROFILE = 34675

MICROMETRES = {2: 25_400.0, 3: 10_000.0}
"""um in the units of ResolutionUnit: inch and centimetre."""

LENGTHS = {"m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "um": 1.0, "nm": 1e-3}

FOREIGN = ("ndpi", "scn", "bif", "sis", "vista", "avs", "eer", "mdgel", "lsm", "fluoview", "indica")
"""tifffile's names of formats whose directories mean something else, or whose tiles overlap."""


class OtherLayoutError(UnreadableSlideError):
    """The file is sound for all that is known, but not laid out as the fast reader wants it."""


@dataclass(frozen=True)
class TiledLevel:
    """One resolution of a tiled TIFF.

    Attributes:
        size: px.
        tile: px.
        offsets: (rows, cols) int64, first byte of each tile.
        counts: (rows, cols) int64, bytes of each tile; 0 where nothing was scanned.
        compression: TIFF's number.
        rgb: whether tiles hold red, green and blue, rather than luminance and chroma.
        tables: JPEG tables that all tiles share, as a stream of their own; empty if there are none.
    """

    size: Size
    tile: Size
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    compression: int
    rgb: bool
    tables: bytes

    def range_of(self, place: tuple[int, int]) -> tuple[int, int]:
        """First byte of the tile in this row and column, and how many bytes it has."""
        return int(self.offsets[place]), int(self.counts[place])

    def inside(self, place: tuple[int, int]) -> Size:
        """Px from the corner of this tile to the far edges of the level."""
        return Size(
            self.size.width - place[1] * self.tile.width, self.size.height - place[0] * self.tile.height
        )


@dataclass(frozen=True)
class TiffLayout:
    """A pyramid of tiled levels, finest first, and what the file says of itself."""

    levels: tuple[TiledLevel, ...]
    places: tuple[Level, ...]
    spacing: Spacing | None
    facts: SlideFacts


def read_layout(file: IO[bytes], reader: str) -> TiffLayout:
    """Parse the directories of a TIFF.

    Args:
        file: open, at any position.
        reader: name of the reader, for the facts.

    Raises:
        OtherLayoutError: another format, or a layout that the fast reader does not know; with the reason.
    """
    import tifffile

    with silence("tifffile"):
        try:
            with tifffile.TiffFile(file) as tiff:
                return _layout(tiff, reader)
        except HistopressError:
            raise
        except Exception as error:  # damaged directories raise anything
            raise OtherLayoutError(f"its TIFF directories cannot be parsed ({error})") from error


@contextmanager
def silence(name: str) -> Iterator[None]:
    """Keep a library from logging what is going to be said in our own words."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _layout(tiff: TiffFile, reader: str) -> TiffLayout:
    foreign = tiff.flags.intersection(FOREIGN)
    if foreign:
        raise OtherLayoutError(f"format {min(foreign)}, which OpenSlide knows better")
    if "MedScan" in str(getattr(tiff.pages.first, "software", "")):
        raise OtherLayoutError("a Trestle slide, whose tiles overlap")
    pages = _pyramid(tiff)
    levels = tuple(_level(page, f"level {number}") for number, page in enumerate(pages))
    vendor = _vendor(tiff)
    spacing, source = SPACINGS[vendor](tiff)
    facts = SlideFacts(
        reader=reader,
        vendor=vendor,
        spacing_source=source if spacing else "",
        icc_profile_bytes=_icc(pages[0]),
        associated=_associated(tiff) if vendor == "aperio" else (),
        objective_power=_aperio(tiff).get("AppMag", "") if vendor == "aperio" else "",
    )
    return TiffLayout(levels, tuple(_places(vendor, levels)), spacing, facts)


def _pyramid(tiff: TiffFile) -> list[TiffPage]:
    """The pages of the first series, finest first."""
    series = tiff.series[0]
    if series.axes != "YXS" or series.ndim != 3:
        raise OtherLayoutError(f"its first image has axes {series.axes}, expected YXS (one colour picture)")
    pages: list[Any] = [level.pages[0] for level in series.levels]
    widths = [page.imagewidth for page in pages]
    if widths != sorted(widths, reverse=True):
        raise OtherLayoutError(f"its levels are {widths} px wide, expected each narrower than the last")
    return pages


def _level(page: TiffPage, name: str) -> TiledLevel:
    _check(page, name)
    tile = Size(page.tilewidth, page.tilelength)
    size = Size(page.imagewidth, page.imagelength)
    padded = Size(
        page.tags["ImageWidth"].value, page.tags["ImageLength"].value
    )  # tifffile mends page.imagewidth
    shape = (-(-padded.height // tile.height), -(-padded.width // tile.width))
    if len(page.dataoffsets) != shape[0] * shape[1]:
        raise OtherLayoutError(
            f"{name} lists {len(page.dataoffsets)} tiles, expected {shape[0]} x {shape[1]}"
        )
    return TiledLevel(
        size=size,
        tile=tile,
        offsets=np.array(page.dataoffsets, np.int64).reshape(shape),
        counts=np.array(page.databytecounts, np.int64).reshape(shape),
        compression=int(page.compression),
        rgb=page.photometric == RGB,
        tables=bytes(page.jpegtables or b""),
    )


def _check(page: TiffPage, name: str) -> None:
    """Refuse a page that is not tiled 8-bit RGB in JPEG or JPEG 2000."""
    if int(page.compression) not in (JPEG, *JPEG_2000):
        raise OtherLayoutError(
            f"{name} is compressed as {_name(page.compression)}, expected JPEG or JPEG 2000"
        )
    wanted: list[tuple[str, object, tuple[object, ...]]] = [
        ("tiled", page.is_tiled, (True,)),
        ("photometric interpretation", int(page.photometric), (RGB, YCBCR)),
        ("samples a pixel", page.samplesperpixel, (3,)),
        ("bits a sample", page.bitspersample, (8,)),
        ("planar configuration", int(page.planarconfig or 1), (1,)),
        ("fill order", int(page.fillorder), (1,)),
    ]
    for what, found, expected in wanted:
        if found not in expected:
            raise OtherLayoutError(f"{name}: {what} {found}, expected {' or '.join(map(str, expected))}")
    if page.tilewidth % 8 or page.tilelength % 8:
        found = Size(page.tilewidth, page.tilelength)
        raise OtherLayoutError(f"{name}: tiles of {found}, expected multiples of 8")


def _name(number: int) -> str:
    """TIFF's name of a number, where it has one."""
    return str(getattr(number, "name", number))


def _places(vendor: str, levels: tuple[TiledLevel, ...]) -> Iterator[Level]:
    full = levels[0].size
    for level in levels:
        if vendor == "philips":  # sizes are padded to whole tiles; each level halves the one before
            k = float(2 ** round(np.log2(full.width / level.size.width)))
            yield Level(level.size, k, k)
        else:
            yield Level.of(level.size, full)


def _vendor(tiff: TiffFile) -> str:
    names = {"svs": "aperio", "ome": "ome-tiff", "philips": "philips"}
    return next((names[flag] for flag in ("svs", "ome", "philips") if flag in tiff.flags), "generic-tiff")


def _aperio(tiff: TiffFile) -> dict[str, str]:
    """The `|name = value` pairs of Aperio's description."""
    pairs = (part.split("=", 1) for part in tiff.pages.first.description.split("|")[1:] if "=" in part)
    return {name.strip(): value.strip() for name, value in pairs}


def _aperio_spacing(tiff: TiffFile) -> tuple[Spacing | None, str]:
    stated = _aperio(tiff).get("MPP", "")
    value = _number(stated)
    return (Spacing.square(value) if value else None), f"aperio MPP = {stated}"


def _ome_spacing(tiff: TiffFile) -> tuple[Spacing | None, str]:
    """PhysicalSizeX and PhysicalSizeY of the first image; its unit is um where none is given."""
    for element in ElementTree.fromstring(tiff.ome_metadata or "<OME/>").iter():
        if element.tag.endswith("}Pixels"):
            size = [_number(element.get(f"PhysicalSize{axis}", "")) for axis in "XY"]
            unit = [LENGTHS.get(element.get(f"PhysicalSize{axis}Unit", "µm"), 0.0) for axis in "XY"]
            x, y = (s * u for s, u in zip(size, unit, strict=True))
            return (Spacing(x, y) if x and y else None), f"OME PhysicalSizeX = {element.get('PhysicalSizeX')}"
    return None, ""


def _philips_spacing(tiff: TiffFile) -> tuple[Spacing | None, str]:
    """DICOM_PIXEL_SPACING of the slide itself: mm between rows, mm between columns."""
    root = ElementTree.fromstring(tiff.philips_metadata or "<DataObject/>")
    for scanned in root.iter("DataObject"):
        attributes = {a.get("Name"): a for a in scanned.findall("Attribute")}
        if getattr(attributes.get("PIM_DP_IMAGE_TYPE"), "text", "") == "WSI":
            named = (a for a in scanned.iter("Attribute") if a.get("Name") == "DICOM_PIXEL_SPACING")
            stated = next((a.text or "" for a in named), "")
            mm = [_number(value) for value in re.findall(r'"([^"]+)"', stated)]
            if len(mm) == 2 and all(mm):
                return Spacing(1000 * mm[1], 1000 * mm[0]), f"philips DICOM_PIXEL_SPACING = {stated}"
    return None, ""


def _resolution_spacing(tiff: TiffFile) -> tuple[Spacing | None, str]:
    """XResolution and YResolution, where their unit is a length."""
    tags = tiff.pages.first.tags
    unit = MICROMETRES.get(int(tags.valueof("ResolutionUnit", default=2)), 0.0)
    per_unit = [_ratio(tags.valueof(f"{axis}Resolution", default=(0, 1))) for axis in "XY"]
    if not unit or not all(per_unit):
        return None, ""
    stated = f"generic-tiff XResolution = {per_unit[0]:.9g}"
    return Spacing(unit / per_unit[0], unit / per_unit[1]), stated


SPACINGS = {
    "aperio": _aperio_spacing,
    "ome-tiff": _ome_spacing,
    "philips": _philips_spacing,
    "generic-tiff": _resolution_spacing,
}


def _ratio(value: tuple[int, int]) -> float:
    return value[0] / value[1] if value[1] else 0.0


def _number(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


def _icc(page: TiffPage) -> int:
    tag = page.tags.get(ICC_PROFILE)
    return int(tag.count) if tag else 0


def _associated(tiff: TiffFile) -> tuple[Associated, ...]:
    """Label, macro and thumbnail of an Aperio slide."""
    pictures = []
    for series in tiff.series[1:]:
        page: Any = series.pages[0]
        pictures.append(Associated(series.name.lower(), Size(page.imagewidth, page.imagelength), _icc(page)))
    return tuple(sorted(pictures, key=lambda picture: picture.name))
