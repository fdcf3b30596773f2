"""The contract: our own encoders keep it, and each way to break it is found."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from histopress.core.errors import EncoderError
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.contract import CHECKS, Check, check_encoder
from histopress.encoders.encoder import Encoder, EncoderCard, check_tiles

OWN = ("mean-rgb:tile=9", "stain-texture:tile=64", "random:tile=30,depth=2,width=4,dim=5")


@pytest.mark.parametrize("check", CHECKS.values(), ids=list(CHECKS))
@pytest.mark.parametrize("name", OWN)
def test_our_own_encoders_keep_the_contract(name: str, check: Check) -> None:
    check(load_encoder(name))


def test_networks_of_timm_keep_the_contract() -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    check_encoder(load_encoder("timm:resnet10t,tile=64"))


class Good(Encoder):
    """The first pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.card = EncoderCard("good", "good-1", 0.5, 6, 3, "none")

    def forward(self, tiles: Tensor) -> Tensor:
        check_tiles(tiles, self.card)
        return self.codes(tiles)

    def codes(self, tiles: Tensor) -> Tensor:
        return tiles[:, 0, 0].float()


class Nameless(Good):
    def __init__(self) -> None:
        super().__init__()
        self.card = EncoderCard("", "x", 0.5, 6, 3, "")


class FarAway(Good):
    def __init__(self) -> None:
        super().__init__()
        self.card = EncoderCard("far", "far-1", 20.0, 6, 3, "none")


class Long(Good):
    def codes(self, tiles: Tensor) -> Tensor:
        return tiles[:, 0, :2].flatten(1).float()


class Double(Good):
    def codes(self, tiles: Tensor) -> Tensor:
        return tiles[:, 0, 0].double()


class Nan(Good):
    def codes(self, tiles: Tensor) -> Tensor:
        return tiles[:, 0, 0].float() / 0 - torch.inf


class Trains(Good):
    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.ones(3))

    def codes(self, tiles: Tensor) -> Tensor:
        return tiles[:, 0, 0].float() * self.factor


class Sociable(Good):
    def codes(self, tiles: Tensor) -> Tensor:
        return tiles[:, 0, 0].float() - tiles[:, 0, 0].float().mean(0)


class Random(Good):
    def codes(self, tiles: Tensor) -> Tensor:
        return tiles[:, 0, 0].float() + torch.rand(1)


class Writes(Good):
    def codes(self, tiles: Tensor) -> Tensor:
        return tiles[:, 0, 0].add_(1).float()


class Learns(Good):
    def train(self, mode: bool = True) -> Any:
        return torch.nn.Module.train(self, mode)


class TakesAll(Good):
    def forward(self, tiles: Tensor) -> Tensor:
        return self.codes(tiles)


class Chained(Good):
    def __init__(self) -> None:
        super().__init__()
        self.local = lambda x: x


def test_a_good_one_passes() -> None:
    check_encoder(Good())


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Nameless, "card is complete: the card states no name, normalisation"),
        (FarAway, "20.0 um/px, expected 0.05 to 5"),
        (Long, r"torch.float32 \(1, 6\), expected float32 \(1, 3\)"),
        (Double, "are torch.float64"),
        (Nan, "no numbers"),
        (Trains, "require gradients"),
        (Sociable, "a batch and its tiles one by one differ"),
        (Random, "the same tiles give the same codes: codes of two runs differ"),
        (Writes, "writes into its tiles"),
        (Learns, "itself is in training mode"),
        (TakesAll, "wrong tiles are refused: numbers of 0 to 1 is taken; call check_tiles"),
        (Chained, "it survives pickling: raises"),
    ],
)
def test_each_breach_is_found(kind: type[Encoder], says: str) -> None:
    with pytest.raises(EncoderError, match=says):
        check_encoder(kind())


def test_an_encoder_without_a_card_is_told_so() -> None:
    with pytest.raises(EncoderError, match="it has no card"):
        check_encoder(Encoder())
