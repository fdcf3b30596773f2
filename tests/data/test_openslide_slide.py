"""The OpenSlide reader: real slides, written ones, damaged ones, and a stand-in with bounds and alpha."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from histopress.core.errors import SpacingError, UnreadableSlideError
from histopress.core.geometry import Box, Size, Spacing
from histopress.data import openslide_slide as module
from histopress.data.openslide_slide import OpenSlideSlide
from histopress.data.slide import open_slide as open_any
from histopress.data.write_slide import write_slide

Pixels = NDArray[np.uint8]

open_slide = partial(open_any, reader="openslide")

MPP = {"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.3", "openslide.vendor": "mirax"}


def smooth(height: int, width: int) -> Pixels:
    rows, cols = np.mgrid[:height, :width] + 0.5
    waves = [np.sin(cols / 9 + rows / 31), np.cos(rows / 12 - cols / 40), np.sin((cols + rows) / 14)]
    return np.rint(128 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def written(path: Path, height: int = 700, width: int = 1001) -> Path:
    write_slide(
        path, Size(width, height), Spacing(0.25, 0.3), smooth(height, width), quality=98, subsampling="444"
    )
    return path


def off(a: Pixels, b: Pixels) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())


class Scan:
    """Stands in for an OpenSlide handle: RGBA pixels, of which every 2^level-th make a level."""

    def __init__(self, pixels: Pixels, properties: dict[str, str], levels: int = 1) -> None:
        self.pixels = pixels
        self.properties = properties
        sizes = [(pixels.shape[1] >> level, pixels.shape[0] >> level) for level in range(levels)]
        self.level_dimensions = tuple(sizes)
        self.level_downsamples = tuple(float(1 << level) for level in range(levels))

    def read_region(self, location: tuple[int, int], level: int, size: tuple[int, int]) -> Image.Image:
        assert location[0] % (1 << level) == 0, "the stand-in has no sub-pixels"
        assert location[1] % (1 << level) == 0, "the stand-in has no sub-pixels"
        out = np.zeros((size[1], size[0], 4), np.uint8)
        stored = self.pixels[:: 1 << level, :: 1 << level]
        cut = stored[location[1] >> level :, location[0] >> level :][: size[1], : size[0]]
        out[: cut.shape[0], : cut.shape[1]] = cut
        return Image.fromarray(out)


def with_scan(monkeypatch: pytest.MonkeyPatch, scan: Scan, spacing: float | None = None) -> OpenSlideSlide:
    monkeypatch.setattr(module, "_open", lambda path: scan)
    return OpenSlideSlide(Path("scan.mrxs"), spacing)


def test_the_aperio_slide_is_what_its_file_says(shared_data: Path) -> None:
    with open_slide(shared_data / "wsi" / "cmu-1-small-region.svs") as slide:
        assert isinstance(slide, OpenSlideSlide)
        assert slide.size == Size(2220, 2967)
        assert slide.spacing == Spacing(0.499, 0.499)
        assert slide.facts.vendor == "aperio"
        assert "MPP = 0.4990" in slide.facts.spacing_source
        assert slide.facts.objective_power == "20"
        assert [picture.name for picture in slide.facts.associated] == ["label", "macro", "thumbnail"]


def test_own_pixels_and_their_means_are_those_of_openslide(shared_data: Path) -> None:
    path = shared_data / "wsi" / "cmu-1-small-region.svs"
    with openslide.OpenSlide(path) as raw:
        pixels = np.array(raw.read_region((700, 900), 0, (512, 384)).convert("RGB")).astype(int)
    with open_slide(path) as slide:
        assert np.array_equal(slide.read(Box(700, 900, 512, 384), slide.spacing), pixels)
        mean = (pixels.reshape(192, 2, 256, 2, 3).sum(axis=(1, 3)) + 2) // 4
        assert np.array_equal(slide.read(Box(700, 900, 512, 384), slide.spacing.scaled(2, 2)), mean)


def test_a_slide_without_spacing_reads_once_it_is_given(shared_data: Path) -> None:
    path = shared_data / "wsi" / "tcga-cr-7395-01a-01-ts1.svs"
    with open_slide(path) as slide, pytest.raises(SpacingError, match="--spacing"):
        slide.thumbnail(Spacing(8.0, 8.0))
    with open_slide(path, spacing=0.25) as slide:
        assert slide.facts.icc_profile_bytes == 3144
        assert [(v.downsample_x, v.downsample_y) for v in slide.levels] == [(1.0, 1.0), (2.0, 2.0)]
        assert slide.thumbnail(Spacing(8.0, 8.0)).shape == (112, 139, 3)


def shift(seen: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """How far one picture is moved against another, px, by least squares on the gradient."""
    slope_y, slope_x = np.gradient(expected)
    slopes = np.stack([slope_x.ravel(), slope_y.ravel()], axis=1)
    moved = np.linalg.lstsq(slopes, -(seen - expected).ravel(), rcond=None)[0]
    return float(np.abs(moved).max())


@pytest.mark.parametrize(("x", "y"), [(100, 80), (3901, 133), (205, 2803), (3807, 2901)])
def test_levels_of_a_real_slide_lie_upon_each_other(shared_data: Path, x: int, y: int) -> None:
    with open_slide(shared_data / "wsi" / "tcga-cr-7395-01a-01-ts1.svs", spacing=0.25) as slide:
        box = Box(x, y, 512, 384)
        coarse = slide.read(box, Spacing(0.5, 0.5)).mean(axis=-1)
        slide.levels = slide.levels[:1]
        fine = slide.read(box, Spacing(0.5, 0.5)).mean(axis=-1)
    assert shift(coarse, fine) < 0.1


@pytest.mark.parametrize(("x", "y"), [(200, 1900), (1900, 1000), (3000, 1800), (0, 0), (3842, 3166)])
def test_stored_pixels_of_an_odd_level_are_read_as_they_are(shared_data: Path, x: int, y: int) -> None:
    path = shared_data / "wsi" / "tcga-cr-7395-01a-01-ts1.svs"
    with openslide.OpenSlide(path) as raw:
        whole = np.array(raw.read_region((0, 0), 1, raw.level_dimensions[1]).convert("RGB"))
    with open_slide(path, spacing=0.25) as slide:
        got = slide.read(Box(x, y, 600, 400), Spacing(0.5, 0.5))
    expected = whole[y // 2 : y // 2 + 200, x // 2 : x // 2 + 300]
    assert off(got, expected) <= 3
    assert np.abs(got.astype(int) - expected).mean() < 0.5


@pytest.mark.parametrize("um_per_px", [0.25, 0.31, 0.5, 0.57, 1.0, 1.31, 3.0])
def test_odd_levels_are_read_without_a_shift(tmp_path: Path, um_per_px: float) -> None:
    with open_slide(written(tmp_path / "odd.tif")) as slide:
        box = Box(517.3, 301.9, 360, 300)
        spacing = Spacing(um_per_px, um_per_px * 1.2)
        seen = slide.read(box, spacing).astype(float)
        size = box.size_at(slide.spacing, spacing)
    step_x, step_y = box.width / size.width, box.height / size.height
    rows, cols = np.mgrid[: size.height, : size.width] + 0.5
    phase = (box.x + cols * step_x) / 9 + (box.y + rows * step_y) / 31
    basis = np.stack([np.sin(phase), np.cos(phase), np.ones_like(phase)], axis=-1).reshape(-1, 3)
    along, across, _ = np.linalg.lstsq(basis, seen[..., 0].ravel(), rcond=None)[0]
    moved = np.arctan2(across, along) / np.hypot(1 / 9, 1 / 31)
    assert abs(moved) / step_x < 0.03


@pytest.mark.parametrize("um_per_px", [0.5, 1.0])
def test_tiles_of_odd_levels_join(tmp_path: Path, um_per_px: float) -> None:
    with open_slide(written(tmp_path / "odd.tif")) as slide:
        spacing = Spacing(um_per_px, um_per_px * 1.2)
        width, height = 64 * spacing.x / 0.25, 48 * spacing.y / 0.3
        parts = [slide.read(Box(101 + col * width, 90, width, height), spacing) for col in range(2)]
        joint = slide.read(Box(101, 90, 2 * width, height), spacing)
    assert off(np.concatenate(parts, axis=1), joint) <= 4


def test_pickled_it_opens_again(tmp_path: Path) -> None:
    with open_slide(written(tmp_path / "a.tif"), spacing=0.4) as slide:
        copy = pickle.loads(pickle.dumps(slide))
        with copy:
            assert copy.spacing == Spacing(0.4, 0.4)
            assert copy.size == slide.size
            box = Box(11.5, 20, 200, 100)
            assert np.array_equal(copy.read(box, Spacing(0.7, 0.7)), slide.read(box, Spacing(0.7, 0.7)))


def test_threads_read_what_one_thread_reads(tmp_path: Path) -> None:
    with open_slide(written(tmp_path / "a.tif")) as slide:
        boxes = [Box(37.0 * i, 23.0 * i, 150, 120) for i in range(20)]
        alone = [slide.read(box, Spacing(0.6, 0.5)) for box in boxes]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda box: slide.read(box, Spacing(0.6, 0.5)), boxes))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_reading_a_closed_slide_is_an_error(tmp_path: Path) -> None:
    slide = open_slide(written(tmp_path / "a.tif"))
    slide.close()
    with pytest.raises(UnreadableSlideError, match="was closed"):
        slide.read(Box(0, 0, 10, 8), slide.spacing)


def damaged(path: Path) -> Path:
    """A written slide in which tile (row 1, col 1) of level 0 is zeros."""
    written(path)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        offset, length = page.dataoffsets[5], page.databytecounts[5]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\0" * length)
    return path


def test_a_damaged_tile_does_not_spoil_the_others(tmp_path: Path) -> None:
    good, bad = open_slide(written(tmp_path / "good.tif")), open_slide(damaged(tmp_path / "bad.tif"))
    fine = Box(520, 10, 300, 200)
    for _ in range(2):
        with pytest.raises(
            UnreadableSlideError, match=r"bad\.tif: pixels at .* of level 0 .* cannot be decoded"
        ):
            bad.read(Box(300, 300, 100, 80), bad.spacing)
        assert np.array_equal(bad.read(fine, bad.spacing), good.read(fine, good.spacing))
    good.close()
    bad.close()


def test_a_damaged_tile_in_one_thread_does_not_fail_the_others(tmp_path: Path) -> None:
    with open_slide(damaged(tmp_path / "bad.tif")) as slide:

        def read(number: int) -> bool:
            box = Box(300, 300, 100, 80) if number % 3 == 0 else Box(520 + number, 10, 300, 200)
            try:
                slide.read(box, slide.spacing)
            except UnreadableSlideError:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(read, range(60)))
    assert done == [number % 3 != 0 for number in range(60)]


def test_transparent_pixels_are_white(monkeypatch: pytest.MonkeyPatch) -> None:
    rgba = np.zeros((30, 50, 4), np.uint8)
    rgba[:, 10:20] = [200, 100, 0, 255]
    rgba[:, 20:30] = [200, 100, 0, 128]
    slide = with_scan(monkeypatch, Scan(rgba, MPP))
    row = slide.read(Box(0, 0, 50, 30), slide.spacing)[7]
    assert row[5].tolist() == [255, 255, 255]
    assert row[15].tolist() == [200, 100, 0]
    assert np.abs(row[25].astype(int) - [227, 177, 127]).max() <= 1


def test_the_origin_and_the_size_are_those_of_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.full((120, 200, 4), 255, np.uint8)
    pixels[..., :3] = smooth(120, 200)
    given = {"x": 24, "y": 16, "width": 101, "height": 77}
    bounds = {f"openslide.bounds-{k}": str(v) for k, v in given.items()}
    slide = with_scan(monkeypatch, Scan(pixels, MPP | bounds, levels=3))
    assert slide.size == Size(101, 77)
    assert slide.facts.bounds == Box(24, 16, 101, 77)
    inside = pixels[16:93, 24:125, :3]
    assert np.array_equal(slide.read(Box.whole(slide.size), slide.spacing), inside)
    around = slide.read(Box(-5, -4, 111, 85), slide.spacing)
    assert np.array_equal(around[4:81, 5:106], inside)
    assert (around[:4] == 255).all()
    assert (around[:, 106:] == 255).all()
    half = slide.read(Box(8, 4, 40, 30), slide.spacing.scaled(2, 2))
    assert np.array_equal(half, pixels[20:50:2, 32:72:2, :3])


def test_an_objective_without_a_spacing_is_no_spacing(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = {"openslide.vendor": "aperio", "openslide.objective-power": "40"}
    slide = with_scan(monkeypatch, Scan(np.zeros((20, 30, 4), np.uint8), properties))
    assert slide.stated_spacing is None
    with pytest.raises(SpacingError, match="objective of 40x does not tell"):
        slide.read(Box(0, 0, 10, 8), Spacing(0.5, 0.5))


def test_both_axes_keep_their_spacing(tmp_path: Path) -> None:
    with open_slide(written(tmp_path / "a.tif")) as slide:
        assert slide.spacing == Spacing(0.25, 0.3)
        assert slide.read(Box(0, 0, 400, 200), Spacing(0.5, 0.5)).shape == (120, 200, 3)


def test_absurd_tiles_are_refused_before_they_end_the_process(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags["TileLength"].overwrite(50_331_904)
    with pytest.raises(UnreadableSlideError, match="tiles are of 256 x 50331904 px"):
        open_slide(path)
