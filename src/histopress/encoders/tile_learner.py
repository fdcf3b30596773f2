"""What learners without labels share: an encoder to train, altered tiles, and draws that fit can repeat."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from histopress.core.fit import Learner
from histopress.encoders.network import ImageNetwork, scaled

TUNING_SEED = 20_000
"""Of what is drawn while tuning, so that epochs are judged by the same draws."""


class Augment(Protocol):
    """Alters images; `functools.partial(augment.augment, recipe=...)` is one, and can be pickled."""

    def __call__(self, images: Tensor, *, generator: torch.Generator) -> Tensor:
        """Images (batch, 3, height, width) float32, 0 to 1, and a generator on the CPU -> such images."""


class TileLearner(Learner):
    """Trains an encoder on tiles without labels.

    Attributes:
        network: the encoder.
        augment: alters images; None leaves them as they are.
    """

    network: ImageNetwork

    def __init__(self, network: ImageNetwork, augment: Augment | None = None) -> None:
        super().__init__()
        self.network = network
        self.augment = augment

    def encoder_network(self) -> ImageNetwork:
        """The encoder alone, for `NetworkEncoder`."""
        return self.network

    def draws(self) -> torch.Generator:
        """A generator on the CPU for one batch: a new one in training, always the same one in tuning."""
        seed = int(torch.randint(2**62, ())) if self.training else TUNING_SEED
        return torch.Generator().manual_seed(seed)

    def images(self, tiles: Tensor, draws: torch.Generator, altered: bool = True) -> Tensor:
        """Tiles (batch, tile, tile, 3) uint8 -> images (batch, 3, side, side) as the encoder takes them.

        Args:
            tiles: of full size.
            draws: for the augmentation.
            altered: whether the augmentation is applied.
        """
        images = tiles.permute(0, 3, 1, 2).float() / 255
        if altered and self.augment is not None:
            images = self.augment(images, generator=draws)
        return scaled(images, self.network.pixels)


def normal(like: Tensor, draws: torch.Generator) -> Tensor:
    """Standard normal numbers of this shape, type and device; drawn on the CPU, alike everywhere."""
    return torch.randn(like.shape, generator=draws).to(like)
