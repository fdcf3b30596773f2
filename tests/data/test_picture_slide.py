"""Plain pictures: which are taken, how their pixels become RGB, and when their own resolution counts."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from histopress.core.errors import SpacingError, UnreadableSlideError
from histopress.core.geometry import Box, Size, Spacing
from histopress.data import picture_slide as module
from histopress.data.picture_slide import PictureSlide
from histopress.data.slide import open_slide

Pixels = NDArray[np.uint8]


def noise(height: int = 40, width: int = 60) -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)


def read_all(path: Path) -> Pixels:
    with open_slide(path, spacing=0.5) as slide:
        assert isinstance(slide, PictureSlide)
        return slide.read(Box.whole(slide.size), slide.spacing)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "A.TIFF"])
def test_lossless_pictures_keep_their_pixels(tmp_path: Path, name: str) -> None:
    Image.fromarray(noise()).save(tmp_path / name)
    assert np.array_equal(read_all(tmp_path / name), noise())


def test_a_jpeg_reads_as_pillow_decodes_it(tmp_path: Path) -> None:
    Image.fromarray(noise()).save(tmp_path / "a.jpg", quality=90)
    assert np.array_equal(read_all(tmp_path / "a.jpg"), np.array(Image.open(tmp_path / "a.jpg")))


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    alpha = np.zeros((40, 60), np.uint8)
    alpha[:, 20:40], alpha[:, 40:] = 128, 255
    rgba = np.dstack([noise(), alpha])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    got = read_all(tmp_path / "a.png")
    assert (got[:, :20] == 255).all()
    assert np.array_equal(got[:, 40:], noise()[:, 40:])
    half = noise()[:, 20:40] * (128 / 255) + 255 * (127 / 255)
    assert np.abs(got[:, 20:40] - half).max() <= 1


def test_grey_becomes_equal_red_green_and_blue(tmp_path: Path) -> None:
    grey = noise()[..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert np.array_equal(read_all(tmp_path / "a.png"), np.dstack([grey] * 3))


def test_palettes_are_resolved_with_their_transparency(tmp_path: Path) -> None:
    picture = Image.new("P", (60, 40), 1)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.paste(0, (0, 0, 30, 40))
    picture.save(tmp_path / "a.png", transparency=0)
    got = read_all(tmp_path / "a.png")
    assert (got[:, :30] == 255).all()
    assert (got[:, 30:] == [200, 100, 50]).all()


def deep_grey(path: Path) -> None:
    Image.fromarray(np.full((40, 60), 3000, np.uint16)).save(path)


def floating(path: Path) -> None:
    Image.fromarray(np.full((40, 60), 0.3, np.float32)).save(path)


def cmyk(path: Path) -> None:
    Image.fromarray(noise()).convert("CMYK").save(path)


@pytest.mark.parametrize(
    ("name", "save", "reason"),
    [
        ("a.png", deep_grey, "16 bits a channel"),
        ("a.tif", deep_grey, "16 bits a channel"),
        ("a.tif", floating, "32 bits a channel"),
        ("a.jpg", cmyk, "CMYK"),
        ("a.tif", cmyk, "CMYK"),
    ],
)
def test_what_becomes_rgb_in_more_than_one_way_is_refused(
    tmp_path: Path, name: str, save: Callable[[Path], None], reason: str
) -> None:
    save(tmp_path / name)
    with pytest.raises(UnreadableSlideError, match=rf"{reason}.*expected.*RGB"):
        open_slide(tmp_path / name, spacing=0.5)


def test_deep_rgb_which_pillow_would_cut_in_silence_is_refused(tmp_path: Path) -> None:
    Image.fromarray(noise()).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[24] = 16
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGB"
    with pytest.raises(UnreadableSlideError, match="16 bits a channel"):
        open_slide(tmp_path / "a.png", spacing=0.5)


@pytest.mark.parametrize("dpi", [72, 96, 300])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_a_resolution_for_printing_is_no_spacing(tmp_path: Path, name: str, dpi: int) -> None:
    Image.fromarray(noise()).save(tmp_path / name, dpi=(dpi, dpi))
    with open_slide(tmp_path / name) as slide:
        assert slide.stated_spacing is None
        with pytest.raises(SpacingError, match=r"states no spacing.*--spacing"):
            slide.thumbnail(Spacing(8.0, 8.0))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_resolution_of_a_microscope_is_a_spacing(tmp_path: Path, name: str) -> None:
    Image.fromarray(noise()).save(tmp_path / name, dpi=(25_400 / 0.5, 25_400 / 0.25))
    with open_slide(tmp_path / name) as slide:
        assert slide.spacing.x == pytest.approx(0.5, rel=1e-4)
        assert slide.spacing.y == pytest.approx(0.25, rel=1e-4)
        assert "esolution" in slide.facts.spacing_source


def test_resolutions_in_centimetres_and_without_a_unit(tmp_path: Path) -> None:
    for unit, expected in ((3, Spacing(0.5, 0.25)), (1, None)):
        Image.fromarray(noise()).save(tmp_path / "a.tif", tiffinfo={282: 20_000.0, 283: 40_000.0, 296: unit})
        with open_slide(tmp_path / "a.tif") as slide:
            assert slide.stated_spacing == expected


def test_an_exif_orientation_is_told_and_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise()).save(tmp_path / "a.png", exif=exif)
    with open_slide(tmp_path / "a.png", spacing=0.5) as slide:
        assert slide.size == Size(60, 40)
        assert slide.facts.extra["EXIF orientation"] == "6, not applied"
    assert np.array_equal(read_all(tmp_path / "a.png"), noise())


def test_further_pages_are_told(tmp_path: Path) -> None:
    first, second = Image.fromarray(noise()), Image.fromarray(255 - noise())
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    with open_slide(tmp_path / "a.tif", spacing=0.5) as slide:
        assert slide.facts.extra["pages"].startswith("2")
    assert np.array_equal(read_all(tmp_path / "a.tif"), noise())


def test_a_picture_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(noise()).save(tmp_path / "a.png")
    monkeypatch.setattr(module, "LARGEST", 2000)
    with pytest.raises(UnreadableSlideError, match=r"60 x 40 = 2,400 px.*expected 2,000 px at most.*pyramid"):
        open_slide(tmp_path / "a.png", spacing=0.5)


@pytest.mark.parametrize(("limit", "refused"), [(2000, False), (1000, True)])
def test_pillows_own_guard_warns_nobody_and_is_told_in_our_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, refused: bool
) -> None:
    Image.fromarray(noise()).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    if refused:
        with pytest.raises(UnreadableSlideError, match="too large to be held in memory"):
            open_slide(tmp_path / "a.png", spacing=0.5)
    else:
        assert read_all(tmp_path / "a.png").shape == (40, 60, 3)


def test_cut_off_pixels_are_an_error_when_read(tmp_path: Path) -> None:
    Image.fromarray(noise(400, 600)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with (
        open_slide(tmp_path / "a.png", spacing=0.5) as slide,
        pytest.raises(UnreadableSlideError, match=r"a\.png: the picture cannot be decoded"),
    ):
        slide.read(Box(0, 0, 20, 10), Spacing(0.5, 0.5))


def test_a_jpeg_under_a_slides_name_is_no_picture(tmp_path: Path) -> None:
    for name, reason in (("a.mrxs", "index of a MIRAX slide"), ("a.svs", "the file is a JPEG picture")):
        Image.fromarray(noise()).save(tmp_path / name, format="JPEG")
        with pytest.raises(UnreadableSlideError, match=reason):
            open_slide(tmp_path / name, spacing=0.5)


def test_pickled_it_opens_again_and_closed_it_reads_no_more(tmp_path: Path) -> None:
    Image.fromarray(noise()).save(tmp_path / "a.png")
    slide = open_slide(tmp_path / "a.png", spacing=0.5)
    with pickle.loads(pickle.dumps(slide)) as copy:
        assert copy.spacing == Spacing(0.5, 0.5)
        assert np.array_equal(copy.read(Box(3, 4, 20, 10), copy.spacing), noise()[4:14, 3:23])
    slide.close()
    with pytest.raises(UnreadableSlideError, match="was closed"):
        slide.read(Box(3, 4, 20, 10), slide.spacing)


def test_what_is_read_can_be_changed_without_changing_the_picture(tmp_path: Path) -> None:
    Image.fromarray(noise()).save(tmp_path / "a.png")
    with open_slide(tmp_path / "a.png", spacing=0.5) as slide:
        slide.read(Box(0, 0, 60, 40), slide.spacing)[:] = 0
        assert np.array_equal(slide.read(Box(0, 0, 60, 40), slide.spacing), noise())
