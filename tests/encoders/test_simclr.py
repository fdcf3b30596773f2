"""SimCLR: its loss by an independent formula, and what it takes to make it small."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import histopress.encoders.simclr as module
from histopress.core.errors import MissingExtraError
from histopress.encoders.networks import StridedConvSettings, draw_weights
from histopress.encoders.simclr import SimclrLearner, SimclrRecipe

pytest.importorskip("pytorch_metric_learning")

SMALL = SimclrRecipe(
    encoder=StridedConvSettings(tile=16, shrink=1, filters=(4,), dim=5),
    units=40,
    projection=6,
    temperature=0.3,
)


def tiles(batch: int = 7) -> Tensor:
    return torch.randint(0, 256, (batch, 16, 16, 3), generator=torch.Generator().manual_seed(0)).byte()


def small() -> SimclrLearner:
    learner = SimclrLearner(SMALL)
    draw_weights(learner, 0)
    return learner


def reference(projected: np.ndarray, temperature: float) -> np.ndarray:
    """Chen et al. 2020, equation 1, view by view."""
    batch = len(projected) // 2
    unit = projected / np.linalg.norm(projected, axis=1, keepdims=True)
    similar = np.exp(unit @ unit.T / temperature)
    losses = []
    for i in range(2 * batch):
        others = [k for k in range(2 * batch) if k != i]
        losses.append(-np.log(similar[i, (i + batch) % (2 * batch)] / similar[i, others].sum()))
    return np.array(losses).reshape(2, batch).mean(axis=0)


def brighter(images: Tensor, generator: torch.Generator) -> Tensor:
    return images * torch.rand(len(images), 1, 1, 1, generator=generator)


def test_the_loss_follows_the_published_formula() -> None:
    learner = small().eval()
    learner.augment = brighter
    views = learner.images(torch.cat([tiles(), tiles()]), learner.draws())
    projected = learner.projection(learner.network.codes(views)).detach().numpy().astype(np.float64)
    losses = learner.losses(tiles())
    assert losses.shape == (7,)
    np.testing.assert_allclose(losses.detach().numpy(), reference(projected, 0.3), rtol=1e-4)


def test_it_is_what_the_library_calls_by_that_name() -> None:
    from pytorch_metric_learning.losses import NTXentLoss

    projected, labels = torch.randn(12, 5), torch.arange(6).repeat(2)
    mine = module._contrast(0.2)(projected, labels)["loss"]["losses"].mean()
    torch.testing.assert_close(mine, NTXentLoss(0.2)(projected, labels))


def test_codes_that_are_all_alike_cost_as_much_as_guessing() -> None:
    learner = small()
    with torch.no_grad():
        learner.projection[-1].weight.zero_()
        learner.projection[-1].bias.fill_(1.0)
    torch.testing.assert_close(learner.losses(tiles()), torch.log(torch.tensor(13.0)).expand(7))


def test_a_single_tile_has_nothing_to_be_told_from() -> None:
    assert small().eval().losses(tiles(1)).tolist() == [0.0]


def test_any_network_can_be_trained_and_the_projection_is_left_behind() -> None:
    network = small().network
    learner = SimclrLearner(SMALL, brighter, network)
    learner.losses(tiles()).mean().backward()
    assert learner.encoder_network() is network
    assert all(p.grad is not None for p in network.parameters())
    assert network(tiles()).shape == (7, 5)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"histopress\[contrastive\]"):
        SimclrLearner(SMALL)
