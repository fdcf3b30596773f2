"""Encoders that nobody trained: the mean colour, and random weights as a control."""

from __future__ import annotations

from histopress.encoders.encoder import NetworkEncoder
from histopress.encoders.networks import (
    MeanColour,
    MeanColourSettings,
    StridedConv,
    StridedConvSettings,
    draw_weights,
    without_weights,
)


def mean_rgb(spacing: float, tile: int, name: str = "mean-rgb") -> NetworkEncoder:
    """Mean red, green and blue of a tile, 0 to 1: the baseline every encoder must beat.

    Args:
        spacing: um/px of the tiles.
        tile: width and height of the tiles in px.
        name: stands on the card.
    """
    return NetworkEncoder(
        MeanColour(MeanColourSettings(tile)),
        name=name,
        spacing=spacing,
        licence="none needed",
        source="baseline of Tellez et al., Neural Image Compression, arXiv 1811.02840",
    )


def random_weights(
    seed: int, settings: StridedConvSettings, spacing: float, name: str = "random"
) -> NetworkEncoder:
    """A network that was drawn, not trained, the same on every machine: the control for what training brings.

    Args:
        seed: of the weights.
        settings: of the network.
        spacing: um/px of the tiles.
        name: stands on the card.
    """
    network: StridedConv = without_weights(StridedConv, settings).to_empty(device="cpu")
    draw_weights(network, seed)
    return NetworkEncoder(
        network, name=name, spacing=spacing, licence="none needed", source=f"drawn from seed {seed}"
    )
