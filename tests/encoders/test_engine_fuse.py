"""Fused layers compute what the layers they replace compute."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from histopress.encoders.engine_fold import cast, fold
from histopress.encoders.engine_fuse import FusedConv, fuse
from histopress.encoders.network import ImageNetwork, PixelScale
from histopress.encoders.networks import MeanColourSettings

if not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
    pytest.skip("this build of torch has no oneDNN", allow_module_level=True)


class Residual(ImageNetwork):
    """Every way in which a convolution can be followed."""

    def __init__(self) -> None:
        super().__init__(MeanColourSettings(14), 6, "in words")
        self.pixels = PixelScale(1, (0.01,) * 3, (-1.0,) * 3)
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.leaky = nn.LeakyReLU(0.3, inplace=True)
        self.inner = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.outer = nn.Conv2d(6, 6, 3, padding=1, groups=2)
        self.shortcut = nn.Conv2d(6, 6, 1)
        self.last = nn.Conv2d(6, 6, 1)

    def forward(self, tiles: Tensor) -> Tensor:
        return self.codes((tiles * 0.01 - 1).permute(0, 3, 1, 2))

    def codes(self, images: Tensor) -> Tensor:
        maps = self.leaky(self.stem(images))
        more = self.outer(self.relu(self.norm(self.inner(maps))))
        more += self.shortcut(maps)
        maps = self.relu(more)
        maps = self.leaky(self.last(maps) + maps)
        return (self.last(maps) + maps).sigmoid().mean((2, 3))


def residual() -> Residual:
    torch.manual_seed(0)
    return Residual().requires_grad_(False).eval()


def random_tiles(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 14, 14, 3), dtype=torch.uint8)


def test_fused_networks_give_the_same_codes() -> None:
    network, tiles = residual(), random_tiles(5)
    fused = fuse(fold(network, torch.float32))
    assert sum(isinstance(layer, FusedConv) for layer in fused.modules()) == 6
    assert not any(isinstance(layer, nn.Conv2d | nn.ReLU) for layer in fused.modules())
    with torch.inference_mode():
        torch.testing.assert_close(fused(tiles), network(tiles), rtol=1e-4, atol=1e-5)


def test_an_input_that_is_used_again_is_not_overwritten() -> None:
    fused, tiles = fuse(fold(residual(), torch.float32)), random_tiles(2)
    with torch.inference_mode():
        assert torch.equal(fused(tiles), fused(tiles))


@pytest.mark.parametrize("slope", [None, 0.0, 0.25])
def test_one_fused_layer(slope: float | None) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 7, 3, stride=2, dilation=2, padding=1).requires_grad_(False)
    image = torch.randn(2, 4, 13, 11).to(memory_format=torch.channels_last)
    expected = conv(image)
    other = torch.randn_like(expected)
    activation = nn.Identity() if slope is None else nn.LeakyReLU(slope)
    fused = FusedConv(conv, slope)
    torch.testing.assert_close(fused(image), activation(expected), rtol=1e-4, atol=1e-5)
    if not slope:
        torch.testing.assert_close(fused(image, other), activation(expected + other), rtol=1e-4, atol=1e-5)


def test_only_folded_networks_can_be_fused() -> None:
    with pytest.raises(TypeError, match="only folded"):
        fuse(cast(residual(), torch.float32))


def test_padding_that_is_not_of_zeros_is_refused() -> None:
    with pytest.raises(RuntimeError, match="reflect"):
        FusedConv(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), None)
