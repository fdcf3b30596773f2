"""Folders of every kind of encoder; kinds that need libraries are tested beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import EncoderError
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import CARD_FILE, encode, save_encoder
from histopress.encoders.saved import load_kept


@pytest.mark.parametrize("name", ["mean-rgb:tile=9", "random:tile=30,depth=2,width=4,dim=5"])
def test_networks_come_back_from_their_weights(name: str, tmp_path: Path) -> None:
    encoder = load_encoder(name)
    save_encoder(encoder, tmp_path)
    again = load_kept(tmp_path)
    side = encoder.card.tile
    tiles = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    assert again.card == encoder.card
    assert np.array_equal(encode(again, tiles, "cpu"), encode(encoder, tiles, "cpu"))


def test_a_name_that_is_gone_is_told(tmp_path: Path) -> None:
    save_encoder(load_encoder("mean-rgb:tile=9"), tmp_path)
    card = json.loads((tmp_path / CARD_FILE).read_text()) | {"name": "gone", "architecture": {}}
    (tmp_path / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(
        EncoderError, match="keeps no weights of gone, and it cannot be found by its name: no encoder"
    ):
        load_kept(tmp_path)


def test_a_folder_without_a_card_is_told(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"card\.json is missing"):
        load_kept(tmp_path)
