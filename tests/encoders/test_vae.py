"""The variational autoencoder: published layers, and a loss that follows its formula."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histopress.encoders.encoder import NetworkEncoder
from histopress.encoders.networks import StridedConv, StridedConvSettings, draw_weights
from histopress.encoders.vae import WIDE, VaeLearner, VaeRecipe, divergence

SMALL = VaeRecipe(
    encoder=StridedConvSettings(tile=32, shrink=1, filters=(4, 5), hidden=(11,), dim=6, norm_first=True),
    start=8,
    decoder=(7, 6, 5),
    gamma=0.3,
)


def numbers(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def conv(before: int, after: int) -> int:
    return 9 * before * after + after


def dense(before: int, after: int) -> int:
    return before * after + after


def tiles(batch: int = 4, tile: int = 32) -> Tensor:
    return torch.randint(0, 256, (batch, tile, tile, 3), generator=torch.Generator().manual_seed(0)).byte()


def small() -> VaeLearner:
    learner = VaeLearner(SMALL)
    draw_weights(learner, 0)
    return learner


def test_the_layers_are_the_published_ones() -> None:
    learner = VaeLearner()
    filters = (3, 32, 64, 128, 256, 512)
    trunk = sum(conv(a, b) + 2 * b for a, b in pairwise(filters))
    assert learner.network.settings.sides == [128, 63, 31, 15, 7, 3]
    assert numbers(learner.network) == trunk + dense(3 * 3 * 512, 512) + 2 * 512 + dense(512, 128)
    assert numbers(learner.log_variance) == dense(512, 128)
    steps = (512, 256, 128, 64, 32, 16)
    decoder = sum(conv(a, b) + 2 * b for a, b in pairwise(steps))
    assert learner.decoder.dense.out_features == 8192 == 4 * 4 * 512
    assert numbers(learner.decoder) == dense(128, 8192) + decoder + conv(16, 3)
    assert numbers(learner) == sum(map(numbers, (learner.network, learner.log_variance, learner.decoder)))


def test_the_divergence_is_zero_at_the_prior_and_follows_its_formula() -> None:
    assert divergence(torch.zeros(3, 5), torch.zeros(3, 5)).tolist() == [0, 0, 0]
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(2, 4, 5))
    prior, posterior = (
        torch.distributions.Normal(*map(torch.as_tensor, m))
        for m in ((np.zeros((4, 5)), np.ones((4, 5))), (mean, np.exp(log_variance / 2)))
    )
    expected = torch.distributions.kl_divergence(posterior, prior).sum(1)
    torch.testing.assert_close(divergence(torch.as_tensor(mean), torch.as_tensor(log_variance)), expected)


def test_the_loss_is_squared_error_plus_weighted_divergence() -> None:
    learner = small().eval()
    images = learner.network.prepare(tiles())
    mean, log_variance = learner.posterior(images)
    noise = torch.randn(mean.shape, generator=learner.draws())
    painted = learner.decoder(mean + log_variance.exp().sqrt() * noise)
    error = ((painted - images) ** 2).flatten(1).mean(1)
    expected = error + 0.3 * divergence(mean, log_variance)
    torch.testing.assert_close(learner.losses(tiles()), expected, atol=1e-5, rtol=1e-5)


def test_with_gamma_zero_and_no_variance_it_is_an_autoencoder() -> None:
    learner = small().eval()
    learner.gamma = 0.0
    with torch.no_grad():
        learner.log_variance.weight.zero_()
        learner.log_variance.bias.fill_(-80)
    images = learner.network.prepare(tiles())
    error = (learner.decoder(learner.network.codes(images)) - images).square().mean((1, 2, 3))
    torch.testing.assert_close(learner.losses(tiles()), error, atol=1e-5, rtol=1e-5)


def test_tuning_sees_the_tiles_as_they_are_and_training_does_not() -> None:
    learner = small()
    learner.augment = lambda images, generator: pytest.fail("altered") if not learner.training else 1 - images
    learner.eval().losses(tiles())
    learner.train().losses(tiles())


def test_everything_learns_and_the_encoder_gives_the_mean() -> None:
    learner = small()
    learner.losses(tiles()).mean().backward()
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0
        for n, p in learner.named_parameters()
        if "conv.bias" not in n
    )
    network = learner.encoder_network()
    assert type(network) is StridedConv
    mean, _ = learner.eval().posterior(network.prepare(tiles()))
    encoder = NetworkEncoder(network, "vae", spacing=0.5)
    torch.testing.assert_close(encoder(tiles()), mean, atol=1e-5, rtol=1e-5)


def test_the_wide_encoder_has_the_published_code() -> None:
    assert (WIDE.dim, WIDE.hidden, WIDE.norm_first, WIDE.tile, WIDE.shrink) == (128, (512,), True, 128, 1)
