from __future__ import annotations

import numpy as np
import pytest
import torch

from histopress.core.errors import EncoderError
from histopress.encoders.encoder import NetworkEncoder, encode, load_saved, save_encoder
from histopress.encoders.engine import prepare
from histopress.encoders.network import scaled
from histopress.encoders.turned_conv import (
    TurnedConv,
    TurnedConvSettings,
    TurnedPyramid,
    TurnedPyramidSettings,
    orientations,
)

SMALL = TurnedConvSettings(tile=32, channels=(16, 32, 64), blocks=(0, 1, 1), dim=5)


def lively(settings: TurnedConvSettings, seed: int = 0) -> TurnedConv:
    """A network whose norms have seen tiles, so that nothing in it is trivial."""
    torch.manual_seed(seed)
    kind = TurnedPyramid if isinstance(settings, TurnedPyramidSettings) else TurnedConv
    network = kind(settings)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    network.train()
    for _ in range(3):
        network(some_tiles(16, settings.tile))
    return network.eval()


def some_tiles(count: int, side: int, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8))


def turned(tiles: torch.Tensor, mirrored: bool, quarters: int) -> torch.Tensor:
    return torch.rot90(tiles.flip(2) if mirrored else tiles, quarters, (1, 2))


@pytest.mark.parametrize("shrink", [1, 2])
def test_codes_are_the_same_in_all_eight_orientations(shrink: int) -> None:
    settings = TurnedConvSettings(32 * shrink, shrink, channels=(16, 32, 64), blocks=(1, 0, 1), dim=5)
    network, tiles = lively(settings), some_tiles(4, settings.tile)
    with torch.no_grad():
        codes = network(tiles)
        for way in orientations(8):
            torch.testing.assert_close(network(turned(tiles, *way)), codes, rtol=1e-4, atol=1e-5)
    assert (codes[0] - codes[1]).abs().max() > 1e-3  # and yet tiles are told apart


def test_maps_turn_with_the_tile() -> None:
    """Each orientation of the answer to a turned tile is one of the answer to the tile, turned."""
    network, tiles = lively(SMALL), some_tiles(1, SMALL.tile)
    with torch.no_grad():
        images = scaled(tiles.permute(0, 3, 1, 2) / 255, network.pixels)
        before = network.trunk[0](images).unflatten(1, (8, -1))[0]
        after = network.trunk[0](torch.rot90(images, 1, (2, 3))).unflatten(1, (8, -1))[0]
    found = [
        [torch.allclose(b, torch.rot90(a, 1, (1, 2)), atol=1e-4) for a in before].index(True) for b in after
    ]
    assert sorted(found) == list(range(8))
    assert found != list(range(8))


def test_training_takes_gradients_that_do_not_depend_on_the_orientation() -> None:
    network, tiles = lively(SMALL), some_tiles(8, SMALL.tile)
    gradients = []
    for way in [(False, 0), (True, 1)]:
        network.zero_grad()
        network.train()
        network(turned(tiles, *way)).square().sum().backward()
        gradients.append(network.trunk[0].weight.grad.clone())  # type: ignore[union-attr]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-4)


def test_ordinary_filters_see_orientation() -> None:
    settings = TurnedConvSettings(tile=32, channels=(16, 32, 64), blocks=(0, 1, 1), dim=5, turns=1)
    network, tiles = lively(settings), some_tiles(4, 32)
    with torch.no_grad():
        apart = (network(tiles) - network(turned(tiles, False, 1))).abs().max()
    assert apart > 1e-2


def test_the_plain_network_computes_the_same() -> None:
    network, tiles = lively(SMALL), some_tiles(4, SMALL.tile)
    images = scaled(tiles.permute(0, 3, 1, 2) / 255, network.pixels)
    with torch.no_grad():
        torch.testing.assert_close(network.plain().codes(images), network(tiles), rtol=1e-4, atol=1e-5)


def test_a_pyramid_sees_every_stage_and_is_as_steady() -> None:
    settings = TurnedPyramidSettings(tile=32, channels=(16, 32, 64), blocks=(1, 0, 1), dim=5)
    network, tiles = lively(settings), some_tiles(4, 32)
    assert network.code.in_features == (16 + 32 + 64) // 8
    images = scaled(tiles.permute(0, 3, 1, 2) / 255, network.pixels)
    with torch.no_grad():
        codes = network(tiles)
        maps = [network.trunk[:n](images) for n in (2, 3, 5)]
        means = torch.cat([m.unflatten(1, (8, -1)).mean((1, 3, 4)) for m in maps], 1)
        torch.testing.assert_close(network.code(means), codes)
        torch.testing.assert_close(network.plain().codes(images), codes, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(network(turned(tiles, True, 1)), codes, rtol=1e-4, atol=1e-5)


def test_engines_run_it(tmp_path: object) -> None:
    encoder = NetworkEncoder(lively(SMALL), "turned", 0.5)
    tiles = some_tiles(40, SMALL.tile).numpy()
    engine = prepare(encoder, "cpu", "fp32", "auto", threads=1)
    assert engine.choice.backend != "exact"
    np.testing.assert_allclose(engine.encode(tiles), encode(encoder, tiles, "cpu"), rtol=1e-3, atol=1e-4)


def test_saved_and_loaded_it_is_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("encoder")
    encoder = NetworkEncoder(lively(SMALL), "turned", 0.5, training={"method": "multitask"})
    save_encoder(encoder, folder)
    loaded = load_saved(folder)
    assert loaded.card == encoder.card
    tiles = some_tiles(8, SMALL.tile).numpy()
    np.testing.assert_array_equal(encode(loaded, tiles, "cpu"), encode(encoder, tiles, "cpu"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"blocks": (1,)}, "one number for each"),
        ({"channels": (20, 32, 64), "blocks": (0, 0, 0)}, "multiples of 8"),
        ({"shrink": 5}, "divisor of the tile"),
        ({"tile": 100}, "multiple of 64 px"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], told: str) -> None:
    with pytest.raises(EncoderError, match=told):
        TurnedConvSettings(**settings)  # type: ignore[arg-type]
