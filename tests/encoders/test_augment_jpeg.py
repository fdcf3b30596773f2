from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from histopress.encoders.augment_draws import Draws, draw
from histopress.encoders.augment_jpeg import compress, compressed, quantisation
from histopress.encoders.augment_recipe import LADDER

QUALITIES = [10, 30, 49, 50, 75, 90, 95]


def at(*qualities: int) -> Draws:
    draws = draw(LADDER["none"], len(qualities), torch.Generator())
    return replace(draws, quality=torch.tensor(qualities))


def by_pillow(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(file))


def ours(pixels: NDArray[np.uint8], *qualities: int) -> NDArray[np.float32]:
    images = torch.tensor(pixels).permute(2, 0, 1).float()[None] / 255
    after = compress(images.repeat(len(qualities), 1, 1, 1), at(*qualities))
    return (after.permute(0, 2, 3, 1) * 255).numpy()


def drawn_tissue(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth colour with edges and a little noise."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    waves = [130 + 60 * np.sin(x / a) * np.cos(y / b) for a, b in ((9, 14), (6, 5), (12, 8))]
    waves[0][(x - 30) ** 2 + (y - 20) ** 2 < 120] -= 50
    noisy = np.stack(waves, -1) + random.normal(0, 4, (height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def check(pixels: NDArray[np.uint8]) -> None:
    """Levels agree but where a number lies between two steps of quantisation and is rounded elsewhere."""
    for quality, mine in zip(QUALITIES, ours(pixels, *QUALITIES), strict=True):
        theirs = by_pillow(pixels, quality).astype(float)
        error = np.abs(mine - theirs)
        loss = np.abs(theirs - pixels).mean()
        assert error.mean() < min(0.8, 0.35 * loss)
        assert np.percentile(error, 99) <= 8


def test_tables_are_those_of_libjpeg() -> None:
    tables = quantisation(torch.tensor(QUALITIES)).flatten(2)
    for quality, table in zip(QUALITIES, tables.tolist(), strict=True):
        file = io.BytesIO()
        Image.new("RGB", (8, 16)).save(file, "JPEG", quality=quality)
        theirs = Image.open(file).quantization  # type: ignore[attr-defined]
        assert [theirs[0], theirs[1]] == table


def test_pixels_are_those_of_pillow() -> None:
    check(drawn_tissue(72, 96))


def test_sides_that_are_no_multiple_of_eight_are_continued() -> None:
    check(drawn_tissue(61, 83))


def test_real_tissue_is_as_by_pillow(shared_data: Path) -> None:
    with zipfile.ZipFile(shared_data / "crc_tissue7" / "images.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".jpg"))
        for name in (names[0], names[25]):
            check(np.asarray(Image.open(io.BytesIO(archive.read(name))))[5:133, 9:121])


def test_results_are_levels_and_extremes_stay() -> None:
    pixels = np.zeros((16, 24, 3), dtype=np.uint8)
    pixels[:, 8:] = 255
    after = ours(pixels, 50)
    np.testing.assert_allclose(after[0], pixels, atol=1e-4)
    assert compressed(at(50, 0)).tolist() == [True, False]
