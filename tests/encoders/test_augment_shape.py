from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from histopress.core.errors import EncoderError
from histopress.encoders.augment_draws import Draws, draw
from histopress.encoders.augment_recipe import LADDER, AugmentRecipe
from histopress.encoders.augment_shape import displacement, turn, turned, warp, warped

WAYS = 8


def smooth(height: int, width: int, batch: int = 1) -> Tensor:
    noise = np.random.default_rng(0).standard_normal((batch, 3, height, width))
    blurred = ndimage.gaussian_filter(noise, (0, 0, 3, 3), mode="reflect")
    return torch.from_numpy(0.5 + blurred).float()


def still(batch: int) -> Draws:
    return draw(LADDER["none"], batch, torch.Generator().manual_seed(0))


def all_ways() -> Draws:
    ways = torch.arange(WAYS)
    return replace(still(WAYS), turns=ways // 2, mirrored=ways % 2 == 1)


def by_numpy(images: Tensor) -> NDArray[np.float32]:
    """Each image in its own of the eight ways."""
    turned = []
    for way, image in enumerate(images.numpy()):
        mirrored = image[:, :, ::-1] if way % 2 else image
        turned.append(np.rot90(mirrored, way // 2, axes=(1, 2)))
    return np.stack(turned)


def sampled(image: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """scipy's bilinear interpolation; the matrix takes (row, col) about the middle to those of the source."""
    middle = (np.array(image.shape[1:]) - 1) / 2
    offset = middle - matrix @ middle
    return np.stack(
        [ndimage.affine_transform(c, matrix, offset, order=1, mode="reflect") for c in image.astype(float)]
    )


def test_mirroring_and_turning_is_that_of_numpy_bit_for_bit() -> None:
    images = torch.rand(WAYS, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    assert not warped(all_ways()).any()
    assert turned(all_ways()).tolist() == [False] + [True] * 7
    np.testing.assert_array_equal(turn(images, all_ways()).numpy(), by_numpy(images))


def test_warping_turns_the_same_way() -> None:
    images = smooth(24, 24, WAYS)
    np.testing.assert_allclose(warp(images, all_ways()).numpy(), by_numpy(images), atol=2e-6)


def test_oblong_tiles_can_be_turned_upside_down_but_not_aside() -> None:
    images = torch.rand(4, 3, 24, 40)
    halves = replace(still(4), turns=torch.tensor([0, 2, 2, 0]), mirrored=torch.tensor([1, 0, 1, 0]).bool())
    expected = [images[0].flip(2), images[1].flip(1, 2), images[2].flip(1), images[3]]
    assert torch.equal(turn(images, halves), torch.stack(expected))
    torch.testing.assert_close(warp(images, halves), torch.stack(expected), atol=1e-5, rtol=0)
    for change in (turn, warp):
        with pytest.raises(EncoderError, match="24 x 40 px and cannot be turned by a quarter"):
            change(images, replace(halves, turns=torch.tensor([0, 3, 2, 0])))


@pytest.mark.parametrize("zoom", [0.8, 1.25, 2.0])
def test_zoom_magnifies_about_the_middle_and_mirrors_the_outside_in(zoom: float) -> None:
    images = smooth(40, 56)
    seen = warp(images, replace(still(1), zoom=torch.tensor([zoom])))
    expected = sampled(images[0].numpy(), np.eye(2) / zoom)
    np.testing.assert_allclose(seen[0].numpy(), expected, atol=1e-5)


def test_angles_are_anticlockwise_whatever_the_shape() -> None:
    images = smooth(40, 56)
    seen = warp(images, replace(still(1), angle=torch.tensor([30.0])))
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    expected = sampled(images[0].numpy(), np.array([[cos, sin], [-sin, cos]]))
    np.testing.assert_allclose(seen[0].numpy(), expected, atol=1e-5)
    square = smooth(24, 24)
    quarter = warp(square, replace(still(1), angle=torch.tensor([90.0])))
    torch.testing.assert_close(quarter, square.rot90(1, (2, 3)), atol=1e-5, rtol=0)


def test_turns_and_angles_add_up() -> None:
    images = smooth(24, 24)
    one = replace(still(1), angle=torch.tensor([100.0]), mirrored=torch.tensor([True]))
    two = replace(one, angle=torch.tensor([10.0]), turns=torch.tensor([1]))
    torch.testing.assert_close(warp(images, one), warp(images, two), atol=1e-5, rtol=0)


def test_elastic_deformation_is_as_far_and_as_smooth_as_the_published_one() -> None:
    height, width, alpha, sigma = 128, 96, 100.0, 10.0
    draws = draw(AugmentRecipe("morphology"), 200, torch.Generator().manual_seed(2))
    draws = replace(draws, elastic_alpha=torch.full((200,), alpha), elastic_sigma=torch.full((200,), sigma))
    ours = displacement(draws, height, width).numpy()
    white = np.random.default_rng(0).uniform(-1, 1, (200, height, width))
    theirs = alpha * ndimage.gaussian_filter(white, (0, sigma, sigma), mode="constant")
    assert abs(ours.mean()) < 0.1
    for rows, cols in ((slice(40, 88), slice(30, 66)), (slice(0, 4), slice(30, 66)), (slice(0, 4),) * 2):
        spread = ours[:, :, rows, cols].std(), theirs[:, rows, cols].std()
        assert 0.9 < spread[0] / spread[1] < 1.1
    for step in (5, 12):
        there, here = np.s_[..., 30 + step : 90 + step, 48], np.s_[..., 30:90, 48]
        alike = [(f[there] * f[here]).mean() / (f[here] ** 2).mean() for f in (ours, theirs)]
        assert abs(alike[0] - alike[1]) < 0.08
    assert abs((ours[:, 0] * ours[:, 1]).mean()) < 0.2 * ours.std() ** 2


def test_elastic_deformation_moves_pixels_by_its_displacement() -> None:
    images = smooth(48, 64)
    draws = draw(AugmentRecipe("morphology", zoom=(1, 1), orientations=False), 1, torch.Generator())
    across, down = displacement(draws, 48, 64)[0].double().numpy()
    rows, cols = np.mgrid[:48, :64]
    expected = [
        ndimage.map_coordinates(c, (rows + down, cols + across), order=1, mode="reflect")
        for c in images[0].double().numpy()
    ]
    assert np.abs([across, down]).max() > 0.5
    np.testing.assert_allclose(warp(images, draws)[0].numpy(), expected, atol=1e-5)
