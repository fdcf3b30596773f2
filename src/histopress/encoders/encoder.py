"""The Encoder contract: uint8 tiles in, one vector each out; saved as safetensors plus a JSON card."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class EncoderCard:
    """What an encoder is, as plain values; stored beside its weights and inside every grid it makes.

    Attributes:
        name: as it is asked for, without paths, for example "nic" or "mean-rgb".
        identity: digest over architecture, settings and weights; equal identity means equal codes.
        spacing: um/px of the tiles it wants.
        tile: width and height of the tiles in px.
        dim: length of a code.
        normalisation: how uint8 pixels become network input, in words.
        architecture: name of the network class in `networks`, and its settings, to build it again.
        licence: of the weights.
        source: paper, data and file it comes from.
    """

    name: str
    identity: str
    spacing: float
    tile: int
    dim: int
    normalisation: str
    architecture: dict[str, str | int | float] = field(default_factory=dict)
    licence: str = ""
    source: str = ""


class Encoder(nn.Module):
    """uint8 tiles (batch, height, width, 3) -> codes (batch, dim) float32; always in evaluation mode."""

    card: EncoderCard

    def forward(self, tiles: Tensor) -> Tensor:
        """Encode a batch of tiles.

        Args:
            tiles: (batch, card.tile, card.tile, 3) uint8 RGB at card.spacing um/px, on the encoder's device.

        Returns:
            (batch, card.dim) float32.

        Raises:
            EncoderError: tiles of another size, order or type.
        """
        raise NotImplementedError
