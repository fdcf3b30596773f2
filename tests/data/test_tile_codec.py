"""Tiles are decoded strictly; a device that decodes many gives the same tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import MissingExtraError
from histopress.core.geometry import Size, Spacing
from histopress.data.slide import open_slide
from histopress.data.tiff_layout import TiledLevel, read_layout
from histopress.data.tile_codec import SCALES, Jpeg2000Tiles, JpegTiles, TileDamage, codec_of
from histopress.data.write_slide import write_slide


def smooth(height: int, width: int) -> np.ndarray:
    rows, cols = np.mgrid[:height, :width] / 12
    return np.rint(128 + 90 * np.stack([np.sin(rows), np.cos(cols), np.sin(rows + cols)], -1)).astype(
        np.uint8
    )


def tiles_of(path: Path, level: int = 0) -> tuple[TiledLevel, list[bytes]]:
    with path.open("rb") as file:
        found = read_layout(file, "test").levels[level]
    data = path.read_bytes()
    ranges = [
        found.range_of((r, c)) for r in range(found.counts.shape[0]) for c in range(found.counts.shape[1])
    ]
    return found, [data[start : start + count] for start, count in ranges]


@pytest.fixture
def stored(tmp_path: Path) -> tuple[TiledLevel, list[bytes]]:
    write_slide(tmp_path / "a.tif", Size(512, 384), Spacing(0.5, 0.5), smooth(384, 512), tile=128, quality=90)
    return tiles_of(tmp_path / "a.tif")


@pytest.mark.parametrize("scale", SCALES)
def test_many_are_decoded_as_each_alone_and_damage_is_told_apart(
    stored: tuple[TiledLevel, list[bytes]], scale: int
) -> None:
    level, tiles = stored
    codec = codec_of(level, tiles[0])
    assert isinstance(codec, JpegTiles)
    broken = tiles[1][: len(tiles[1]) // 2]
    found = codec.decode_many([tiles[0], broken, tiles[2]], scale)
    assert isinstance(found[1], TileDamage)
    for number in (0, 2):
        assert np.array_equal(found[number], codec.decode(tiles[number], scale))
        assert np.shape(found[number]) == (128 // scale, 128 // scale, 3)


@pytest.mark.parametrize("cut", [0, 1, 20, 300])
def test_a_tile_that_ends_early_is_damaged(stored: tuple[TiledLevel, list[bytes]], cut: int) -> None:
    level, tiles = stored
    codec = codec_of(level, tiles[0])
    with pytest.raises(TileDamage, match="JPEG"):
        codec.decode(tiles[3][:cut])


def test_jpeg_2000_is_halved_as_often_as_it_can_be(shared_data: Path) -> None:
    level, tiles = tiles_of(shared_data / "wsi" / "tcga-cr-7395-01a-01-ts1.svs")
    codec = codec_of(level, tiles[0])
    assert isinstance(codec, Jpeg2000Tiles)
    middle = tiles[len(tiles) // 2 + 5]
    for scale in codec.scales:
        assert codec.decode(middle, scale).shape == (256 // scale, 256 // scale, 3)
    with pytest.raises(TileDamage, match="JPEG 2000"):
        codec.decode(middle[:100])


@pytest.mark.parametrize("scale", SCALES)
def test_torchvision_decodes_the_same_tiles(stored: tuple[TiledLevel, list[bytes]], scale: int) -> None:
    """What a GPU would do, done by the processor: the same streams, averaged by torch."""
    pytest.importorskip("torchvision", reason="torchvision is an extra")
    from histopress.data.tile_codec_gpu import GpuJpegTiles

    level, tiles = stored
    by_device = GpuJpegTiles(level, tiles[0], device="cpu")
    broken = tiles[1][: len(tiles[1]) // 2]
    found = by_device.decode_many(tiles, scale)
    expected = JpegTiles(level, tiles[0]).decode_many(tiles, scale)
    for a, b in zip(found, expected, strict=True):
        assert not isinstance(a, TileDamage) and not isinstance(b, TileDamage)
        assert a.shape == b.shape and a.dtype == np.uint8
        off = np.abs(a.astype(int) - b)
        assert off.mean() < 0.8 and off.max() <= 24, (
            "colours are shared by 2 x 2 px, and are spread differently"
        )
    assert by_device.decode_many([]) == []
    assert isinstance(by_device.decode_many([tiles[0], broken])[1], TileDamage)


def test_nvjpeg_without_a_gpu_says_so(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    write_slide(tmp_path / "a.tif", Size(300, 200), Spacing(0.5, 0.5), smooth(200, 300))
    with pytest.raises(MissingExtraError, match="--reader nvjpeg"):
        open_slide(tmp_path / "a.tif", reader="nvjpeg")


@pytest.mark.gpu
def test_a_gpu_decodes_the_same_tiles(stored: tuple[TiledLevel, list[bytes]]) -> None:
    from histopress.data.tile_codec_gpu import GpuJpegTiles

    level, tiles = stored
    for a, b in zip(
        GpuJpegTiles(level, tiles[0]).decode_many(tiles, 2),
        JpegTiles(level, tiles[0]).decode_many(tiles, 2),
        strict=True,
    ):
        assert not isinstance(a, TileDamage) and not isinstance(b, TileDamage)
        assert np.abs(a.astype(int) - b).mean() < 1.5
