from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from histopress.encoders.augment_draws import Draws, draw
from histopress.encoders.augment_recipe import LADDER
from histopress.encoders.augment_texture import blur, blurred, noise, noisy


def drawn(blur: list[float], noise: list[float]) -> Draws:
    draws = draw(LADDER["none"], len(blur), torch.Generator().manual_seed(4))
    return replace(draws, blur=torch.tensor(blur), noise=torch.tensor(noise))


def test_blur_is_that_of_scipy_for_every_tile_on_its_own() -> None:
    sigmas = [0.5, 1.0, 0.1, 2.2]
    images = torch.rand(4, 3, 20, 28, generator=torch.Generator().manual_seed(0))
    draws = drawn(sigmas, [0.0] * 4)
    assert blurred(draws).all() and not noisy(draws).any()
    for image, ours, sigma in zip(images.double().numpy(), blur(images, draws), sigmas, strict=True):
        reach = int(np.ceil(3 * sigma))
        expected = ndimage.gaussian_filter(image, (0, sigma, sigma), mode="mirror", radius=(0, reach, reach))
        np.testing.assert_allclose(ours.numpy(), expected, atol=1e-5)


def test_blur_of_tiles_smaller_than_its_reach_keeps_even_tiles_even() -> None:
    even = torch.full((1, 3, 4, 6), 0.3)
    torch.testing.assert_close(blur(even, drawn([0.6], [0])), even)
    assert blur(even, drawn([5.0], [0])).isfinite().all()


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_noise_is_normal_and_independent(sigma: float) -> None:
    grey = torch.full((2, 3, 80, 112), 0.5)
    added = (noise(grey, drawn([0.0, 0.0], [sigma, sigma])) - 0.5).numpy()
    assert abs(added.mean()) < 0.02 * sigma
    assert abs(added.std() / sigma - 1) < 0.02
    flat = added.reshape(6, -1)
    assert np.abs(np.corrcoef(flat) - np.eye(6)).max() < 0.05
    for axis in (2, 3):
        shifted = (added * np.roll(added, 1, axis)).mean() / sigma**2
        assert abs(shifted) < 0.03


def test_noise_stays_within_the_range() -> None:
    images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 8, 12).contiguous()
    after = noise(images, drawn([0.0, 0.0], [0.1, 0.1]))
    assert after.min() == 0 and after.max() == 1
    assert after[0].max() > 0 and after[1].min() < 1
