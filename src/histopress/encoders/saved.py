"""Encoders from the folders that `save_encoder` wrote, whatever they are."""

from __future__ import annotations

from pathlib import Path

from histopress.core.errors import EncoderError
from histopress.encoders.encoder import (
    CARD_FILE,
    WEIGHTS_FILE,
    Encoder,
    EncoderCard,
    load_saved,
    read_card,
    read_weights,
)


def load_kept(folder: Path) -> Encoder:
    """The encoder of a folder: from the weights in it, or by its name where it keeps none.

    Raises:
        EncoderError: card or weights are missing or damaged, or what is found is not what the card states.
    """
    card = read_card(folder / CARD_FILE)
    if "network" in card.architecture:
        return load_saved(folder)
    if "onnx" in card.architecture:
        from histopress.encoders.onnx_encoder import rebuilt_onnx

        encoder: Encoder = rebuilt_onnx(card, read_weights(folder / WEIGHTS_FILE))
    else:
        encoder = _by_name(card, folder)
    if encoder.card.identity != card.identity:
        raise EncoderError(
            f"{folder}: {card.name} is now {encoder.card.identity}, but {CARD_FILE} states {card.identity}; "
            "its weights or its code were changed since: use the version that made the grids"
        )
    return encoder


def _by_name(card: EncoderCard, folder: Path) -> Encoder:
    from histopress.encoders.catalogue import load_encoder

    try:
        return load_encoder(card.name)
    except EncoderError as error:
        raise EncoderError(
            f"{folder} keeps no weights of {card.name}, and it cannot be found by its name: {error}"
        ) from error
