"""The decoder: sizes, published layers, order of norm and activation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from histopress.core.errors import EncoderError
from histopress.encoders.decoder import Decoder
from histopress.encoders.networks import StridedConvSettings


@pytest.mark.parametrize(("tile", "shrink", "filters"), [(48, 1, (6, 5, 4)), (48, 2, (6, 5)), (40, 1, (3,))])
def test_images_have_the_size_that_the_encoder_takes(
    tile: int, shrink: int, filters: tuple[int, ...]
) -> None:
    settings = StridedConvSettings(tile=tile, shrink=shrink, filters=(4, 4), dim=7)
    images = Decoder(settings, 8, filters)(torch.randn(3, 7))
    assert images.shape == (3, 3, tile // shrink, tile // shrink)
    assert images.abs().max() <= 1


@pytest.mark.parametrize("norm_first", [True, False])
def test_norm_stands_where_the_encoder_has_it(norm_first: bool) -> None:
    settings = StridedConvSettings(tile=32, shrink=1, filters=(4,), norm_first=norm_first)
    kinds = [type(layer) for layer in Decoder(settings, 8, (6, 5)).steps[0]]
    last = [nn.BatchNorm2d, nn.LeakyReLU] if norm_first else [nn.LeakyReLU, nn.BatchNorm2d]
    assert kinds == [nn.Upsample, nn.Conv2d, *last]


def test_each_step_repeats_px_before_it_convolves() -> None:
    step = Decoder(StridedConvSettings(tile=32, shrink=1, filters=(4,)), 8, (6, 5)).steps[0]
    maps = torch.randn(2, 8, 3, 5)
    doubled = maps.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(step[0](maps), doubled)


def test_sides_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(EncoderError, match="50 px a side cannot be halved 2 times, expected a multiple of 4"):
        Decoder(StridedConvSettings(tile=50, shrink=1, filters=(4,)), 8, (6, 5))
