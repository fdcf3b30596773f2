"""The BiGAN: published layers, and one loss whose gradients are exactly those of the separate players."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from histopress.encoders.bigan import BiganLearner, BiganRecipe
from histopress.encoders.networks import StridedConvSettings, draw_weights
from histopress.encoders.tile_learner import normal

SMALL = BiganRecipe(
    encoder=StridedConvSettings(tile=32, shrink=2, filters=(4, 5), dim=6),
    start=7,
    generator=(6, 5),
    units=(12, 10),
    dropout=0.0,
)


def tiles(batch: int = 5) -> Tensor:
    return torch.randint(0, 256, (batch, 32, 32, 3), generator=torch.Generator().manual_seed(0)).byte()


def small(recipe: BiganRecipe = SMALL) -> BiganLearner:
    learner = BiganLearner(recipe)
    draw_weights(learner, 1)
    return learner


def numbers(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def truth(logits: Tensor, real: bool) -> Tensor:
    return functional.binary_cross_entropy_with_logits(
        logits, torch.full_like(logits, float(real)), reduction="none"
    )


def test_the_layers_are_the_published_ones() -> None:
    learner = BiganLearner()
    assert numbers(learner.network) == numbers(learner.discriminator.branch) == 594_944
    conv = (64 * 128 + 3 * 128 * 128) * 9 + 4 * 128 + 4 * 2 * 128
    assert numbers(learner.generator) == (128 * 1024 + 1024) + conv + (128 * 3 * 9 + 3)
    dense = (256 * 1024 + 1024) + (1024 * 1024 + 1024) + (1024 + 1)
    assert numbers(learner.discriminator) == 594_944 + dense
    assert [m.p for m in learner.discriminator.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    assert learner.generator(torch.zeros(2, 128)).shape == (2, 3, 64, 64)


def separate(learner: BiganLearner, seed: int) -> tuple[Tensor, Tensor]:
    """Losses of the discriminator, and of encoder and generator, as two trainings would have them."""
    torch.manual_seed(seed)
    draws = learner.draws()
    images = learner.images(tiles(), draws)
    codes = learner.network.codes(images)
    drawn = normal(codes, draws)
    painted = learner.generator(drawn)
    judge = learner.discriminator
    own = truth(judge(images, codes.detach()), True) + truth(judge(painted.detach(), drawn), False)
    players = truth(judge(images, codes), False) + truth(judge(painted, drawn), True)
    return own, players


def gradients(loss: Tensor, *parts: nn.Module) -> list[Tensor]:
    parameters = [p for part in parts for p in part.parameters()]
    return list(torch.autograd.grad(loss.mean(), parameters, retain_graph=True))


def test_gradients_are_exactly_those_of_the_separate_losses() -> None:
    learner = small()
    other = copy.deepcopy(learner)
    own, players = separate(other, 3)
    torch.manual_seed(3)
    losses = learner.losses(tiles())
    torch.testing.assert_close(losses, own + players)
    losses.mean().backward()
    for loss, parts in ((own, ("discriminator",)), (players, ("network", "generator"))):
        modules = [getattr(other, name) for name in parts]
        expected = gradients(loss, *modules)
        found = [p.grad for name in parts for p in getattr(learner, name).parameters()]
        assert any(g.abs().sum() > 0 for g in expected)
        for mine, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-7)


def test_one_adam_steps_as_two_do() -> None:
    one = small()
    two = copy.deepcopy(one)
    joint = torch.optim.Adam(one.parameters(), lr=1e-3)
    players = [*two.network.parameters(), *two.generator.parameters()]
    own = torch.optim.Adam(two.discriminator.parameters(), lr=1e-3)
    theirs = torch.optim.Adam(players, lr=1e-3)
    for seed in range(3):
        torch.manual_seed(seed)
        joint.zero_grad()
        one.losses(tiles()).mean().backward()
        joint.step()
        a, b = separate(two, seed)
        given = torch.autograd.grad(a.mean(), list(two.discriminator.parameters()), retain_graph=True)
        taken = torch.autograd.grad(b.mean(), players)
        for p, g in zip([*two.discriminator.parameters(), *players], [*given, *taken], strict=True):
            p.grad = g
        own.step()
        theirs.step()
    for (name, mine), other in zip(one.named_parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-5, msg=name)


def test_statistics_are_gathered_once_and_the_parameters_stay_learnable() -> None:
    learner = small()
    learner.losses(tiles())
    counts = {name: int(b) for name, b in learner.named_buffers() if name.endswith("num_batches_tracked")}
    assert {count for name, count in counts.items() if name.startswith("discriminator")} == {2}
    assert {count for name, count in counts.items() if not name.startswith("discriminator")} == {1}
    assert all(p.requires_grad for p in learner.parameters())


def test_statistics_are_those_that_the_discriminator_gathers_for_itself() -> None:
    alone, learner = small(), small()
    torch.manual_seed(0)
    learner.losses(tiles())
    torch.manual_seed(0)
    draws = alone.draws()
    images = alone.images(tiles(), draws)
    codes = alone.network.codes(images)
    drawn = normal(codes, draws)
    alone.discriminator_losses(images, codes, alone.generator(drawn), drawn)
    for mine, other in zip(learner.buffers(), alone.buffers(), strict=True):
        torch.testing.assert_close(mine, other)


def test_evaluation_changes_no_statistic_and_repeats() -> None:
    learner = small().eval()
    before = copy.deepcopy(learner.state_dict())
    first, again = learner.losses(tiles()), learner.losses(tiles())
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert all(torch.equal(before[name], value) for name, value in learner.state_dict().items())


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_discriminator_that_cannot_tell_loses_two_bits_on_each_side(dropout: float) -> None:
    learner = small(BiganRecipe(SMALL.encoder, SMALL.start, SMALL.generator, SMALL.units, dropout))
    with torch.no_grad():
        learner.discriminator.dense[-1].weight.zero_()
    expected = 4 * torch.log(torch.tensor(2.0))
    torch.testing.assert_close(learner.losses(tiles()), expected.expand(5))
