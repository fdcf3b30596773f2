"""Training without labels, on real tiles: methods learn, resume, and leave encoders that can be saved."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histopress.core.curve import learning_rate
from histopress.core.errors import EncoderError
from histopress.core.fit import FitResult, fit
from histopress.data.unlabelled import UnlabelledTiles, hold_out
from histopress.data.unlabelled_slides import SampleRecipe, sample_slides
from histopress.encoders.augment import LADDER, augment
from histopress.encoders.bigan import BiganRecipe
from histopress.encoders.contrastive import ContrastiveRecipe
from histopress.encoders.encoder import NetworkEncoder
from histopress.encoders.networks import StridedConv, StridedConvSettings, draw_weights
from histopress.encoders.simclr import SimclrRecipe
from histopress.encoders.tile_batches import tile_loader
from histopress.encoders.tile_learner import TileLearner
from histopress.encoders.unsupervised import METHODS, learner_for
from histopress.encoders.vae import VaeRecipe

ENCODER = StridedConvSettings(tile=64, shrink=2, filters=(12, 16, 16), hidden=(24,), dim=16, norm_first=True)
SMALL: dict[str, Any] = {
    "vae": VaeRecipe(ENCODER, start=16, decoder=(16, 12, 8)),
    "contrastive": ContrastiveRecipe(ENCODER, units=16),
    "bigan": BiganRecipe(
        replace(ENCODER, hidden=(), norm_first=False), start=16, generator=(12, 12, 12), units=(24, 24)
    ),
    "simclr": SimclrRecipe(ENCODER, units=24, projection=16),
}


@pytest.fixture(scope="module")
def tiles(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> UnlabelledTiles:
    """96 tiles of two real slides, each with its neighbour."""
    slides = [
        shared_data / "wsi" / name for name in ("cmu-1-small-region.svs", "tcga-cr-7395-01a-01-ts1.svs")
    ]
    recipe = SampleRecipe(count=96, tile=64)
    return sample_slides(slides, recipe, tmp_path_factory.mktemp("tiles"), {slides[1]: 0.25})


gently = partial(augment, recipe=LADDER["basic"])


def train(learner: TileLearner, method: str, tiles: UnlabelledTiles, folder: Path, **how: Any) -> FitResult:
    """As the verb would: the table's settings, fewer and smaller epochs."""
    known = METHODS[method]
    recipe = replace(known.fit, device="cpu", **how)
    train_rows, tuning_rows = hold_out(tiles.sources, 0.25, seed=0)
    loader = partial(tile_loader, tiles, batch=24, pairs=known.pairs)
    tuning = loader(rows=tuning_rows, train=False) if known.tuned else None
    return fit(learner, loader(rows=train_rows, train=True), tuning, recipe, folder, save_seconds=0.0)


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(("method", "share"), [("vae", 0.6), ("simclr", 0.7)])
def test_losses_fall_on_real_tiles(method: str, share: float, tiles: UnlabelledTiles, tmp_path: Path) -> None:
    learner = learner_for(method, 0, gently, SMALL[method])
    result = train(learner, method, tiles, tmp_path, epochs=12, lr=5e-3, schedule="constant")
    assert result.curve[-1].train < share * result.curve[0].train
    assert result.best.tuning < share * result.curve[0].tuning


def test_pairs_of_one_place_are_told_from_pairs_of_two_slides(tiles: UnlabelledTiles, tmp_path: Path) -> None:
    learner = learner_for("contrastive", 0, gently, replace(SMALL["contrastive"], beside=0.0))
    result = train(learner, "contrastive", tiles, tmp_path, epochs=24, lr=5e-3, schedule="constant")
    chance = math.log(2)
    assert result.curve[0].train > chance
    assert max(result.curve[-1].train, result.best.tuning) < 0.9 * chance


def test_the_bigan_trains_all_players_and_keeps_the_last_weights(
    tiles: UnlabelledTiles, tmp_path: Path
) -> None:
    learner = learner_for("bigan", 0, gently, SMALL["bigan"])
    before = {name: p.clone() for name, p in learner.named_parameters()}
    result = train(learner, "bigan", tiles, tmp_path, epochs=3)
    assert result.best == result.curve[-1]
    assert all(not torch.equal(before[name], p) for name, p in learner.named_parameters())


@pytest.mark.parametrize("players", [("discriminator",), ("network", "generator")])
def test_each_player_of_the_bigan_wins_while_the_other_stands_still(
    players: tuple[str, ...], tiles: UnlabelledTiles
) -> None:
    learner = learner_for("bigan", 0, None, replace(SMALL["bigan"], dropout=0.0))
    learner.discriminator_losses = Kept(learner.discriminator_losses)
    learner.player_losses = Kept(learner.player_losses)
    mine = learner.discriminator_losses if "discriminator" in players else learner.player_losses
    parameters = [p for name in players for p in getattr(learner, name).parameters()]
    optimizer = torch.optim.Adam(parameters, lr=2e-3)
    batch = torch.from_numpy(tiles.take(np.arange(0, 96, 3))[:, 0])
    for _ in range(30):
        optimizer.zero_grad()
        learner.losses(batch).mean().backward()
        optimizer.step()
    assert np.mean(mine.kept[-5:]) < min(2 * math.log(2), np.mean(mine.kept[:5]))


class Kept:
    """Calls a loss and keeps its means."""

    def __init__(self, loss: Callable[..., Tensor]) -> None:
        self.loss, self.kept = loss, []

    def __call__(self, *args: Tensor) -> Tensor:
        losses = self.loss(*args)
        self.kept.append(losses.mean().item())
        return losses


@pytest.mark.parametrize("method", list(METHODS))
def test_the_encoder_that_is_left_can_be_saved_and_used(method: str) -> None:
    learner = pickle.loads(pickle.dumps(learner_for(method, 0, gently, SMALL[method])))
    network = learner.encoder_network()
    assert type(network) is StridedConv
    encoder = NetworkEncoder(network, method, spacing=0.5)
    assert encoder(torch.zeros(3, 64, 64, 3, dtype=torch.uint8)).shape == (3, 16)
    assert encoder.card.architecture["network"] == "strided-conv"


@pytest.mark.parametrize("method", ["contrastive", "bigan"])
def test_resumed_equals_uninterrupted(method: str, tiles: UnlabelledTiles, tmp_path: Path) -> None:
    strongly = partial(augment, recipe=LADDER["hed-light"])

    def learner() -> TileLearner:
        return learner_for(method, 1, strongly, SMALL[method])

    whole = learner()
    once = train(whole, method, tiles, tmp_path / "whole", epochs=4)
    broken, steps = learner(), []

    def stopping(images: Tensor, generator: torch.Generator) -> Tensor:
        steps.append(len(images))
        if len(steps) == 14:
            raise KeyboardInterrupt
        return strongly(images, generator=generator)

    broken.augment = stopping
    with pytest.raises(KeyboardInterrupt):
        train(broken, method, tiles, tmp_path / "broken", epochs=4)
    resumed = learner()
    torch.manual_seed(77)
    assert train(resumed, method, tiles, tmp_path / "broken", epochs=4) == once
    assert same(whole, resumed)


def test_weights_follow_the_seed_and_leave_the_random_state_alone() -> None:
    state = torch.get_rng_state()
    one, again, other = (learner_for("vae", seed, None, SMALL["vae"]) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert same(one, again) and not same(one, other)


def test_a_given_network_keeps_its_weights_and_the_rest_is_drawn() -> None:
    network = StridedConv(ENCODER)
    draw_weights(network, 9)
    before = {name: w.clone() for name, w in network.state_dict().items()}
    one, other = (learner_for("simclr", 0, None, SMALL["simclr"], network) for _ in range(2))
    assert one.encoder_network() is network
    assert all(torch.equal(before[name], w) for name, w in network.state_dict().items())
    assert same(one, other)


def test_unknown_methods_and_networks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        EncoderError, match="no method 'gan', expected one of vae, contrastive, bigan, simclr"
    ):
        learner_for("gan", 0)
    with pytest.raises(EncoderError, match=r"vae trains a network of its own.*contrastive, simclr"):
        learner_for("vae", 0, network=StridedConv(ENCODER))


def test_the_published_settings_stand_in_the_table() -> None:
    published = {"vae": (1e-3, "plateau"), "contrastive": (1e-2, "plateau"), "bigan": (2e-4, "constant")}
    for name, (lr, schedule) in published.items():
        recipe = METHODS[name].fit
        assert (recipe.lr, recipe.schedule, recipe.optimizer) == (lr, schedule, "adam")
        assert (recipe.weight_decay, recipe.clip, METHODS[name].batch) == (0.0, 0.0, 64)
    assert [name for name, m in METHODS.items() if m.pairs] == ["contrastive"]
    assert [name for name, m in METHODS.items() if not m.tuned] == ["bigan"]
    assert all(m.strength in LADDER for m in METHODS.values())
    assert learning_rate("constant", 2e-4, METHODS["bigan"].fit.epochs, []) == 2e-4
    assert np.isclose(METHODS["bigan"].fit.epochs * 100_000 / 64, 200_000, rtol=0.01)
