"""Stored tiles that cannot be decoded: their cells are left out or made white, or they fail the slide."""

from __future__ import annotations

import csv
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
import tifffile

from histopress.core.geometry import Box
from histopress.data.damage import BadTile
from histopress.data.slide import open_slide
from histopress.encoders.engine import Engine
from histopress.grids import compressor, store
from histopress.grids.compress import CompressRecipe, compress
from histopress.grids.grid import FeatureGrid
from histopress.grids.summary import CompressSummary

MakeSlide = Callable[..., Path]
Cells = set[tuple[int, int]]
TILE = 256


def coded(path: Path, number: int) -> None:
    """Overwrite the coded pixels in the middle of a tile of level 0."""
    start, count, _ = place_of(path, number)
    overwrite(path, start + count // 2, b"\xff\xd9" * 20)


def zeros(path: Path, number: int) -> None:
    """Lose all bytes of a tile, as a disk with holes does."""
    start, count, _ = place_of(path, number)
    overwrite(path, start, bytes(count))


def cut(path: Path, number: int) -> None:
    """Halve the number of bytes that the directory states."""
    _, count, stated = place_of(path, number)
    overwrite(path, stated, struct.pack("<I", count // 2))


def place_of(path: Path, number: int) -> tuple[int, int, int]:
    """Where a tile of level 0 starts, how many bytes it has, and where these are stated."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        stated = page.tags["TileByteCounts"]
        assert stated.dtype == tifffile.DATATYPE.LONG
        return page.dataoffsets[number], page.databytecounts[number], stated.valueoffset + 4 * number


def overwrite(path: Path, start: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


@pytest.fixture
def slide(make_slide: MakeSlide) -> Path:
    """12 x 15 cells, of which 10 x 12 hold tissue; 6 x 8 stored tiles of 2 x 2 cells."""
    return make_slide("a", 1, 12, 15)


def grid_of(folder: Path) -> FeatureGrid:
    return store.read_grid(folder / f"a{store.SUFFIX}")


def cells_of(grid: FeatureGrid) -> Cells:
    return {(int(row), int(col)) for row, col in grid.cells}


def only_failure(summary: CompressSummary) -> dict[str, str]:
    rows = list(csv.DictReader((summary.output / "failures.csv").read_text().splitlines()))
    assert len(rows) == len(summary.failures) == 1
    return rows[0]


def touching(path: Path, grid: FeatureGrid, tile: BadTile, margin: float = 0.0) -> Cells:
    """Cells that overlap with a stored tile, or come nearer to it than a margin in level-0 px."""
    with open_slide(path) as slide:
        level = slide.levels[tile.level]
    side_x, side_y = TILE * level.downsample_x, TILE * level.downsample_y
    left, top = tile.x * level.downsample_x - margin, tile.y * level.downsample_y - margin
    right, bottom = left + side_x + 2 * margin, top + side_y + 2 * margin
    rows, cols = grid.shape
    found = set()
    for row in range(rows):
        for col in range(cols):
            box: Box = grid.lattice.box(row, col)
            across = box.x < right and box.x + box.width > left
            if across and box.y < bottom and box.y + box.height > top:
                found.add((row, col))
    return found


@pytest.mark.parametrize("harm", [coded, zeros, cut])
@pytest.mark.parametrize("encoder", ["mean-rgb", "mean-rgb:spacing=0.6"], ids=["as stored", "resampled"])
def test_cells_that_touch_a_damaged_tile_are_left_out(
    tmp_path: Path,
    slide: Path,
    harm: Callable[[Path, int], None],
    encoder: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recipe = CompressRecipe(encoder=encoder)
    compress([slide], tmp_path / "sound", recipe)
    sound = grid_of(tmp_path / "sound")
    harm(slide, 2 * 8 + 3)
    summary = compress([slide], tmp_path / "out", recipe)
    grid = grid_of(tmp_path / "out")
    (tile,) = store.read_header(tmp_path / "out" / f"a{store.SUFFIX}").damage
    assert (tile.level, tile.x, tile.y) == (0, 3 * TILE, 2 * TILE)
    assert tile.reason
    assert (
        f"the tile at x {3 * TILE}, y {2 * TILE} of level 0 cannot be decoded ({tile.reason})" in caplog.text
    )
    left_out = cells_of(sound) - cells_of(grid)
    margin = 0.0 if encoder == "mean-rgb" else 4.0
    assert touching(slide, sound, tile) <= left_out <= touching(slide, sound, tile, margin)
    assert summary.cells_left_out == len(left_out)
    assert summary.tiles == len(grid) == len(sound) - len(left_out)
    kept = [place in cells_of(grid) for place in map(tuple, sound.cells.tolist())]
    assert np.array_equal(sound.features[kept], grid.features)
    assert np.array_equal(sound.tissue[kept], grid.tissue)


@pytest.mark.parametrize("harm", [coded, zeros, cut])
def test_white_keeps_every_cell(tmp_path: Path, slide: Path, harm: Callable[[Path, int], None]) -> None:
    recipe = CompressRecipe(encoder="mean-rgb", on_bad_tile="white")
    compress([slide], tmp_path / "sound", recipe)
    sound = grid_of(tmp_path / "sound")
    harm(slide, 2 * 8 + 3)
    summary = compress([slide], tmp_path / "out", recipe)
    grid = grid_of(tmp_path / "out")
    assert np.array_equal(sound.cells, grid.cells)
    assert summary.cells_left_out == 0
    (tile,) = grid.damage
    white = [place in touching(slide, grid, tile) for place in map(tuple, grid.cells.tolist())]
    assert (grid.features[white] == 1.0).all()
    assert np.array_equal(sound.features[~np.array(white)], grid.features[~np.array(white)])


@pytest.mark.parametrize("harm", [coded, zeros, cut])
def test_fail_fails_the_slide(tmp_path: Path, slide: Path, harm: Callable[[Path, int], None]) -> None:
    harm(slide, 2 * 8 + 3)
    found = only_failure(
        compress([slide], tmp_path / "out", CompressRecipe(encoder="mean-rgb", on_bad_tile="fail"))
    )
    assert found["stage"] == "read"
    assert f"the tile at x {3 * TILE}, y {2 * TILE} of level 0 cannot be decoded" in found["reason"]
    assert "copy it again" in found["remedy"]
    assert store.find_grids(tmp_path / "out") == []


@pytest.mark.parametrize("harm", [coded, cut, zeros])
def test_openslide_notices_what_breaks_off(
    tmp_path: Path, slide: Path, harm: Callable[[Path, int], None]
) -> None:
    recipe = CompressRecipe(encoder="mean-rgb", reader="openslide")
    compress([slide], tmp_path / "sound", recipe)
    sound = grid_of(tmp_path / "sound")
    harm(slide, 2 * 8 + 3)
    compress([slide], tmp_path / "out", recipe)
    grid = grid_of(tmp_path / "out")
    tile = BadTile(0, 3 * TILE, 2 * TILE, TILE, TILE, "")
    assert cells_of(sound) - cells_of(grid) == touching(slide, sound, tile)
    assert {(bad.x, bad.y) for bad in grid.damage} == {(x, y) for x in (768, 896) for y in (512, 640)}
    summary = compress(
        [slide], tmp_path / "fail", CompressRecipe(encoder="mean-rgb", reader="openslide", on_bad_tile="fail")
    )
    assert only_failure(summary)["stage"] == "read"


def test_openslide_does_not_notice_bytes_that_are_left_over(tmp_path: Path, slide: Path) -> None:
    """All pixels are there before the stream ends, so something is wrong; the other reader says so."""
    start, count, _ = place_of(slide, 2 * 8 + 3)
    flat = simplejpeg.encode_jpeg(np.full((TILE, TILE, 3), 120, np.uint8), 85, "RGB", "420")
    overwrite(slide, start, flat.removesuffix(b"\xff\xd9").ljust(count - 2, b"\x55") + b"\xff\xd9")
    compress([slide], tmp_path / "openslide", CompressRecipe(encoder="mean-rgb", reader="openslide"))
    assert (len(grid_of(tmp_path / "openslide")), grid_of(tmp_path / "openslide").damage) == (120, ())
    compress([slide], tmp_path / "auto", CompressRecipe(encoder="mean-rgb"))
    (tile,) = grid_of(tmp_path / "auto").damage
    assert "extraneous bytes" in tile.reason
    assert len(grid_of(tmp_path / "auto")) == 116


def failing_at(number: int) -> Callable[[Engine, Any], Any]:
    """What encodes, but for one batch."""
    encode, calls = Engine.encode, []

    def fail(self: Engine, tiles: Any) -> Any:
        calls.append(len(tiles))
        if len(calls) == number:
            raise RuntimeError("stopped here")
        return encode(self, tiles)

    return fail


@pytest.mark.parametrize("number", range(1, 9))
def test_what_was_left_out_survives_a_stop_between_chunks(
    tmp_path: Path, slide: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(store, "CHUNK", 16)
    monkeypatch.setattr(compressor, "BATCH", 16)
    for tile in (9, 2 * 8 + 3, 5 * 8 - 3):
        coded(slide, tile)
    compress([slide], tmp_path / "straight", CompressRecipe(encoder="mean-rgb"))
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "encode", failing_at(number))
        compress([slide], tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    assert store.find_grids(tmp_path / "out") == []
    compress([slide], tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    assert len(grid_of(tmp_path / "out").damage) == 3
    stored = [folder / f"a{store.SUFFIX}" for folder in (tmp_path / "out", tmp_path / "straight")]
    assert stored[0].read_bytes() == stored[1].read_bytes()


def test_a_stop_while_the_damage_is_stated_is_made_good(
    tmp_path: Path, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded(slide, 2 * 8 + 3)
    compress([slide], tmp_path / "straight", CompressRecipe(encoder="mean-rgb"))
    with monkeypatch.context() as patch:
        patch.setattr(store, "_zip", no_space)
        assert (
            "No space left"
            in only_failure(compress([slide], tmp_path / "out", CompressRecipe(encoder="mean-rgb")))["reason"]
        )
    assert compress([slide], tmp_path / "out", CompressRecipe(encoder="mean-rgb")).compressed == 1
    stored = [folder / f"a{store.SUFFIX}" for folder in (tmp_path / "out", tmp_path / "straight")]
    assert stored[0].read_bytes() == stored[1].read_bytes()


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_slide_of_damage_alone_fails_until_it_is_copied_again(
    tmp_path: Path, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash of a large slide is blind to most of its bytes."""
    monkeypatch.setattr(compressor, "quick_hash", lambda path: "the same")
    compress([slide], tmp_path / "straight", CompressRecipe(encoder="mean-rgb"))
    sound = slide.read_bytes()
    for number in range(6 * 8):
        coded(slide, number)
    for _ in range(2):
        found = only_failure(compress([slide], tmp_path / "out", CompressRecipe(encoder="mean-rgb")))
        assert "every cell with tissue touches a part of the slide that cannot be decoded" in found["reason"]
        assert "copy the slide again" in found["remedy"]
        assert store.find_grids(tmp_path / "out") == []
    slide.write_bytes(sound)
    assert compress([slide], tmp_path / "out", CompressRecipe(encoder="mean-rgb")).compressed == 1
    stored = [folder / f"a{store.SUFFIX}" for folder in (tmp_path / "out", tmp_path / "straight")]
    assert stored[0].read_bytes() == stored[1].read_bytes()


def test_a_grid_with_holes_is_made_anew_when_its_slide_was_copied_again(
    tmp_path: Path, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressor, "quick_hash", lambda path: "the same")
    sound = slide.read_bytes()
    coded(slide, 2 * 8 + 3)
    compress([slide], tmp_path / "out", CompressRecipe(encoder="mean-rgb"))
    assert compress([slide], tmp_path / "out", CompressRecipe(encoder="mean-rgb")).skipped == 1
    assert len(grid_of(tmp_path / "out")) == 116
    slide.write_bytes(sound)
    assert compress([slide], tmp_path / "out", CompressRecipe(encoder="mean-rgb")).compressed == 1
    assert len(grid_of(tmp_path / "out")) == 120
    assert compress([slide], tmp_path / "out", CompressRecipe(encoder="mean-rgb")).skipped == 1
    slide.touch()
    assert compress([slide], tmp_path / "out", CompressRecipe(encoder="mean-rgb")).skipped == 1


def test_a_slide_without_a_sound_pixel_is_damaged_rather_than_empty(
    shared_data: Path, tmp_path: Path
) -> None:
    found = only_failure(
        compress(
            [shared_data / "wsi" / "bad" / "unreadable.svs"],
            tmp_path / "out",
            CompressRecipe(encoder="mean-rgb"),
        )
    )
    assert found["stage"] == "mask"
    assert "x 0, y 0 of level 0 cannot be decoded" in found["reason"]
