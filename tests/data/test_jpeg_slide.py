"""The fast reader: OpenSlide's pixels bit for bit, honest scaled ones, each stored tile decoded once."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import tifffile
from numpy.typing import NDArray
from PIL import Image

from histopress.core.errors import UnreadableSlideError
from histopress.core.geometry import Box, Lattice, Size, Spacing
from histopress.data.damage import Damage
from histopress.data.jpeg_slide import JpegSlide
from histopress.data.openslide_slide import OpenSlideSlide
from histopress.data.slide import Pixels, ReaderName, open_slide
from histopress.data.tile_plan import PlannedCells
from histopress.data.tiles import lay_lattice, read_tiles, select_cells
from histopress.data.tissue import TissueRecipe, mask_slide
from histopress.data.write_slide import write_slide

Picture = NDArray[np.uint8]
CMU, TCGA = "cmu-1-small-region.svs", "tcga-cr-7395-01a-01-ts1.svs"
RESAMPLERS = ("HAMMING", "BILINEAR", "BICUBIC", "LANCZOS")
"""Antialiasing filters that people use for tiles."""


def waves(height: int, width: int) -> Picture:
    """Smooth in both directions, different in each colour."""
    rows, cols = np.mgrid[:height, :width] + 0.5
    parts = [np.sin(cols / 9 + rows / 31), np.cos(rows / 12 - cols / 40), np.sin((cols + rows) / 14)]
    return np.rint(128 + 100 * np.stack(parts, axis=-1)).astype(np.uint8)


def written(path: Path, height: int = 700, width: int = 1001, **options: object) -> Path:
    write_slide(path, Size(width, height), Spacing(0.25, 0.25), waves(height, width), **options)  # type: ignore[arg-type]
    return path


def psnr(a: Picture, b: Picture) -> float:
    error = np.square(a.astype(float) - b).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def shift(seen: Picture, expected: Picture) -> float:
    """How far one picture is moved against another, px, by least squares on the gradient."""
    a, b = seen.mean(axis=2), expected.mean(axis=2)
    slope_y, slope_x = np.gradient(b)
    slopes = np.stack([slope_x.ravel(), slope_y.ravel()], axis=1)
    moved = np.linalg.lstsq(slopes, -(a - b).ravel(), rcond=None)[0]
    return float(np.abs(moved).max())


def test_what_the_file_says_is_what_openslide_says(shared_data: Path) -> None:
    for name in (CMU, TCGA):
        with (
            open_slide(shared_data / "wsi" / name) as fast,
            open_slide(shared_data / "wsi" / name, reader="openslide") as reference,
        ):
            assert isinstance(fast, JpegSlide)
            assert isinstance(reference, OpenSlideSlide)
            assert fast.size == reference.size
            assert fast.levels == reference.levels
            assert fast.stated_spacing == reference.stated_spacing
            for fact in ("vendor", "spacing_source", "icc_profile_bytes", "objective_power"):
                assert getattr(fast.facts, fact) == getattr(reference.facts, fact)
            assert [a.size for a in fast.facts.associated] == [a.size for a in reference.facts.associated]


@pytest.mark.parametrize("um_per_px", [0.499, 0.5, 0.998, 1.3, 1.996, 4.1])
@pytest.mark.parametrize(
    "box", [Box(900, 1700, 512, 384), Box(2000, 2800, 500, 400), Box(-30.4, -20, 301, 207)]
)
def test_exact_pixels_of_a_real_slide_are_those_of_openslide(
    shared_data: Path, um_per_px: float, box: Box
) -> None:
    path = shared_data / "wsi" / CMU
    with open_slide(path) as fast, open_slide(path, reader="openslide") as reference:
        spacing = Spacing.square(um_per_px)
        assert np.array_equal(fast.read(box, spacing), reference.read(box, spacing))


@pytest.mark.parametrize("subsampling", ["420", "422", "444"])
@pytest.mark.parametrize("tile", [16, 240, 256, 512])
def test_exact_pixels_of_every_coding_are_those_of_openslide(
    tmp_path: Path, tile: int, subsampling: str
) -> None:
    path = written(tmp_path / "a.tif", 333, 515, tile=tile, subsampling=subsampling, quality=70)
    with open_slide(path) as fast, open_slide(path, reader="openslide") as reference:
        assert isinstance(fast, JpegSlide)
        for spacing in (Spacing.square(0.25), Spacing.square(0.31)):
            assert np.array_equal(fast.thumbnail(spacing), reference.thumbnail(spacing))
        half = Spacing.square(0.5)
        fast.levels = reference.levels = reference.levels[:1]
        fast._sources = fast.sources[:1]  # without the stored half level, so that means are made
        assert np.array_equal(fast.thumbnail(half), reference.thumbnail(half))


def test_jpeg_2000_is_read_as_openslide_reads_it(shared_data: Path) -> None:
    path = shared_data / "wsi" / TCGA
    with open_slide(path, 0.25) as fast, open_slide(path, 0.25, reader="openslide") as reference:
        box = Box(1500, 900, 1100, 700)
        a, b = fast.read(box, Spacing.square(0.25)), reference.read(box, Spacing.square(0.25))
    off = np.abs(a.astype(int) - b)
    assert off.max() <= 1, "colours are wrong"
    assert (off > 0).mean() < 1e-4, "wavelets of real numbers may round differently, and rarely"


@pytest.mark.parametrize("pixels", ["exact", "scaled"])
@pytest.mark.parametrize(
    ("wanted", "tile"), [(0.25, 128), (0.5, 128), (0.53, 100), (0.5, 37), (1.0, 64), (2.1, 20), (4.0, 16)]
)
def test_cells_are_what_each_alone_would_be_and_tiles_are_decoded_once(
    tmp_path: Path, wanted: float, tile: int, pixels: Pixels
) -> None:
    with open_slide(written(tmp_path / "a.tif", tile=240), pixels=pixels) as slide:
        assert isinstance(slide, JpegSlide)
        lattice = Lattice.over(slide.size, slide.spacing, wanted, tile)
        cells = np.argwhere(np.ones(lattice.shape)).astype(np.int32)
        reader = slide.cell_reader(lattice, cells, 1 << 28)
        assert isinstance(reader, PlannedCells)
        parts = [reader.read(n, min(n + 7, len(cells)), Damage("fail")) for n in range(0, len(cells), 7)]
        tiles = np.concatenate(parts)
        for found, (row, col) in zip(tiles, cells.tolist(), strict=True):
            assert np.array_equal(found, slide.read(lattice.box(row, col), Spacing.square(wanted)))
        stored = slide.shape_of(reader.source)
        assert reader.decoded == stored[0] * stored[1]
        assert reader.held_bytes == 0
        threaded = np.concatenate(list(read_tiles(slide, lattice, cells, threads=4, batch=8)))
        assert np.array_equal(threaded, tiles)
        poor = np.concatenate(list(read_tiles(slide, lattice, cells, batch=8, memory=1000)))
        assert np.array_equal(poor, tiles), "a small budget changes pixels"


def test_stored_tiles_outside_the_cells_are_not_decoded(tmp_path: Path) -> None:
    with open_slide(written(tmp_path / "a.tif", 1024, 1024), pixels="scaled") as slide:
        lattice = Lattice.over(slide.size, slide.spacing, 0.5, 128)  # a cell is a stored tile of 256 px
        cells = np.array([[0, 1], [3, 3]], np.int32)
        reader = slide.cell_reader(lattice, cells, 1 << 28)
        assert isinstance(reader, PlannedCells)
        reader.read(0, 2, Damage("fail"))
        assert reader.decoded == 2


@pytest.mark.parametrize("name", [CMU, TCGA])
@pytest.mark.parametrize(
    ("stored", "wanted"), [(0.25, 0.5), (0.2527, 0.5), (0.2634, 0.5), (0.125, 0.5), (0.13, 1)]
)
def test_scaled_pixels_are_not_shifted(shared_data: Path, name: str, stored: float, wanted: float) -> None:
    path = shared_data / "wsi" / name
    box = Box(400, 1900, 1500, 900) if name == CMU else Box(1400, 1100, 1800, 1300)
    with open_slide(path, stored, pixels="scaled") as scaled, open_slide(path, stored) as exact:
        assert isinstance(scaled, JpegSlide)
        scaled._sources = tuple(s for s in scaled.sources if s.level == 0)
        exact.levels = exact.levels[:1]
        exact._sources = exact.sources[:1]  # type: ignore[attr-defined]
        seen, expected = (slide.read(box, Spacing.square(wanted)) for slide in (scaled, exact))
    assert shift(seen, expected) < 0.1


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_scaled_pixels_end_where_exact_ones_end(tmp_path: Path, scale: int) -> None:
    """Neither side of the slide is a whole number of scaled px; beyond it all is white, in both modes."""
    path = written(tmp_path / "a.tif", 701, 1003, quality=95, subsampling="444")
    spacing = Spacing.square(0.25 * scale)
    with open_slide(path, pixels="scaled") as scaled, open_slide(path) as exact:
        assert isinstance(scaled, JpegSlide)
        scaled._sources = tuple(s for s in scaled.sources if s.level == 0)
        exact._sources = exact.sources[:1]  # type: ignore[attr-defined]
        seen, expected = scaled.thumbnail(spacing), exact.thumbnail(spacing)
    assert seen.shape == expected.shape
    assert psnr(seen, expected) > 38
    for edge in (np.s_[-1:], np.s_[:, -1:], np.s_[:1], np.s_[:, :1]):
        assert np.abs(seen[edge].astype(int) - expected[edge]).max() <= 6


@pytest.mark.parametrize("stored", [0.25, 0.2527, 0.2634, 0.2465, 0.125, 0.13])
def test_scaled_pixels_are_as_good_as_resamplers_are(shared_data: Path, stored: float) -> None:
    """To the nearest of four accepted filters they are as near as the two most different of these are."""
    path, box, around = shared_data / "wsi" / CMU, Box(300, 1900, 1500, 1000), 60
    with open_slide(path, stored) as exact, open_slide(path, stored, pixels="scaled") as scaled:
        size = box.size_at(exact.spacing, Spacing.square(0.5))
        seen = scaled.read(box, Spacing.square(0.5))
        margin = Size(1500 + 2 * around, 1000 + 2 * around)
        source = Image.fromarray(exact.stored(0, 300 - around, 1900 - around, margin))
    inner = (around, around, around + 1500, around + 1000)
    accepted = [
        np.asarray(source.resize((size.width, size.height), getattr(Image.Resampling, name), box=inner))
        for name in RESAMPLERS
    ]
    worst = min(psnr(a, b) for a, b in combinations(accepted, 2))
    assert max(psnr(seen, a) for a in accepted) >= worst


@pytest.mark.parametrize(("name", "stored"), [(CMU, 0.25), (CMU, 0.2527), (CMU, 0.2634), (TCGA, 0.2527)])
def test_codes_of_scaled_pixels_are_those_of_exact_ones(shared_data: Path, name: str, stored: float) -> None:
    """The law that makes scaled pixels the default: the real slides taken for 40x, the published encoder."""
    from histopress.encoders.catalogue import load_encoder
    from histopress.encoders.encoder import encode

    encoder = load_encoder(f"nic:{shared_data}/nic_encoder_weights/encoder_multitask-4.h5")
    path, codes = shared_data / "wsi" / name, []
    for reader, pixels in (("openslide", "exact"), ("auto", "scaled")):
        with open_slide(path, stored, reader, pixels) as slide:  # type: ignore[arg-type]
            lattice = lay_lattice(slide, 0.5, 128, 0.0)
            if not codes:
                cells, _ = select_cells(mask_slide(slide, TissueRecipe()), lattice, slide.spacing, 0.5)
            codes.append(encode(encoder, np.concatenate(list(read_tiles(slide, lattice, cells)))))
    a, b = (c / np.linalg.norm(c, axis=1, keepdims=True) for c in codes)
    cosines = (a * b).sum(axis=1)
    assert len(cosines) > 40
    assert cosines.min() > 0.995
    assert np.median(cosines) > 0.999


def test_the_lattice_takes_pixels_as_they_are_where_that_is_near_enough(shared_data: Path) -> None:
    path = shared_data / "wsi" / CMU
    for pixels in ("exact", "scaled"):
        with open_slide(path, 0.2527, pixels=pixels) as slide:  # type: ignore[arg-type]
            near, far = lay_lattice(slide, 0.5, 128, 0.02), lay_lattice(slide, 0.5, 128, 0.01)
        assert near.spacing == pytest.approx(0.5054)
        assert (near.step_x, near.step_y) == (256, 256)
        assert far.spacing == 0.5
        assert far.step_x == pytest.approx(128 * 0.5 / 0.2527)


def rgb_jpeg(path: Path, picture: Picture, tile: int = 128, marked: bool = False) -> Path:
    """A TIFF as old Aperio scanners wrote it: tiles hold red, green and blue, and say so nowhere."""
    height, width = picture.shape[:2]
    tiles = []
    for y in range(0, height, tile):
        for x in range(0, width, tile):
            block = np.full((tile, tile, 3), 255, np.uint8)
            part = picture[y : y + tile, x : x + tile]
            block[: part.shape[0], : part.shape[1]] = part
            stream = io.BytesIO()
            Image.fromarray(block).save(stream, "JPEG", quality=90, subsampling=0, keep_rgb=True)
            tiles.append(stream.getvalue() if marked else without_marker(stream.getvalue()))
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            iter(tiles), shape=picture.shape, dtype=np.uint8, tile=(tile, tile), photometric="rgb",
            compression="jpeg", compressionargs={"outcolorspace": "rgb"}, resolution=(40_000, 40_000),
            resolutionunit="CENTIMETER",
        )  # fmt: skip
    return path


def without_marker(jpeg: bytes) -> bytes:
    """Take the Adobe segment out of a JPEG stream, and call its colours 1, 2, 3 as scanners do."""
    at = jpeg.index(b"\xff\xee")
    length = struct.unpack_from(">H", jpeg, at + 2)[0]
    bare = bytearray(jpeg[:at] + jpeg[at + 2 + length :])
    for marker, first, step in ((b"\xff\xc0", 10, 3), (b"\xff\xda", 5, 2)):
        start = bare.index(marker)
        for number in range(3):
            bare[start + first + step * number] = number + 1
    return bytes(bare)


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("pixels", ["exact", "scaled"])
def test_colours_of_rgb_jpeg_are_right_without_a_marker(tmp_path: Path, pixels: Pixels, marked: bool) -> None:
    picture = waves(300, 420)
    path = rgb_jpeg(tmp_path / "old.tif", picture, marked=marked)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        data = path.read_bytes()[page.dataoffsets[0] :][: page.databytecounts[0]]
    if not marked:
        naive = simplejpeg.decode_jpeg(data).astype(int)
        assert np.abs(naive - picture[:128, :128]).mean() > 20, (
            "decoders would guess right: this tests nothing"
        )
    with open_slide(path, pixels=pixels) as slide:
        assert isinstance(slide, JpegSlide)
        assert np.abs(slide.thumbnail(Spacing.square(0.25)).astype(int) - picture).mean() < 2
        half = slide.thumbnail(Spacing.square(0.5)).astype(int)
    mean = picture.reshape(150, 2, 210, 2, 3).mean(axis=(1, 3))
    assert np.abs(half - mean).mean() < 2


def test_other_layouts_go_to_openslide_and_it_is_said_why(shared_data: Path) -> None:
    with open_slide(shared_data / "wsi" / "bad" / "boxes.tiff", 0.5) as slide:
        assert isinstance(slide, OpenSlideSlide)
        assert "level 0 is compressed as ADOBE_DEFLATE" in slide.facts.extra["read by OpenSlide because"]


def test_colours_that_are_stated_twice_go_to_openslide(tmp_path: Path) -> None:
    path = rgb_jpeg(tmp_path / "a.tif", waves(256, 256), marked=True)
    data = path.read_bytes().replace(
        b"Adobe\x00\x64\x00\x00\x00\x00\x00", b"Adobe\x00\x64\x00\x00\x00\x00\x01"
    )
    path.write_bytes(data)
    with open_slide(path) as slide:
        assert isinstance(slide, OpenSlideSlide)
        assert "stated twice" in slide.facts.extra["read by OpenSlide because"]


def damage(path: Path, number: int, how: Callable[[bytes], bytes], level: int = 0) -> Path:
    """Change the bytes of one tile of a level; its length stays."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[level]
        offset, length = page.dataoffsets[number], page.databytecounts[number]
    with path.open("r+b") as file:
        file.seek(offset)
        data = file.read(length)
        changed = how(data)
        assert len(changed) == length
        file.seek(offset)
        file.write(changed)
    return path


def scrambled(data: bytes) -> bytes:
    """Garbage in the middle of the coded pixels, where most readers notice nothing."""
    middle = len(data) // 2
    return data[:middle] + b"\xff\xd3\xff\xff\x00\x13" * 4 + data[middle + 24 :]


DAMAGES = {"garbage in the middle": scrambled, "zeros": lambda data: bytes(len(data))}


@pytest.mark.parametrize("how", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_noticed_and_touches_only_its_tile(tmp_path: Path, how: Callable[[bytes], bytes]) -> None:
    good = written(tmp_path / "good.tif", 1024, 1024, quality=90)
    bad = damage(written(tmp_path / "bad.tif", 1024, 1024, quality=90), 5, how)  # row 1, col 1 of 256 px
    with open_slide(good) as sound, open_slide(bad) as slide:
        assert isinstance(slide, JpegSlide)
        lattice = Lattice.over(slide.size, slide.spacing, 0.25, 96)
        cells = np.argwhere(np.ones(lattice.shape)).astype(np.int32)
        seen = Damage("skip")
        tiles = np.concatenate(list(read_tiles(slide, lattice, cells, damage=seen)))
        expected = np.concatenate(list(read_tiles(sound, lattice, cells)))
        touched = {
            n for n, (r, c) in enumerate(cells.tolist())
            if 96 * r < 512 and 96 * (r + 1) > 256 and 96 * c < 512 and 96 * (c + 1) > 256
        }  # fmt: skip
        assert seen.cells == touched
        assert [(t.level, t.x, t.y) for t in seen.tiles] == [(0, 256, 256)]
        assert next(iter(seen.tiles)).reason
        assert all(np.array_equal(tiles[n], expected[n]) for n in range(len(cells)) if n not in touched)
        with pytest.raises(UnreadableSlideError, match="tile at x 256, y 256 of level 0 cannot be decoded"):
            list(read_tiles(slide, lattice, cells))
        with pytest.raises(UnreadableSlideError, match="x 256, y 256"):
            slide.read(Box(300, 300, 50, 50), slide.spacing)
        assert np.array_equal(
            slide.read(Box(600, 300, 50, 50), slide.spacing), sound.read(Box(600, 300, 50, 50), slide.spacing)
        )


def test_a_file_that_ends_too_early_is_no_damaged_tile(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif")
    with open_slide(path) as slide:
        lattice = Lattice.over(slide.size, slide.spacing, 0.25, 128)
        cells = np.argwhere(np.ones(lattice.shape)).astype(np.int32)
        with path.open("r+b") as file:
            file.truncate(20_000)
        with pytest.raises(UnreadableSlideError, match=r"cut off: it has 20,000 bytes"):
            list(read_tiles(slide, lattice, cells, damage=Damage("skip")))


def test_pickled_it_opens_again_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif")
    for open_it in (partial(open_slide, pixels="scaled"), partial(open_slide, reader="openslide")):
        with open_it(path, 0.4) as slide, pickle.loads(pickle.dumps(slide)) as copy:
            assert type(copy) is type(slide)
            assert (copy.pixels, copy.reader, copy.spacing) == (slide.pixels, slide.reader, slide.spacing)
            box = Box(11.5, 20, 200, 100)
            assert np.array_equal(copy.read(box, Spacing.square(0.9)), slide.read(box, Spacing.square(0.9)))


def test_reading_a_closed_slide_is_an_error(tmp_path: Path) -> None:
    slide = open_slide(written(tmp_path / "a.tif"))
    slide.close()
    with pytest.raises(UnreadableSlideError, match="was closed"):
        slide.read(Box(0, 0, 10, 8), slide.spacing)


@pytest.mark.parametrize("number", [0, 5, 8])
def test_damage_in_any_one_tile_leaves_the_slide_to_the_fast_reader(tmp_path: Path, number: int) -> None:
    """Which tile the reader looks at first, to see how tiles are coded, must not matter."""
    path = written(tmp_path / "a.tif", 700, 700)
    with open_slide(damage(path, number, DAMAGES["zeros"])) as slide:
        assert isinstance(slide, JpegSlide)


@pytest.mark.parametrize("reader", ["auto", "openslide"])
def test_damage_is_white_or_tissue_to_a_mask_as_is_asked(tmp_path: Path, reader: ReaderName) -> None:
    path = tmp_path / "a.tif"
    glass = np.full((1024, 1280, 3), 244, np.uint8)
    write_slide(path, Size(1280, 1024), Spacing(0.5, 0.5), glass, factor=4)
    with tifffile.TiffFile(path) as tiff:
        levels = len(tiff.pages)
    for level in range(levels):
        damage(path, 0, DAMAGES["zeros"], level)
    with open_slide(path, reader=reader) as slide:
        with pytest.raises(UnreadableSlideError, match="cannot be decoded"):
            mask_slide(slide, TissueRecipe())
        assert not mask_slide(slide, TissueRecipe(), "white").mask.any()
        found = mask_slide(slide, TissueRecipe(), "skip").mask
    assert found[:8, :8].all(), "what cannot be seen has to be looked at closely"
