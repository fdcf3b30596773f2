"""Encoders that nobody trained."""

from __future__ import annotations

import numpy as np
import pytest

from histopress.encoders.encoder import encode
from histopress.encoders.networks import StridedConvSettings
from histopress.encoders.untrained import mean_rgb, random_weights


def test_mean_rgb_reads_red_green_and_blue_in_order() -> None:
    tiles = np.empty((2, 6, 6, 3), np.uint8)
    tiles[0], tiles[1] = (255, 51, 0), (0, 102, 204)
    codes = encode(mean_rgb(spacing=0.25, tile=6), tiles)
    assert codes.tolist() == [pytest.approx([1, 0.2, 0]), pytest.approx([0, 0.4, 0.8])]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_mean_rgb_is_the_same_bits_for_every_flip_and_rotation(turns: int, mirrored: bool) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (5, 21, 21, 3), dtype=np.uint8)
    encoder = mean_rgb(spacing=0.5, tile=21)
    turned = np.rot90(tiles[:, :, ::-1] if mirrored else tiles, turns, (1, 2))
    assert np.array_equal(encode(encoder, turned), encode(encoder, tiles))


def test_random_weights_follow_their_seed() -> None:
    settings = StridedConvSettings(tile=14, filters=(4, 5), dim=6)
    one, same, other = (random_weights(seed, settings, spacing=0.5) for seed in (1, 1, 2))
    assert one.card == same.card
    assert one.card.identity != other.card.identity
    assert "seed 2" in other.card.source
