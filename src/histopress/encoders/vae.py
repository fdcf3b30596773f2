"""A variational autoencoder: codes from which the tile can be painted again."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from histopress.encoders.decoder import Decoder
from histopress.encoders.networks import StridedConv, StridedConvSettings
from histopress.encoders.tile_learner import Augment, TileLearner, normal

WIDE = StridedConvSettings(shrink=1, filters=(32, 64, 128, 256, 512), hidden=(512,), dim=128, norm_first=True)
"""The encoder of all methods of Tellez et al. (TPAMI 2019) but the BiGAN."""


@dataclass(frozen=True)
class VaeRecipe:
    """Settings of `VaeLearner`; the defaults are those of Tellez et al. (TPAMI 2019, supplement).

    Attributes:
        encoder: gives the mean of each code.
        start: channels of the smallest maps of the decoder.
        decoder: filters of its convolutions.
        gamma: weight of the divergence from the prior.
    """

    encoder: StridedConvSettings = WIDE
    start: int = 512
    decoder: tuple[int, ...] = (256, 128, 64, 32, 16)
    gamma: float = 5e-5


class VaeLearner(TileLearner):
    """Variational autoencoder; a batch is tiles (batch, tile, tile, 3) uint8.

    Published are the layers, squared error plus gamma times the divergence, and augmented tiles. Our reading:
    the error is the mean over all pixels and colours, the divergence the sum over the numbers of a code; the
    altered tile is what is to be painted; neither norm nor activation follow the decoder's dense layer.
    """

    network: StridedConv

    def __init__(self, recipe: VaeRecipe | None = None, augment: Augment | None = None) -> None:
        recipe = recipe or VaeRecipe()
        super().__init__(StridedConv(recipe.encoder), augment)
        self.gamma = recipe.gamma
        self.log_variance = nn.Linear(self.network.code.in_features, recipe.encoder.dim)
        self.decoder = Decoder(recipe.encoder, recipe.start, recipe.decoder)

    def losses(self, batch: Tensor) -> Tensor:
        """(batch,) squared error plus weighted divergence; see `Learner.losses`."""
        draws = self.draws()
        images = self.images(batch, draws, altered=self.training)
        mean, log_variance = self.posterior(images)
        codes = mean + (log_variance / 2).exp() * normal(mean, draws)
        painted: Tensor = self.decoder(codes)
        error = (painted.float() - images).square().mean((1, 2, 3))
        return error + self.gamma * divergence(mean.float(), log_variance.float())

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (batch, 3, side, side) -> mean and log variance of their codes, (batch, dim)."""
        network = self.network
        features = network.hidden(network.trunk(images).permute(0, 2, 3, 1).flatten(1))
        return network.code(features), self.log_variance(features)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """(batch,) Kullback-Leibler divergence of normal codes (batch, dim) from the standard normal, in nats."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
