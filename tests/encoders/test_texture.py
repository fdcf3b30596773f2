from __future__ import annotations

import numpy as np
import pytest

from histopress.core.errors import EncoderError
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import encode, load_saved, save_encoder
from histopress.encoders.texture import BLOCKS, DARKNESS, SMOOTHED


def tiles(count: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 255, (count, 16, 16, 3)).repeat(8, axis=1).repeat(8, axis=2)
    return np.clip(coarse + random.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8)


def dots(radius: float, share: float, seed: int = 0) -> np.ndarray:
    """One pink tile with purple discs of a radius that cover about a share of it."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:128, :128]
    dark = np.zeros((128, 128), bool)
    while dark.mean() < share:
        cy, cx = random.uniform(0, 128, 2)
        dark |= (y - cy) ** 2 + (x - cx) ** 2 < radius**2
    tile = np.full((1, 128, 128, 3), (225, 170, 205), np.uint8)
    tile[0, dark] = (90, 50, 130)
    return tile


TURNS = [
    lambda t: t[:, ::-1], lambda t: t[:, :, ::-1], lambda t: np.rot90(t, 1, (1, 2)),
    lambda t: np.rot90(t, 2, (1, 2)), lambda t: np.rot90(t, 3, (1, 2)),
]  # fmt: skip


@pytest.mark.parametrize("turn", TURNS, ids=["flipud", "fliplr", "quarter", "half", "three quarters"])
def test_turning_a_tile_changes_nothing(turn: object) -> None:
    encoder = load_encoder("stain-texture")
    straight = tiles(5)
    codes, turned = encode(encoder, straight), encode(encoder, np.ascontiguousarray(turn(straight)))  # type: ignore[operator]
    assert np.allclose(codes, turned, atol=2e-4)
    assert not np.allclose(codes[0], codes[1], atol=2e-2)


def test_a_batch_equals_its_elements() -> None:
    encoder = load_encoder("stain-texture")
    batch = tiles(7)
    assert np.allclose(
        encode(encoder, batch), np.concatenate([encode(encoder, t[None]) for t in batch]), atol=1e-5
    )


def test_large_nuclei_differ_from_small_ones_of_the_same_area() -> None:
    encoder = load_encoder("stain-texture")
    large, small = (encode(encoder, dots(radius, 0.25))[0] for radius in (14, 4))
    dark = slice(5 + 2 * len(BLOCKS), None)
    above = {"large": large[dark], "small": small[dark]}
    after = {name: values.reshape(len(SMOOTHED), len(DARKNESS)) for name, values in above.items()}
    level = DARKNESS.index(0.8)
    assert after["large"][0, level] == pytest.approx(after["small"][0, level], abs=0.06)
    assert after["large"][-1, level] > after["small"][-1, level] + 0.05


def test_plain_tiles_have_no_texture() -> None:
    codes = encode(load_encoder("stain-texture"), np.full((1, 128, 128, 3), (200, 120, 170), np.uint8))[0]
    assert np.allclose(codes[5 : 5 + 2 * len(BLOCKS)], 0, atol=5e-3)
    assert codes[:3] == pytest.approx(-np.log(np.array([201, 121, 171]) / 256), abs=1e-5)


def test_a_colour_of_one_stain_is_unmixed_into_it() -> None:
    eosin = np.array([0.072, 0.990, 0.105]) / np.linalg.norm([0.072, 0.990, 0.105])
    colour = np.round(256 * np.exp(-0.7 * eosin) - 1).astype(np.uint8)
    codes = encode(load_encoder("stain-texture"), np.full((1, 128, 128, 3), colour, np.uint8))[0]
    assert codes[3:5] == pytest.approx([0.0, 0.7], abs=0.03)


def test_it_is_saved_and_loaded(tmp_path: object) -> None:
    encoder = load_encoder("stain-texture:spacing=1.0,tile=64")
    save_encoder(encoder, tmp_path)  # type: ignore[arg-type]
    assert load_saved(tmp_path).card == encoder.card  # type: ignore[arg-type]
    assert encoder.card.dim == 39


def test_tiles_that_do_not_halve_are_refused() -> None:
    with pytest.raises(EncoderError, match="multiple of 64"):
        load_encoder("stain-texture:tile=100")
