"""Pages written by hand are what other programs read."""

from __future__ import annotations

import io

import numpy as np
import pytest
import simplejpeg
import tifffile

from histopress.core.geometry import Size, Spacing
from histopress.data.tiff_pages import Page, TiffPages


def tile(value: int) -> bytes:
    """A tile of one colour, of odd or even length."""
    data: bytes = simplejpeg.encode_jpeg(np.full((32, 32, 3), value, np.uint8), 90, "RGB", "422")
    return data


@pytest.mark.parametrize("big", [False, True])
def test_pages_and_tags_are_read_back(big: bool) -> None:
    file = io.BytesIO()
    pages = TiffPages(file, big)
    pages.append(Page(Size(70, 40), Spacing(0.25, 0.3), 32, (2, 1), reduced=False), map(tile, range(6)))
    pages.append(Page(Size(18, 10), Spacing(1.0, 1.2), 32, (2, 1), reduced=True), iter([tile(200)]))
    with tifffile.TiffFile(io.BytesIO(file.getvalue())) as tiff:
        assert tiff.is_bigtiff == big
        first, second = (page.aspage() for page in tiff.pages)
        assert (first.shape, second.shape) == ((40, 70, 3), (10, 18, 3))
        assert (first.subfiletype, second.subfiletype) == (0, 1)
        assert first.compression == tifffile.COMPRESSION.JPEG
        assert first.photometric == tifffile.PHOTOMETRIC.YCBCR
        assert first.tags["YCbCrSubSampling"].value == (2, 1)
        assert first.get_resolution("micrometer") == pytest.approx((1 / 0.25, 1 / 0.3))
        assert second.get_resolution("micrometer") == pytest.approx((1.0, 1 / 1.2))
        stored = [
            file.getvalue()[offset : offset + count]
            for offset, count in zip(first.dataoffsets, first.databytecounts, strict=True)
        ]
        assert stored == [tile(value) for value in range(6)]
        assert all(offset % 2 == 0 for offset in (first.offset, second.offset))
