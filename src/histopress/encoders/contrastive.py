"""Contrastive training with pairs: do two altered tiles show the same place?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from histopress.encoders.network import ImageNetwork
from histopress.encoders.networks import StridedConv, StridedConvSettings
from histopress.encoders.tile_batches import RowBatch
from histopress.encoders.tile_learner import Augment, TileLearner
from histopress.encoders.vae import WIDE


@dataclass(frozen=True)
class ContrastiveRecipe:
    """Settings of `ContrastiveLearner`; the defaults are those of Tellez et al. (TPAMI 2019, supplement).

    Attributes:
        encoder: shared by both tiles of a pair, unless a network is given.
        units: of the dense layer that compares two codes.
        slope: of its leaky ReLU.
        epsilon: of its batch norm.
        same: share of pairs that show the same place.
        beside: of the other pairs, the share that are neighbours; the rest come from two sources.
    """

    encoder: StridedConvSettings = WIDE
    units: int = 256
    slope: float = 0.2
    epsilon: float = 1e-3
    same: float = 0.5
    beside: float = 0.75


@dataclass(frozen=True)
class Pairing:
    """The second tile of each pair; the first is the first tile of each row.

    Attributes:
        rows: (batch,) row of the second tile.
        slots: (batch,) which tile of that row.
        same: (batch,) bool, whether both are the same place.
    """

    rows: Tensor
    slots: Tensor
    same: Tensor


class ContrastiveLearner(TileLearner):
    """Tells pairs of one place from pairs of two; a batch is a `RowBatch`.

    Published are the layers, binary cross-entropy, negative pairs that are neighbours (three of four) or from
    two slides, and heavy augmentation of every tile. Our reading: a positive pair is one tile, altered twice;
    half of all pairs are positive; pairs are drawn anew in every epoch, and the partner from another slide
    out of the same batch. Where tiles have no neighbours, all negative pairs are from two sources.
    """

    def __init__(
        self,
        recipe: ContrastiveRecipe | None = None,
        augment: Augment | None = None,
        network: ImageNetwork | None = None,
    ) -> None:
        self.recipe = recipe or ContrastiveRecipe()
        super().__init__(network or StridedConv(self.recipe.encoder), augment)
        self.head = nn.Sequential(
            nn.Linear(2 * self.network.dim, self.recipe.units),
            nn.BatchNorm1d(self.recipe.units, eps=self.recipe.epsilon, momentum=0.2),
            nn.LeakyReLU(self.recipe.slope),
            nn.Linear(self.recipe.units, 1),
        )

    def losses(self, batch: RowBatch) -> Tensor:
        """(batch,) binary cross-entropy of each pair; see `Learner.losses`."""
        draws = self.draws()
        pairing = draw_pairing(batch.sources.cpu(), batch.tiles.shape[1], self.recipe, draws)
        first, second = batch.tiles[:, 0], batch.tiles[pairing.rows, pairing.slots]
        logits = self.compare(self.images(torch.cat([first, second]), draws))
        return functional.binary_cross_entropy_with_logits(
            logits.float(), pairing.same.to(logits.device, torch.float32), reduction="none"
        )

    def compare(self, images: Tensor) -> Tensor:
        """Images (2 batch, 3, side, side), all first tiles before all second -> logits of "same" (batch,)."""
        codes = torch.cat(self.network.codes(images).chunk(2), dim=1)
        logits: Tensor = self.head(codes)[:, 0]
        return logits


def draw_pairing(sources: Tensor, slots: int, recipe: ContrastiveRecipe, draws: torch.Generator) -> Pairing:
    """Draw the second tile of each pair.

    Where a batch shows one source alone, another tile of it stands in for one of another source.

    Args:
        sources: (batch,) source of each row, on the CPU.
        slots: tiles in a row; 1 where there are no neighbours.
        recipe: the shares of each kind of pair.
        draws: what is drawn from.
    """
    own = torch.arange(len(sources))
    kind, nearness = torch.rand(2, len(sources), generator=draws)
    alone = len(sources) == 1 and slots == 1
    same = (kind < recipe.same) | alone
    beside = ~same & (nearness < recipe.beside) & (slots > 1)
    partner = torch.where(same | beside, own, _of_other_sources(sources, draws))
    beside |= ~same & (partner == own) & (slots > 1)
    return Pairing(partner, beside.long(), same)


def _of_other_sources(sources: Tensor, draws: torch.Generator) -> Tensor:
    """(batch,) a row of another source for each row, of any other row if there is none, itself if alone."""
    other = sources[:, None] != sources[None]
    lonely = ~other.any(dim=1, keepdim=True)
    chances = other | (lonely & ~torch.eye(len(sources), dtype=torch.bool))
    if len(sources) == 1:
        return torch.zeros(1, dtype=torch.long)
    return torch.multinomial(chances.float(), 1, generator=draws)[:, 0]
