"""What a TIFF says of itself, by vendor; and what is left to other readers, with the reason."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
import tifffile

from histopress.core.geometry import Size, Spacing
from histopress.data.jpeg_slide import JpegSlide
from histopress.data.slide import open_slide
from histopress.data.tiff_layout import OtherLayoutError, TiffLayout, read_layout

TILE = 128


def picture(height: int, width: int) -> np.ndarray:
    rows, cols = np.mgrid[:height, :width]
    return np.stack([rows % 256, cols % 256, (rows + cols) // 5 % 256], axis=-1).astype(np.uint8)


def tiles(pixels: np.ndarray) -> list[bytes]:
    """JPEG tiles of 4:4:4 luminance and chroma, row by row."""
    padded = np.pad(pixels, [(0, -n % TILE) for n in pixels.shape[:2]] + [(0, 0)], mode="edge")
    return [
        simplejpeg.encode_jpeg(
            np.ascontiguousarray(padded[y : y + TILE, x : x + TILE]), colorsubsampling="444"
        )
        for y in range(0, padded.shape[0], TILE)
        for x in range(0, padded.shape[1], TILE)
    ]


def page(tiff: tifffile.TiffWriter, pixels: np.ndarray, **options: Any) -> None:
    tiff.write(
        iter(tiles(pixels)), shape=pixels.shape, dtype=np.uint8, tile=(TILE, TILE), photometric="ycbcr",
        subsampling=(1, 1), compression="jpeg", metadata=None, **{"software": False, **options},
    )  # fmt: skip


def layout(path: Path) -> TiffLayout:
    with path.open("rb") as file:
        return read_layout(file, "test")


OME = """<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="{x}" SizeY="{y}"
 SizeC="3" SizeZ="1" SizeT="1" PhysicalSizeX="{sx}" PhysicalSizeY="{sy}" {unit}>
<Channel ID="C:0" SamplesPerPixel="3"/><TiffData IFD="0"/></Pixels></Image></OME>"""


@pytest.mark.parametrize(
    ("sizes", "unit"),
    [((0.25, 0.3), ""), ((250, 300), 'PhysicalSizeXUnit="nm" PhysicalSizeYUnit="nm"'),
     ((0.00025, 0.0003), 'PhysicalSizeXUnit="mm" PhysicalSizeYUnit="mm"')],
)  # fmt: skip
def test_ome_tiff_with_its_levels_below_the_first(
    tmp_path: Path, sizes: tuple[float, float], unit: str
) -> None:
    path, pixels = tmp_path / "a.ome.tif", picture(500, 700)
    text = OME.format(x=700, y=500, sx=sizes[0], sy=sizes[1], unit=unit)
    with tifffile.TiffWriter(path) as tiff:
        page(tiff, pixels, description=text, subifds=1)
        page(tiff, pixels[::2, ::2], subfiletype=1)
    found = layout(path)
    assert found.facts.vendor == "ome-tiff"
    assert [level.size for level in found.levels] == [Size(700, 500), Size(350, 250)]
    assert found.spacing is not None
    assert (found.spacing.x, found.spacing.y) == pytest.approx((0.25, 0.3))
    with open_slide(path) as slide:
        assert isinstance(slide, JpegSlide)
        seen = slide.thumbnail(slide.spacing)
    assert seen.shape == (500, 700, 3)
    assert np.abs(seen.astype(int) - pixels)[:255, :255].mean() < 3


PHILIPS = """<?xml version="1.0" encoding="UTF-8" ?><DataObject ObjectType="DPUfsImport">
<Attribute Name="PIM_DP_SCANNED_IMAGES" Group="0x301D" Element="0x1003" PMSVR="IDataObjectArray"><Array>
<DataObject ObjectType="DPScannedImage"><Attribute Name="DICOM_PIXEL_SPACING">"0.009" "0.009"</Attribute>
<Attribute Name="PIM_DP_IMAGE_TYPE">MACROIMAGE</Attribute></DataObject>
<DataObject ObjectType="DPScannedImage"><Attribute Name="PIM_DP_IMAGE_TYPE">WSI</Attribute>
<Attribute Name="DICOM_PIXEL_SPACING">"0.000227" "0.000226"</Attribute>
<Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE"><Array>
<DataObject ObjectType="PixelDataRepresentation"><Attribute Name="DICOM_PIXEL_SPACING">"0.000227" "0.000226"
</Attribute></DataObject>
<DataObject ObjectType="PixelDataRepresentation"><Attribute Name="DICOM_PIXEL_SPACING">"0.000454" "0.000452"
</Attribute></DataObject></Array></Attribute></DataObject>
</Array></Attribute></DataObject>"""


def philips(path: Path) -> np.ndarray:
    """Levels are padded to whole tiles, as Philips scanners write them; the third tile was not scanned."""
    full = picture(5 * TILE, 7 * TILE)
    half = np.pad(full[::2, ::2], ((0, -(5 * TILE // 2) % TILE), (0, -(7 * TILE // 2) % TILE), (0, 0)))
    with tifffile.TiffWriter(path) as tiff:
        page(tiff, full, description=PHILIPS, software="Philips DP v1.0")
        page(tiff, half, subfiletype=1, software="Philips DP v1.0")
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags["TileByteCounts"]
        at, size = tag.valueoffset, tag.valuebytecount // tag.count
    with path.open("r+b") as file:
        file.seek(at + 2 * size)
        file.write(bytes(size))
    return full


def test_philips_tiff_with_padded_levels_and_tiles_that_were_not_scanned(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    full = philips(path)
    found = layout(path)
    assert found.facts.vendor == "philips"
    assert found.spacing is not None
    assert (found.spacing.x, found.spacing.y) == pytest.approx((0.226, 0.227))
    assert [(p.downsample_x, p.downsample_y) for p in found.places] == [(1, 1), (2, 2)]
    with JpegSlide(path) as slide:
        seen = slide.stored(0, 0, 0, Size(7 * TILE, TILE))
    assert (seen[:, 2 * TILE : 3 * TILE] == 255).all(), "what was not scanned is white"
    assert np.abs(seen[:, :TILE].astype(int) - full[:TILE, :TILE]).mean() < 3


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("CENTIMETER", Spacing(0.25, 0.2)), ("INCH", Spacing(0.635, 0.508)), ("NONE", None)],
)
def test_resolution_counts_where_its_unit_is_a_length(
    tmp_path: Path, unit: str, expected: Spacing | None
) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        page(tiff, picture(200, 300), resolution=(40_000, 50_000), resolutionunit=unit)
    found = layout(path).spacing
    assert (found is None) == (expected is None)
    if found and expected:
        assert (found.x, found.y) == pytest.approx((expected.x, expected.y))


def written(path: Path, **options: Any) -> Path:
    tifffile.imwrite(path, picture(300, 400), **options)
    return path


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tile": (64, 64), "compression": "deflate", "photometric": "rgb"}, "compressed as .*DEFLATE"),
        ({"photometric": "rgb"}, "compressed as NONE"),
    ],
)
def test_other_layouts_are_left_to_other_readers(
    tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(OtherLayoutError, match=reason):
        layout(written(tmp_path / "a.tif", **options))


def test_what_cannot_be_parsed_is_left_to_other_readers() -> None:
    with pytest.raises(OtherLayoutError, match="cannot be parsed"):
        read_layout(io.BytesIO(b"II*\0" + bytes(range(200))), "test")


def test_tiles_of_another_size_than_stated_are_left_to_other_readers(tmp_path: Path) -> None:
    path, pixels = tmp_path / "a.tif", picture(200, 300)
    small = [simplejpeg.encode_jpeg(np.ascontiguousarray(pixels[:64, :64])) for _ in range(6)]
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            iter(small), shape=pixels.shape, dtype=np.uint8, tile=(TILE, TILE), photometric="ycbcr",
            compression="jpeg", metadata=None,
        )  # fmt: skip
    with pytest.raises(OtherLayoutError, match="64 x 64 px"):
        JpegSlide(path)
