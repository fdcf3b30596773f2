"""Pictures of tiles -> their codes, by a given encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import PatchError
from histopress.data.picture_store import PictureStore
from histopress.encoders.encoder import Encoder, encode
from histopress.studies.planting_signal import TileSignal

BATCH = 256
"""Tiles in memory at a time."""


def encoded_tiles(folder: Path, encoder: Encoder, device: str = "auto") -> TileSignal:
    """Codes of all pictures in a folder or zip, in the order of their names.

    Args:
        folder: pictures at the spacing that the encoder wants, of its tile size or larger:
            the middle is taken.
        encoder: see `catalogue.load_encoder`.
        device: see `encoders.encoder.encode`.

    Raises:
        PatchError: there is no picture, or one is too small or cannot be read.
    """
    store = PictureStore(folder)
    names = store.names()
    if not names:
        raise PatchError(f"{folder}: no picture, expected tiles as PNG, JPEG or TIFF; name their folder")
    codes = []
    for start in range(0, len(names), BATCH):
        tiles = [_middle(store, name, encoder) for name in names[start : start + BATCH]]
        codes.append(encode(encoder, np.stack(tiles), device))
    store.close()
    return TileSignal(np.concatenate(codes), encoder.card.identity)


def _middle(store: PictureStore, name: str, encoder: Encoder) -> NDArray[np.uint8]:
    """(tile, tile, 3) the middle of a picture."""
    pixels, tile = store.pixels(name), encoder.card.tile
    height, width = pixels.shape[:2]
    if min(height, width) < tile:
        raise PatchError(
            f"{store.path}/{name} is {width} x {height} px, expected {tile} x {tile} px or more at "
            f"{encoder.card.spacing:g} um/px, as {encoder.card.name} wants; cut larger tiles"
        )
    top, left = (height - tile) // 2, (width - tile) // 2
    return pixels[top : top + tile, left : left + tile]
