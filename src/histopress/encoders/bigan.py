"""A BiGAN: an encoder and a generator that undo each other, since a discriminator sees images with codes."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from histopress.encoders.decoder import Decoder
from histopress.encoders.networks import StridedConv, StridedConvSettings
from histopress.encoders.tile_learner import Augment, TileLearner, normal


@dataclass(frozen=True)
class BiganRecipe:
    """Settings of `BiganLearner`; the defaults are those of Tellez et al. (TPAMI 2019, supplement).

    Attributes:
        encoder: also the shape of the discriminator's image branch.
        start: channels of the smallest maps of the generator.
        generator: filters of its convolutions.
        units: of the discriminator's dense layers.
        dropout: behind each of them.
    """

    encoder: StridedConvSettings = field(default_factory=StridedConvSettings)
    start: int = 64
    generator: tuple[int, ...] = (128, 128, 128, 128)
    units: tuple[int, ...] = (1024, 1024)
    dropout: float = 0.5


class Discriminator(nn.Module):
    """Images with codes -> logits that the images are real and the codes are made from them."""

    def __init__(self, recipe: BiganRecipe) -> None:
        super().__init__()
        self.branch = StridedConv(recipe.encoder)
        widths = (2 * recipe.encoder.dim, *recipe.units)
        self.dense = nn.Sequential()
        for before, after in zip(widths, recipe.units, strict=False):
            self.dense.append(nn.Linear(before, after))
            self.dense.append(nn.LeakyReLU(recipe.encoder.slope))
            self.dense.append(nn.Dropout(recipe.dropout))
        self.dense.append(nn.Linear(widths[-1], 1))

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        """Images (batch, 3, side, side) and codes (batch, dim) -> logits (batch,)."""
        logits: Tensor = self.dense(torch.cat([self.branch.codes(images), codes], dim=1))[:, 0]
        return logits.float()


class BiganLearner(TileLearner):
    """Adversarial feature learning (Donahue et al. 2017); a batch is tiles (batch, tile, tile, 3) uint8.

    One loss for one optimiser: that of the discriminator, for encoder and generator as they are, plus that of
    encoder and generator, for the discriminator as it is. No parameter gets a gradient from the other part,
    so a step of Adam, which treats every number by itself, is one step for all players at the same time. A
    limit on the norm of the gradient would tie them together: train with none.

    Published are the layers and the training. Our reading: codes are drawn from the standard normal; leaky
    ReLU, then batch norm, follow each convolution of the generator, as in the encoder; a last convolution
    makes the colours; batch norm sees real and painted images apart; encoder and generator learn from swapped
    labels, so that their gradients do not vanish.
    """

    network: StridedConv

    def __init__(self, recipe: BiganRecipe | None = None, augment: Augment | None = None) -> None:
        recipe = recipe or BiganRecipe()
        super().__init__(StridedConv(recipe.encoder), augment)
        self.generator = Decoder(recipe.encoder, recipe.start, recipe.generator)
        self.discriminator = Discriminator(recipe)

    def losses(self, batch: Tensor) -> Tensor:
        """(batch,) sum of both losses; see `Learner.losses`."""
        draws = self.draws()
        images = self.images(batch, draws, altered=self.training)
        codes = self.network.codes(images)
        drawn = normal(codes, draws)
        painted = self.generator(drawn)
        caught = self.discriminator_losses(images, codes.detach(), painted.detach(), drawn)
        return caught + self.player_losses(images, codes, painted, drawn)

    def discriminator_losses(self, images: Tensor, codes: Tensor, painted: Tensor, drawn: Tensor) -> Tensor:
        """(batch,) cross-entropy of telling images with their codes from painted images with drawn codes."""
        real, fake = self.discriminator(images, codes), self.discriminator(painted, drawn)
        return softplus(-real) + softplus(fake)

    def player_losses(self, images: Tensor, codes: Tensor, painted: Tensor, drawn: Tensor) -> Tensor:
        """(batch,) cross-entropy with swapped labels, from which the discriminator learns nothing."""
        real, fake = (
            functional_call(self.discriminator, _as_it_is(self.discriminator), pair)
            for pair in ((images, codes), (painted, drawn))
        )
        return softplus(real) + softplus(-fake)


def _as_it_is(module: nn.Module) -> dict[str, Tensor]:
    """Parameters without gradients, and copies of buffers: batch norm gathers statistics in these."""
    parameters = {name: p.detach() for name, p in module.named_parameters()}
    return parameters | {name: b.clone() for name, b in module.named_buffers()}
