"""Encoders that nobody trained: the mean colour, stain statistics, and random weights as a control."""

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
from histopress.encoders.texture import StainTexture, StainTextureSettings


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


def stain_texture(spacing: float, tile: int, name: str = "stain-texture") -> NetworkEncoder:
    """Stain amounts and textures of a tile: what can be told without learning; the same for turned tiles.

    Args:
        spacing: um/px of the tiles.
        tile: width and height of the tiles in px, a multiple of 64.
        name: stands on the card.
    """
    return NetworkEncoder(
        StainTexture(StainTextureSettings(tile)),
        name=name,
        spacing=spacing,
        licence="none needed",
        source="stains unmixed as by Ruifrok and Johnston, Anal Quant Cytol Histol 2001",
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
