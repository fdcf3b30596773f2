"""Codes -> images: the decoder of the variational autoencoder, and the generator of the BiGAN."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from histopress.core.errors import EncoderError
from histopress.encoders.networks import StridedConvSettings


class Decoder(nn.Module):
    """A dense layer, then doubled and convolved to the size of the encoder's images, -1 to +1.

    Each step doubles the side by repeating px, and convolves 3 x 3 with padding; leaky ReLU and batch norm
    follow in the encoder's order. A last convolution gives red, green and blue, through tanh.
    """

    def __init__(self, encoder: StridedConvSettings, start: int, filters: tuple[int, ...]) -> None:
        """Build.

        Args:
            encoder: whose codes are decoded, and whose images are wanted.
            start: channels of the maps that the dense layer makes.
            filters: of each step.

        Raises:
            EncoderError: the side of the images cannot be halved so many times.
        """
        super().__init__()
        side, times = encoder.sides[0], 2 ** len(filters)
        if side % times:
            raise EncoderError(
                f"images of {side} px a side cannot be halved {len(filters)} times, expected a multiple of "
                f"{times} px; use fewer filters in the decoder, or other tiles"
            )
        self.dense = nn.Linear(encoder.dim, start * (side // times) ** 2)
        self.maps = nn.Unflatten(1, (start, side // times, side // times))
        self.steps = nn.Sequential(
            *(_step(before, after, encoder) for before, after in pairwise((start, *filters)))
        )
        self.colours = nn.Sequential(nn.Conv2d(filters[-1], 3, 3, padding=1), nn.Tanh())

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (batch, dim) -> images (batch, 3, side, side)."""
        images: Tensor = self.colours(self.steps(self.maps(self.dense(codes))))
        return images


def _step(before: int, after: int, encoder: StridedConvSettings) -> nn.Sequential:
    norm = nn.BatchNorm2d(after, eps=encoder.epsilon, momentum=0.2)
    activation = nn.LeakyReLU(encoder.slope)
    last = (norm, activation) if encoder.norm_first else (activation, norm)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1), *last)
