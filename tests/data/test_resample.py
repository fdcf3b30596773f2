"""Laws of resampling: exact means, no seams, no shift, bounded memory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from histopress.core.geometry import Box, Size
from histopress.data import resample as module
from histopress.data.resample import Reader, resample

Pixels = NDArray[np.uint8]

SCALES = [
    (2.004008, 2.004008),
    (1.63, 2.9),
    (0.8, 1.3),
    (4.02, 3.7),
    (1.002, 1.002),
    (1.46, 1.46),
    (0.5, 0.6),
]


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


def waves(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth picture that is known everywhere: x, y in px of the level, shortest wave 23 px."""
    grey = 128 + 60 * np.sin(2 * np.pi * x / 23 + 0.4) + 50 * np.cos(2 * np.pi * (y / 31 - x / 90))
    return np.stack([grey, grey[::-1, ::-1], 255 - grey], axis=-1)


def sampled(x: float, y: float, size: Size) -> Pixels:
    """The waves at the centres of px that begin at (x, y)."""
    cols, rows = np.meshgrid(x + np.arange(size.width) + 0.5, y + np.arange(size.height) + 0.5)
    return np.rint(waves(cols, rows)).astype(np.uint8)


def reader(pixels: Pixels) -> Reader:
    """Stored pixels, white outside."""
    height, width = pixels.shape[:2]

    def read(x: int, y: int, size: Size) -> Pixels:
        white = np.full((*size.shape, 3), 255, np.uint8)
        left, top, right, bottom = (
            max(x, 0),
            max(y, 0),
            min(x + size.width, width),
            min(y + size.height, height),
        )
        if left < right and top < bottom:
            white[top - y : bottom - y, left - x : right - x] = pixels[top:bottom, left:right]
        return white

    return read


def off(a: Pixels, b: Pixels) -> int:
    return int(np.abs(a.astype(int) - b).max())


def shift(seen: NDArray[np.float64], expected: NDArray[np.float64]) -> tuple[float, float]:
    """How far one picture is moved against another, (x, y) in px, by least squares on the gradient."""
    slope_y, slope_x = np.gradient(expected)
    inner = (slice(2, -2), slice(2, -2))
    slopes = np.stack([slope_x[inner].ravel(), slope_y[inner].ravel()], axis=1)
    moved = np.linalg.lstsq(slopes, -(seen - expected)[inner].ravel(), rcond=None)[0]
    return float(moved[0]), float(moved[1])


def test_the_stored_pixels_are_untouched_at_their_own_scale() -> None:
    pixels = noise(37, 53)
    assert np.array_equal(resample(reader(pixels), Box(5, 9, 31, 17), Size(31, 17)), pixels[9:26, 5:36])


def test_halving_is_the_rounded_mean_of_two_by_two() -> None:
    pixels = noise(38, 54)
    four = pixels.astype(int)
    expected = (four[::2, ::2] + four[1::2, ::2] + four[::2, 1::2] + four[1::2, 1::2] + 2) // 4
    assert np.array_equal(resample(reader(pixels), Box(0, 0, 54, 38), Size(27, 19)), expected)


@pytest.mark.parametrize(("across", "down"), [(3, 3), (4, 2), (1, 5), (16, 16), (7, 11)])
def test_whole_reductions_are_rounded_means(across: int, down: int) -> None:
    pixels = noise(4 * down + 3, 5 * across + 2)
    got = resample(reader(pixels), Box(1, 2, 5 * across, 4 * down), Size(5, 4))
    cut = pixels[2 : 2 + 4 * down, 1 : 1 + 5 * across].reshape(4, down, 5, across, 3).astype(int)
    total, count = cut.sum(axis=(1, 3)), across * down
    assert np.array_equal(got, (2 * total + count) // (2 * count))


def test_rounding_errors_of_a_spacing_do_not_spoil_a_whole_reduction() -> None:
    pixels = noise(60, 90)
    step = 3 * (0.3 / 0.1) / 3  # 2.9999999999999996
    assert step != 3
    got = resample(reader(pixels), Box(10 * step, 2 * step, 12 * step, 9 * step), Size(12, 9))
    assert np.array_equal(got, resample(reader(pixels), Box(30, 6, 36, 27), Size(12, 9)))


@pytest.mark.parametrize("scale", [0.37, 1.0, 1.7, 2.004008, 5.3])
def test_adjacent_boxes_join_without_a_seam(scale: float) -> None:
    read = reader(noise(300, 400))
    x, y, rows, cols = 20.3, 11.8, 25, 16
    joint = resample(read, Box(x, y, 2 * cols * scale, rows * scale), Size(2 * cols, rows))
    left = resample(read, Box(x, y, cols * scale, rows * scale), Size(cols, rows))
    right = resample(read, Box(x + cols * scale, y, cols * scale, rows * scale), Size(cols, rows))
    assert off(np.concatenate([left, right], axis=1), joint) <= 1
    top = resample(read, Box(x, y, 2 * cols * scale, 10 * scale), Size(2 * cols, 10))
    bottom = resample(read, Box(x, y + 10 * scale, 2 * cols * scale, 15 * scale), Size(2 * cols, 15))
    assert off(np.concatenate([top, bottom]), joint) <= 1


@pytest.mark.parametrize("scale", [2.0, 2.004008])
def test_flipping_the_picture_flips_the_result(scale: float) -> None:
    pixels = noise(130, 170)
    width, height = 40 * scale, 30 * scale
    box, mirrored = Box(12, 9, width, height), Box(170 - 12 - width, 9, width, height)
    straight = resample(reader(pixels), box, Size(40, 30))
    flipped = resample(reader(pixels[:, ::-1]), mirrored, Size(40, 30))
    assert off(flipped[:, ::-1], straight) <= (0 if scale == 2.0 else 1)


@pytest.mark.parametrize(("scale_x", "scale_y"), SCALES)
def test_nothing_is_shifted(scale_x: float, scale_y: float) -> None:
    size = Size(61, 47)
    box = Box(33.27, 18.61, size.width * scale_x, size.height * scale_y)
    seen = resample(sampled, box, size)[..., 0].astype(float)
    cols, rows = np.meshgrid(
        box.x + (np.arange(size.width) + 0.5) * scale_x, box.y + (np.arange(size.height) + 0.5) * scale_y
    )
    moved = shift(seen, waves(cols, rows)[..., 0])
    assert max(map(abs, moved)) < 0.03


def test_white_beyond_the_border_keeps_the_geometry() -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    got = resample(reader(pixels), Box(-20, -10, 100, 60), Size(50, 30))
    assert (got[:5] == 255).all()
    assert (got[25:] == 255).all()
    assert (got[:, :10] == 255).all()
    assert (got[:, 40:] == 255).all()
    assert (got[5:25, 10:40] == 0).all()


@pytest.mark.parametrize(("scale", "tolerance"), [(3.0, 0), (3.17, 1)])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, scale: float, tolerance: int) -> None:
    read = reader(noise(200, 260))
    box, wanted = Box(0, 0, 71 * scale, 53 * scale), Size(71, 53)
    at_once = resample(read, box, wanted)
    monkeypatch.setattr(module, "BLOCK", 40)
    assert off(resample(read, box, wanted), at_once) <= tolerance


@pytest.mark.parametrize("scale", [64.0, 64.3])
def test_strong_reductions_ask_for_small_blocks(scale: float) -> None:
    asked: list[Size] = []

    def read(x: int, y: int, size: Size) -> Pixels:
        asked.append(size)
        return np.full((*size.shape, 3), 90, np.uint8)

    got = resample(read, Box(0, 0, 90 * scale, 70 * scale), Size(90, 70))
    assert (got == 90).all()
    margin = 2 * (math.ceil(scale) + 2)
    assert max(s.width for s in asked) <= module.BLOCK + margin
    assert max(s.height for s in asked) <= module.BLOCK + margin


def test_the_result_can_be_written_to() -> None:
    for scale in (1.0, 2.0, 1.5):
        got = resample(reader(noise(40, 60)), Box(0, 0, 10 * scale, 8 * scale), Size(10, 8))
        got[0, 0] = 0
