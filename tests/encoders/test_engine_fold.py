"""Folding changes nothing but the work: codes stay, layers go."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from histopress.encoders.engine_fold import TileNetwork, cast, fold
from histopress.encoders.network import ImageNetwork, PixelScale
from histopress.encoders.networks import MeanColourSettings, StridedConv, StridedConvSettings

SETTINGS = {
    "norm after activation": StridedConvSettings(tile=30, filters=(4, 5), dim=6),
    "norm first": StridedConvSettings(tile=30, filters=(4, 5), dim=6, norm_first=True),
    "hidden layers": StridedConvSettings(tile=30, filters=(4, 5), hidden=(7, 8), dim=6),
    "hidden layers, norm first": StridedConvSettings(
        tile=30, filters=(4, 5), hidden=(7,), dim=6, norm_first=True
    ),
    "no shrinking": StridedConvSettings(tile=19, shrink=1, filters=(4, 5), dim=6),
    "shrinking by 3": StridedConvSettings(tile=45, shrink=3, filters=(4, 5), dim=6),
}


def shake(network: nn.Module) -> None:
    """Give every batch norm something to do, the same at every call."""
    generator = torch.Generator().manual_seed(3)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor, low in (
                (norm.weight, 0.5), (norm.bias, -0.5), (norm.running_mean, -0.5), (norm.running_var, 0.5)
            ):  # fmt: skip
                assert tensor is not None
                with torch.no_grad():
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) + low)


def strided(settings: StridedConvSettings) -> StridedConv:
    torch.manual_seed(0)
    network = StridedConv(settings)
    shake(network)
    return network.requires_grad_(False).eval()


def random_tiles(count: int, tile: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, tile, tile, 3), dtype=torch.uint8, generator=generator)


class Padded(ImageNetwork):
    """A padded convolution, a norm behind an activation, another padded convolution, a shortcut."""

    def __init__(self) -> None:
        super().__init__(MeanColourSettings(12), 5, "in words")
        self.pixels = PixelScale(1, (0.01, 0.02, 0.03), (-1.0, -0.5, 0.5))
        self.first = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.backward_norm = nn.BatchNorm2d(4)
        self.stuck_norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 5, 3, padding=1)
        self.shared_norm = nn.BatchNorm2d(5)

    def forward(self, tiles: Tensor) -> Tensor:
        scale, shift = torch.tensor(self.pixels.scale), torch.tensor(self.pixels.shift)
        return self.codes((tiles * scale + shift).permute(0, 3, 1, 2))

    def codes(self, images: Tensor) -> Tensor:
        maps = self.stuck_norm(self.backward_norm(self.first(images)).relu())
        maps = self.second(maps)
        return (maps + self.shared_norm(maps)).relu().mean((2, 3))


def padded() -> Padded:
    torch.manual_seed(0)
    network = Padded()
    shake(network)
    return network.requires_grad_(False).eval()


def layers(network: TileNetwork, kind: type[nn.Module] | tuple[type[nn.Module], ...]) -> int:
    return sum(isinstance(layer, kind) for layer in network.modules())


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("whole_kernel", [False, True])
def test_a_folded_network_gives_the_same_codes_without_norms(
    settings: StridedConvSettings, whole_kernel: bool
) -> None:
    network, tiles = strided(settings), random_tiles(3, settings.tile)
    folded = fold(network, torch.float32, whole_kernel)
    torch.testing.assert_close(folded(tiles), network(tiles), rtol=1e-4, atol=1e-5)
    assert layers(folded, (nn.BatchNorm1d, nn.BatchNorm2d)) == 0
    assert not folded.pixels.scaled
    assert folded.pixels.shrink == (1 if whole_kernel else settings.shrink)


def test_what_cannot_be_folded_stays_and_is_right() -> None:
    network, tiles = padded(), random_tiles(3, 12)
    folded = fold(network, torch.float32)
    torch.testing.assert_close(folded(tiles), network(tiles), rtol=1e-4, atol=1e-5)
    assert layers(folded, nn.BatchNorm2d) == 2
    assert folded.pixels.scaled


@pytest.mark.parametrize("make", [cast, fold])
def test_bf16_stays_near_and_codes_are_float32(make: object) -> None:
    network, tiles = strided(SETTINGS["hidden layers"]), random_tiles(3, 30)
    codes = make(network, torch.bfloat16)(tiles)  # type: ignore[operator]
    assert codes.dtype == torch.float32
    assert torch.cosine_similarity(codes, network(tiles)).min() > 0.99


def test_the_last_dense_layer_stays_float32() -> None:
    folded = fold(strided(SETTINGS["norm first"]), torch.bfloat16)
    types = {name: weight.dtype for name, weight in folded.named_parameters()}
    assert {dtype for name, dtype in types.items() if "network.code." in name} == {torch.float32}
    assert {dtype for name, dtype in types.items() if "network.code." not in name} == {torch.bfloat16}


def test_pixels_reach_the_first_layer_as_they_are() -> None:
    tiles = torch.arange(256, dtype=torch.uint8).repeat(3).view(1, 16, 16, 3)
    folded = fold(strided(StridedConvSettings(tile=16, shrink=1, filters=(4,), dim=6)), torch.bfloat16)
    images = folded.pixels(tiles)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images.permute(0, 2, 3, 1).to(torch.uint8), tiles)


@pytest.mark.parametrize("make", [cast, fold])
def test_the_network_itself_is_left_alone(make: object) -> None:
    network = strided(SETTINGS["norm first"])
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    make(network, torch.bfloat16)  # type: ignore[operator]
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
