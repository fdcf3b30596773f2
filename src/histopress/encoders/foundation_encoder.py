"""Published foundation encoders as encoders, from weights that are on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from histopress.core.errors import EncoderError
from histopress.core.recipe import plain
from histopress.encoders.encoder import NetworkEncoder
from histopress.encoders.foundation import FoundationModel
from histopress.encoders.timm_encoder import TimmNetwork, TimmSettings, filled


class FoundationEncoder(NetworkEncoder):
    """A foundation encoder; its weights are never copied beside grids: most licences forbid to hand them on.

    Args:
        known: which one.
        network: with its weights.
        name: stands on the card.
        spacing: um/px of its tiles.
    """

    def __init__(self, known: FoundationModel, network: TimmNetwork, name: str, spacing: float) -> None:
        source = f"{known.source}; {known.repository}"
        super().__init__(network, name, spacing, licence=known.licence, source=source)
        made_of = {"repository": known.repository, "timm": plain(network.settings)}
        self.card = replace(self.card, architecture=made_of)

    def weights(self) -> dict[str, Tensor]:
        """None: the encoder is found again by its name."""
        return {}


def load_foundation(
    known: FoundationModel, weights: Path, *, spacing: float, tile: int, name: str
) -> FoundationEncoder:
    """A published foundation encoder; nothing is ever downloaded.

    Args:
        known: which one.
        weights: safetensors file, as its makers publish it or converted.
        spacing: um/px of the tiles.
        tile: width and height of the tiles in px; positions of other tiles than the makers' are interpolated.
        name: stands on the card.

    Raises:
        EncoderError: it cannot take such tiles, or the weights are not its own.
        MissingExtraError: timm is not installed.
    """
    network = filled(foundation_settings(known, tile), weights, known.layout)
    if network.dim != known.dim:
        raise EncoderError(
            f"{known.name} gives codes of {network.dim}, expected {known.dim}; use another version of timm"
        )
    return FoundationEncoder(known, network, name, spacing)


def foundation_settings(known: FoundationModel, tile: int) -> TimmSettings:
    """The network of a foundation encoder for tiles of this size in px."""
    own = {"img_size": known.tile, "global_pool": "token", **known.constructor}
    other = {} if tile == known.tile else {"dynamic_img_size": True}
    return TimmSettings(known.model, tile, *known.colours, known.pooling, known.prefix, own | other)
