"""Any torch module as an encoder; how pages show it is tested with plug-ins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histopress.core.errors import EncoderError
from histopress.encoders.contract import check_encoder
from histopress.encoders.encoder import encode
from histopress.encoders.engine import prepare, prepare_as
from histopress.encoders.module_encoder import ModuleEncoder

MEAN, DEVIATION = (0.7, 0.5, 0.6), (0.2, 0.25, 0.3)


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(),
    )


def encoder(module: nn.Module | None = None, **changed: object) -> ModuleEncoder:
    given = {"name": "own", "spacing": 0.5, "tile": 30, "mean": MEAN, "deviation": DEVIATION} | changed
    return ModuleEncoder(module or network(), **given)  # type: ignore[arg-type]


def random_tiles(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 30, 30, 3), dtype=np.uint8)


def test_codes_are_those_of_the_module() -> None:
    tiles, module = random_tiles(3), network().eval()
    images = ((torch.from_numpy(tiles) / 255 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)).permute(
        0, 3, 1, 2
    )
    with torch.no_grad():
        expected = module(images)
    np.testing.assert_allclose(encode(encoder(), tiles, "cpu"), expected, rtol=1e-4, atol=1e-5)
    check_encoder(encoder())


def test_engines_make_it_fast(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOPRESS_CACHE", str(tmp_path))
    own, tiles = encoder(), random_tiles(9)
    engine = prepare(own, "cpu", "fp32")
    assert engine.choice.backend != "exact"
    np.testing.assert_allclose(engine.encode(tiles), encode(own, tiles, "cpu"), rtol=1e-3, atol=1e-5)
    assert np.array_equal(prepare_as(own, engine.choice).encode(tiles), engine.encode(tiles))


def test_identity_is_of_layers_weights_scaling_spacing_and_version() -> None:
    first = encoder().card.identity
    assert encoder(name="other", licence="MIT").card.identity == first
    wider = nn.Sequential(*network(), nn.ReLU())
    others = [
        encoder(network(1)), encoder(wider), encoder(spacing=1.0), encoder(version="2"), encoder(tile=32),
        encoder(mean=(0.5,) * 3),
    ]  # fmt: skip
    assert len({first, *(other.card.identity for other in others)}) == 7


class Tokens(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(2)


def test_modules_that_give_no_codes_are_refused() -> None:
    with pytest.raises(EncoderError, match=r"2 tiles of 30 px into \(2, 3, 900\), expected \(2, dim\)"):
        encoder(Tokens())
