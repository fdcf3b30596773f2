"""Networks: what they compute, that they can be built again, and that they can learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from histopress.core.errors import EncoderError
from histopress.encoders.networks import (
    MeanColour,
    MeanColourSettings,
    StridedConv,
    StridedConvSettings,
    architecture_of,
    build_network,
    draw_weights,
)

SMALL = StridedConvSettings(tile=30, filters=(5, 6, 7), dim=9)


def random_tiles(batch: int, tile: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (batch, tile, tile, 3), generator=torch.Generator().manual_seed(seed)).byte()


def drawn(settings: StridedConvSettings, seed: int = 0) -> StridedConv:
    network = StridedConv(settings)
    draw_weights(network, seed)
    return network.eval()


def test_the_default_network_has_the_published_number_of_parameters() -> None:
    network = StridedConv(StridedConvSettings())
    statistics = [b.numel() for name, b in network.named_buffers() if "running" in name]
    assert sum(p.numel() for p in network.parameters()) == 594_944
    assert sum(statistics) == 1_024
    assert network.settings.sides == [64, 31, 15, 7, 3]


@pytest.mark.parametrize("shrink", [1, 2, 3])
def test_pixels_are_scaled_and_averaged(shrink: int) -> None:
    tiles = random_tiles(2, 36)
    images = StridedConv(StridedConvSettings(tile=36, shrink=shrink, filters=(4,))).prepare(tiles)
    side = 36 // shrink
    blocks = tiles.numpy().astype(np.float64).reshape(2, side, shrink, side, shrink, 3).mean((2, 4))
    np.testing.assert_allclose(images.numpy(), (blocks / 127.5 - 1).transpose(0, 3, 1, 2), atol=1e-6)


def test_black_is_minus_one_and_white_is_one() -> None:
    network = StridedConv(StridedConvSettings())
    for value, expected in ((0, -1.0), (255, 1.0)):
        image = network.prepare(torch.full((1, 128, 128, 3), value, dtype=torch.uint8))
        assert image.unique().tolist() == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize("norm_first", [False, True])
def test_norm_stands_on_the_side_of_the_activation_that_was_asked_for(norm_first: bool) -> None:
    network = drawn(StridedConvSettings(tile=10, shrink=1, filters=(4,), dim=5, norm_first=norm_first))
    block = network.trunk[0]
    block.norm.running_mean.fill_(0.3)
    block.norm.running_var.fill_(2.0)
    images = network.prepare(random_tiles(3, 10))
    maps = functional.conv2d(images, block.conv.weight, stride=2)
    steps = [lambda x: (x - 0.3) / (2 + 1e-3) ** 0.5, lambda x: torch.where(x > 0, x, 0.2 * x)]
    for step in steps if norm_first else reversed(steps):
        maps = step(maps)
    expected = network.code(maps.permute(0, 2, 3, 1).reshape(3, -1))
    torch.testing.assert_close(network.codes(images), expected)


def test_hidden_layers_and_more_filters_make_the_other_trunks_of_the_family() -> None:
    settings = StridedConvSettings(
        tile=128, shrink=1, filters=(3, 4, 5, 6, 7), hidden=(11,), dim=13, norm_first=True
    )
    network = drawn(settings)
    assert network(random_tiles(2, 128)).shape == (2, 13)
    assert network.hidden[0].dense.in_features == 7 * settings.sides[-1] ** 2


@pytest.mark.parametrize("shrink, filters", [(1, (4,)), (2, (4, 4, 4)), (3, (4, 4))])
def test_the_smallest_tile_is_the_smallest_that_works(shrink: int, filters: tuple[int, ...]) -> None:
    smallest = (2 ** (len(filters) + 1) - 1) * shrink
    settings = StridedConvSettings(tile=smallest, shrink=shrink, filters=filters)
    assert settings.sides[-1] == 1
    with pytest.raises(EncoderError, match=f"at least {smallest} px"):
        StridedConvSettings(tile=smallest - shrink, shrink=shrink, filters=filters)


@pytest.mark.parametrize("wrong", [{"shrink": 3}, {"shrink": 0}, {"dim": 0}, {"filters": (4, 0)}])
def test_settings_that_make_no_network_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(EncoderError):
        StridedConvSettings(**wrong)


def test_mean_colour_is_the_mean_and_knows_no_up_or_left() -> None:
    tiles = random_tiles(5, 37)
    network = MeanColour(MeanColourSettings(37))
    codes = network(tiles)
    np.testing.assert_allclose(codes.numpy(), tiles.numpy().mean((1, 2)) / 255, rtol=1e-6)
    for turns in range(4):
        turned = tiles.rot90(turns, (1, 2))
        assert torch.equal(network(turned), codes)
        assert torch.equal(network(turned.flip(2)), codes)


def test_mean_colour_reaches_from_zero_to_one() -> None:
    tiles = torch.tensor([0, 255]).byte().view(2, 1, 1, 1).expand(2, 300, 300, 3)
    assert MeanColour(MeanColourSettings(300))(tiles).tolist() == [[0.0] * 3, [1.0] * 3]


def test_a_network_is_built_again_from_its_architecture() -> None:
    network = drawn(SMALL, seed=4)
    again = build_network(architecture_of(network), network.state_dict()).eval()
    tiles = random_tiles(3, 30)
    assert again.settings == SMALL
    assert torch.equal(again(tiles), network(tiles))


def test_weights_that_do_not_fit_are_named() -> None:
    network = drawn(SMALL)
    weights = network.state_dict()
    weights["code.weight"] = weights["code.weight"][:-1]
    weights["stranger"] = weights.pop("code.bias")
    with pytest.raises(EncoderError, match=r"3 weights.*code\.bias is missing.*code\.weight is .*\(8, 7\)"):
        build_network(architecture_of(network), weights)


@pytest.mark.parametrize(
    "architecture",
    [{}, {"network": "resnet"}, {"network": "mean-colour"}, {"network": "mean-colour", "tiles": 3}],
)
def test_unknown_architectures_are_refused(architecture: dict[str, str]) -> None:
    with pytest.raises(EncoderError):
        build_network(architecture, {})


def test_drawn_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = drawn(SMALL, seed=7).state_dict()
    torch.manual_seed(2)
    second, other = drawn(SMALL, seed=7).state_dict(), drawn(SMALL, seed=8).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["code.weight"], other["code.weight"])


def test_drawn_weights_fill_the_ranges_of_keras() -> None:
    network = drawn(StridedConvSettings(filters=(16, 32), dim=20))
    for weight, bound in (
        (network.trunk[0].conv.weight, (6 / 27) ** 0.5),
        (network.trunk[1].conv.weight, (6 / 144) ** 0.5),
        (network.code.weight, (6 / (network.code.in_features + 20)) ** 0.5),
    ):
        assert 0.95 * bound < weight.abs().max().item() <= bound
        assert abs(weight.mean().item()) < 0.1 * bound
    assert not network.code.bias.any()


def test_every_weight_learns() -> None:
    settings = StridedConvSettings(tile=30, filters=(5, 6), hidden=(8,), dim=9)
    network = drawn(settings).train()
    network(random_tiles(4, 30)).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    assert all(
        p.grad.any() for name, p in network.named_parameters() if "weight" in name and p.grad is not None
    )
