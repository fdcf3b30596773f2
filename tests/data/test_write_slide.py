"""Written slides come back with their size, spacing, levels and pixels; whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import openslide
import pytest
from numpy.typing import NDArray
from PIL import Image

from histopress.core.geometry import Box, Size, Spacing
from histopress.data import write_slide as module
from histopress.data.openslide_slide import OpenSlideSlide
from histopress.data.slide import open_slide
from histopress.data.write_slide import write_slide

Pixels = NDArray[np.uint8]

SPACING = Spacing(0.251, 0.333)


def smooth(height: int, width: int) -> Pixels:
    rows, cols = np.mgrid[:height, :width] + 0.5
    waves = [np.sin(cols / 9 + rows / 31), np.cos(rows / 12 - cols / 40), np.sin((cols + rows) / 14)]
    return np.rint(128 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def psnr(a: Pixels, b: Pixels) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


@pytest.mark.parametrize(
    ("width", "height"), [(1001, 763), (256, 100), (300, 257), (5, 3), (512, 768), (40, 900)]
)
def test_size_spacing_and_pixels_come_back(tmp_path: Path, width: int, height: int) -> None:
    pixels = smooth(height, width)
    write_slide(tmp_path / "a.tif", Size(width, height), SPACING, pixels, quality=95, subsampling="444")
    with open_slide(tmp_path / "a.tif", reader="openslide") as slide:
        assert isinstance(slide, OpenSlideSlide)
        assert slide.size == Size(width, height)
        assert slide.spacing.x == pytest.approx(SPACING.x, rel=1e-6)
        assert slide.spacing.y == pytest.approx(SPACING.y, rel=1e-6)
        assert psnr(slide.read(Box.whole(slide.size), slide.spacing), pixels) > 42


@pytest.mark.parametrize(("factor", "expected"), [(2, [1001, 501, 251, 126]), (4, [1001, 251, 63])])
def test_levels_are_means_of_the_pixels(tmp_path: Path, factor: int, expected: list[int]) -> None:
    pixels = smooth(763, 1001)
    write_slide(
        tmp_path / "a.tif",
        Size(1001, 763),
        SPACING,
        pixels,
        factor=factor,
        tile=128,
        quality=98,
        subsampling="444",
    )
    with openslide.OpenSlide(tmp_path / "a.tif") as slide:
        assert [width for width, _ in slide.level_dimensions] == expected
        image = Image.fromarray(pixels)
        for level, size in enumerate(slide.level_dimensions[1:], start=1):
            image = image.reduce(factor)
            stored = np.array(slide.read_region((0, 0), level, size).convert("RGB"))
            assert psnr(stored, np.array(image)) > 42


@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
def test_colours_survive_every_subsampling(tmp_path: Path, subsampling: str) -> None:
    pixels = smooth(300, 500)
    write_slide(tmp_path / "a.tif", Size(500, 300), SPACING, pixels, quality=95, subsampling=subsampling)
    with open_slide(tmp_path / "a.tif") as slide:
        assert psnr(slide.read(Box.whole(slide.size), slide.spacing), pixels) > 36


def test_quality_buys_likeness_with_bytes(tmp_path: Path) -> None:
    pixels = smooth(300, 500)
    sizes, likeness = [], []
    for quality in (30, 90):
        write_slide(tmp_path / "a.tif", Size(500, 300), SPACING, pixels, quality=quality)
        sizes.append((tmp_path / "a.tif").stat().st_size)
        with open_slide(tmp_path / "a.tif") as slide:
            likeness.append(psnr(slide.read(Box.whole(slide.size), slide.spacing), pixels))
    assert sizes[0] < sizes[1]
    assert likeness[0] < likeness[1]


def test_bands_of_rows_give_the_same_file_as_an_array(tmp_path: Path) -> None:
    pixels = smooth(763, 1001)
    asked = []

    def rows(start: int, stop: int) -> Pixels:
        asked.append((start, stop))
        return pixels[start:stop]

    write_slide(tmp_path / "a.tif", Size(1001, 763), SPACING, pixels)
    write_slide(tmp_path / "b.tif", Size(1001, 763), SPACING, rows)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    assert asked == [(0, 256), (256, 512), (512, 763)]


def test_a_bigtiff_holds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = smooth(763, 1001)
    write_slide(tmp_path / "a.tif", Size(1001, 763), SPACING, pixels)
    monkeypatch.setattr(module, "LARGE", 1000)
    write_slide(tmp_path / "b.tif", Size(1001, 763), SPACING, pixels)
    assert (tmp_path / "b.tif").read_bytes()[:4] == b"II+\0"
    with open_slide(tmp_path / "a.tif") as small, open_slide(tmp_path / "b.tif") as big:
        assert small.levels == big.levels
        assert small.spacing == big.spacing
        assert np.array_equal(small.thumbnail(Spacing(0.8, 0.7)), big.thumbnail(Spacing(0.8, 0.7)))


def test_no_other_library_is_needed_to_encode(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['imagecodecs'] = None; sys.modules['tifffile'] = None\n"
        "import numpy as np\n"
        "from histopress.core.geometry import Size, Spacing\n"
        "from histopress.data.write_slide import write_slide\n"
        "pixels = np.zeros((40, 60, 3), np.uint8)\n"
        f"write_slide({str(tmp_path / 'a.tif')!r}, Size(60, 40), Spacing(0.5, 0.5), pixels)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.size == Size(60, 40)


@pytest.mark.parametrize(
    "bad", [smooth(100, 59), smooth(99, 60), smooth(100, 60)[..., :2], smooth(100, 60) / 2]
)
def test_other_rows_than_asked_for_leave_no_file(tmp_path: Path, bad: Pixels) -> None:
    with pytest.raises(ValueError, match=r"expected \(100, 60, 3\) uint8"):
        write_slide(tmp_path / "a.tif", Size(60, 100), SPACING, bad)
    assert not list(tmp_path.iterdir())


def test_an_error_on_the_way_leaves_the_old_file(tmp_path: Path) -> None:
    def rows(start: int, stop: int) -> Pixels:
        if start:
            raise RuntimeError("out of pixels")
        return np.zeros((stop - start, 60, 3), np.uint8)

    (tmp_path / "a.tif").write_text("old")
    with pytest.raises(RuntimeError, match="out of pixels"):
        write_slide(tmp_path / "a.tif", Size(60, 700), SPACING, rows)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    assert (tmp_path / "a.tif").read_text() == "old"


@pytest.mark.parametrize(
    "options", [{"quality": 0}, {"quality": 101}, {"tile": 100}, {"factor": 3}, {"subsampling": "411"}]
)
def test_options_out_of_range_are_refused(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        write_slide(tmp_path / "a.tif", Size(60, 40), SPACING, smooth(40, 60), **options)  # type: ignore[arg-type]


def test_memory_does_not_grow_with_the_height(tmp_path: Path) -> None:
    tracemalloc = pytest.importorskip("tracemalloc")
    peaks = []
    for height in (1024, 8192):
        tracemalloc.start()
        write_slide(
            tmp_path / "a.tif",
            Size(700, height),
            SPACING,
            lambda a, b: np.full((b - a, 700, 3), 99, np.uint8),
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
