from __future__ import annotations

import colorsys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from histopress.encoders.augment_colour import light, lit, tint, tinted
from histopress.encoders.augment_draws import Draws, draw
from histopress.encoders.augment_recipe import LADDER


def still(batch: int) -> Draws:
    return draw(LADDER["none"], batch, torch.Generator())


def test_hue_and_saturation_are_those_of_colorsys() -> None:
    changes = list(product((-0.9, -0.1, 0.0, 0.3, 1.0), (-1.0, -0.3, 0.0, 0.4, 1.0)))
    hue, saturation = torch.tensor(changes).T
    images = torch.rand(len(changes), 3, 5, 7, generator=torch.Generator().manual_seed(0))
    images[:, :, 0] = (images[:, :, 0] * 3).floor() / 2
    after = tint(images, replace(still(len(changes)), hue=hue, saturation=saturation))
    for row, (shift, change) in enumerate(changes):
        for pixel, ours in zip(images[row].flatten(1).T.tolist(), after[row].flatten(1).T, strict=True):
            h, s, v = colorsys.rgb_to_hsv(*pixel)
            s *= 1 + change if change < 0 else 1 + (1 - s) * change
            expected = colorsys.hsv_to_rgb((h + shift) % 1, s, v)
            np.testing.assert_allclose(ours.numpy(), expected, atol=2e-5)


def test_grey_stays_grey() -> None:
    grey = torch.linspace(0, 1, 60).view(1, 1, 5, 12).expand(3, 3, 5, 12).contiguous()
    draws = replace(still(3), hue=torch.tensor([0.3, -1, 0.7]), saturation=torch.tensor([1.0, -1, 0.2]))
    assert tinted(draws).all() and not lit(draws).any()
    assert torch.equal(tint(grey, draws), grey)
    bright = replace(still(3), brightness=torch.tensor([0.7, 1, 1.3]), contrast=torch.tensor([1.5, 0.5, 1]))
    after = light(grey, bright)
    assert torch.equal(after[:, 0], after[:, 1]) and torch.equal(after[:, 0], after[:, 2])


@pytest.mark.parametrize(("brightness", "contrast"), [(0.7, 1.0), (1.0, 0.5), (0.8, 1.4), (1.2, 0.6)])
def test_brightness_and_contrast_are_those_of_pillow(brightness: float, contrast: float) -> None:
    levels = np.random.default_rng(0).integers(50, 200, (40, 56, 3), dtype=np.uint8)
    brighter = ImageEnhance.Brightness(Image.fromarray(levels)).enhance(brightness)
    expected = np.asarray(ImageEnhance.Contrast(brighter).enhance(contrast)).astype(float)
    draws = replace(still(1), brightness=torch.tensor([brightness]), contrast=torch.tensor([contrast]))
    ours = light(torch.from_numpy(levels).permute(2, 0, 1)[None].float() / 255, draws)
    assert np.abs(ours[0].permute(1, 2, 0).numpy() * 255 - expected).max() < 3


def test_what_would_leave_the_range_is_cut() -> None:
    images = torch.rand(2, 3, 8, 12)
    extreme = replace(still(2), brightness=torch.tensor([1.35, 0.65]), contrast=torch.tensor([1.5, 1.5]))
    after = light(images, extreme)
    assert after.min() == 0 and after.max() == 1
