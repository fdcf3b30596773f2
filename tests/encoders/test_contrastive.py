"""Contrastive training: which pairs are drawn, and what is made of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from histopress.encoders.contrastive import ContrastiveLearner, ContrastiveRecipe, draw_pairing
from histopress.encoders.networks import StridedConvSettings, draw_weights
from histopress.encoders.tile_batches import RowBatch

SMALL = ContrastiveRecipe(
    encoder=StridedConvSettings(tile=16, shrink=1, filters=(4,), dim=5, norm_first=True), units=7
)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(batch: int = 9, slots: int = 2) -> RowBatch:
    tiles = torch.randint(0, 256, (batch, slots, 16, 16, 3), generator=draws()).byte()
    return RowBatch(tiles, torch.arange(batch) % 3)


def small(recipe: ContrastiveRecipe = SMALL) -> ContrastiveLearner:
    learner = ContrastiveLearner(recipe)
    draw_weights(learner, 0)
    return learner


def test_the_head_is_the_published_one() -> None:
    head = ContrastiveLearner().head
    assert sum(p.numel() for p in head.parameters()) == (256 * 256 + 256) + 2 * 256 + (256 + 1)


def test_the_shares_of_pairs_are_those_of_the_recipe() -> None:
    sources = torch.arange(4000) % 5
    pairing = draw_pairing(sources, 2, SMALL, draws())
    own = pairing.rows == torch.arange(4000)
    beside, elsewhere = own & (pairing.slots == 1), ~own
    assert (own[pairing.same]).all() and (pairing.slots[pairing.same] == 0).all()
    assert (sources[pairing.rows[elsewhere]] != sources[elsewhere]).all()
    assert not (pairing.same & (beside | elsewhere)).any()
    for part, share in ((pairing.same, 0.5), (beside, 0.375), (elsewhere, 0.125)):
        assert part.float().mean().item() == pytest.approx(share, abs=0.03)


def test_partners_of_other_sources_are_drawn_equally() -> None:
    sources = torch.tensor([0, 0, 1, 2, 2]).repeat(1)
    recipe = ContrastiveRecipe(same=0.0, beside=0.0)
    counts = torch.zeros(5, 5)
    for seed in range(1500):
        counts[range(5), draw_pairing(sources, 2, recipe, draws(seed)).rows] += 1
    other = sources[:, None] != sources
    torch.testing.assert_close(counts / 1500, other / other.sum(1, keepdim=True), atol=0.06, rtol=0)


def test_without_neighbours_negatives_come_from_other_sources() -> None:
    sources = torch.arange(300) % 3
    pairing = draw_pairing(sources, 1, SMALL, draws())
    assert (pairing.slots == 0).all()
    assert (sources[pairing.rows[~pairing.same]] != sources[~pairing.same]).all()
    assert (pairing.rows[pairing.same] == torch.arange(300)[pairing.same]).all()


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_no_negative_pair_is_one_tile_even_in_batches_of_one_source(slots: int, batch: int) -> None:
    for seed in range(40):
        pairing = draw_pairing(torch.zeros(batch, dtype=torch.long), slots, SMALL, draws(seed))
        one = (pairing.rows == torch.arange(batch)) & (pairing.slots == 0)
        assert torch.equal(one, pairing.same)


def test_the_loss_is_binary_cross_entropy_of_compared_codes() -> None:
    learner, batch = small().eval(), rows()
    pairing = draw_pairing(batch.sources, 2, SMALL, learner.draws())
    first = learner.network(batch.tiles[:, 0])
    second = learner.network(batch.tiles[pairing.rows, pairing.slots])
    chance = torch.sigmoid(learner.head(torch.cat([first, second], 1))[:, 0])
    expected = -torch.where(pairing.same, chance, 1 - chance).log()
    torch.testing.assert_close(learner.losses(batch), expected, atol=1e-5, rtol=1e-5)


def test_both_tiles_of_a_pair_are_altered_each_by_itself_while_tuning_too() -> None:
    seen: list[Tensor] = []

    def noisy(images: Tensor, generator: torch.Generator) -> Tensor:
        seen.append(images)
        return images + torch.rand(len(images), 1, 1, 1, generator=generator)

    learner = small()
    learner.augment = noisy
    learner.train().losses(rows())
    learner.eval().losses(rows())
    assert [len(images) for images in seen] == [18, 18]


def test_another_network_can_be_trained() -> None:
    network = small().network
    learner = ContrastiveLearner(SMALL, network=network)
    assert learner.encoder_network() is network
    learner.losses(rows()).mean().backward()
    assert all(p.grad is not None for p in network.parameters())
