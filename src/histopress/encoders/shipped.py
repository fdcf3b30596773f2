"""The encoder that comes with the package, and how a trained one is packed to travel: at half precision."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from histopress.core.errors import EncoderError
from histopress.encoders.encoder import Encoder, NetworkEncoder, load_saved, widened, write_encoder
from histopress.encoders.networks import build_network

FOLDER = Path(__file__).parent / "histopress_small"
"""Card, weights and model card of `histopress-small`."""


def load_shipped() -> NetworkEncoder:
    """The default encoder, `histopress-small`; its card tells data, licences, training and scores.

    Raises:
        EncoderError: the installation is damaged.
    """
    return load_saved(FOLDER)


def pack(encoder: Encoder, folder: Path, *, name: str, licence: str = "", source: str = "") -> NetworkEncoder:
    """Write an encoder with weights of half precision into a folder, which can be loaded as any other.

    Rounding changes codes a little, so the packed encoder has an identity of its own.

    Args:
        encoder: a trained network.
        folder: for weights and card.
        name: stands on the new card.
        licence: of the weights; that of the encoder if not given.
        source: where it comes from; likewise.

    Returns:
        The encoder as it will be loaded.

    Raises:
        EncoderError: it is no network of this package, or its weights do not fit half precision.
    """
    if not isinstance(encoder, NetworkEncoder):
        raise EncoderError(f"{encoder.card.name} cannot be packed, expected an encoder that was trained here")
    halves = {n: _half(n, w) for n, w in encoder.weights().items()}
    card = encoder.card
    packed = NetworkEncoder(
        build_network(card.architecture, widened(halves)),
        name=name,
        spacing=card.spacing,
        licence=licence or card.licence,
        source=source or card.source,
        training=card.training,
    )
    write_encoder(packed.card, halves, folder)
    return packed


def _half(name: str, weight: Tensor) -> Tensor:
    if not weight.is_floating_point():
        return weight
    half = weight.half()
    if not torch.isfinite(half).all():
        raise EncoderError(f"weight {name} is too large for half precision; save the encoder as it is")
    return half
