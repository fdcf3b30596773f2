"""Copies are found though encoded anew, turned or mirrored; others are not taken for copies."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from histopress.data.patch_duplicates import MOST_BITS, Looks, looks_of, nearest

TURNS = [(quarter, mirrored) for quarter in range(4) for mirrored in (False, True)]


def textures(count: int, seed: int = 0, side: int = 96) -> NDArray[np.uint8]:
    """Smooth random pictures of which no two are alike."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 12, 12, 3), np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(c).resize((side, side), Image.Resampling.BICUBIC)) for c in coarse]
    )


def encoded(picture: NDArray[np.uint8], quality: int = 60) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def turned(picture: NDArray[np.uint8], quarter: int, mirrored: bool) -> NDArray[np.uint8]:
    result = np.rot90(picture, quarter)
    return result[:, ::-1] if mirrored else result


@pytest.mark.parametrize(("quarter", "mirrored"), TURNS)
def test_turned_and_encoded_copies_are_found(quarter: int, mirrored: bool) -> None:
    tiles = textures(40)
    copies = np.stack([encoded(turned(tile, quarter, mirrored)) for tile in tiles])
    found, bits = nearest(looks_of(copies), looks_of(tiles))
    assert found.tolist() == list(range(40))
    assert bits.max() <= 6


def test_turning_costs_no_bit() -> None:
    tiles = textures(10)
    for quarter, mirrored in TURNS:
        copies = np.stack([turned(tile, quarter, mirrored) for tile in tiles])
        assert nearest(looks_of(copies), looks_of(tiles))[1].max() <= 1  # sums are rounded in another order


def test_others_are_no_copies() -> None:
    found, bits = nearest(looks_of(textures(2000)), looks_of(textures(2000, seed=1)))
    assert (found == -1).all()
    assert (bits > 64).all()


def test_empty_tiles_are_no_copies_of_each_other() -> None:
    rng = np.random.default_rng(0)
    glass = rng.normal(240, 2, (20, 96, 96, 1)).clip(0, 255).repeat(3, 3).astype(np.uint8)
    looks = looks_of(np.concatenate([glass, np.zeros((2, 96, 96, 3), np.uint8), textures(1)]))
    assert looks.flat.tolist() == [True] * 22 + [False]
    assert nearest(looks, looks)[0].tolist() == [-1] * 22 + [22]


def test_an_edge_at_the_same_place_is_no_copy() -> None:
    """Half glass, half tissue: the coarse shape is shared, the tissue is not."""
    one, other = textures(50), textures(50, seed=1)
    one[:, :, 48:], other[:, :, 48:] = 240, 240
    assert (nearest(looks_of(one), looks_of(other))[0] == -1).all()


def test_nothing_within_the_bits_is_missed() -> None:
    rng = np.random.default_rng(0)
    count = 300
    among = rng.integers(0, 2**63, count, np.uint64)
    small = rng.integers(0, 256, (count, 16, 16), np.uint8)
    flips = np.array([rng.permutation(64) for _ in range(count)])
    for bits in range(MOST_BITS + 1):
        wanted = among.copy()
        for place in range(bits):
            wanted ^= np.uint64(1) << flips[:, place].astype(np.uint64)
        asked = Looks(np.repeat(wanted[:, None], 8, 1), small, np.zeros(count, np.bool_))
        there = Looks(np.repeat(among[:, None], 8, 1), small, np.zeros(count, np.bool_))
        found, apart = nearest(asked, there, bits)
        assert found.tolist() == list(range(count))
        assert (apart == bits).all()
        if bits:
            assert (nearest(asked, there, bits - 1)[0] == -1).all()
    with pytest.raises(ValueError, match="expected 0 to 7"):
        nearest(asked, there, 8)


def test_the_nearest_of_several_counts() -> None:
    tile = textures(1)[0]
    among = np.stack([encoded(tile, 20), encoded(tile, 95), *textures(3, seed=2)])
    found, bits = nearest(looks_of(tile[None]), looks_of(among))
    assert found[0] in (0, 1)
    assert bits[0] == min(nearest(looks_of(tile[None]), looks_of(among[i : i + 1]))[1][0] for i in range(2))


def test_real_patches_are_told_apart(shared_data: Path) -> None:
    import zipfile

    with zipfile.ZipFile(shared_data / "oral_oscc" / "images.zip") as file:
        names = file.namelist()
        pictures = np.stack([np.asarray(Image.open(file.open(name)).convert("RGB")) for name in names])
    looks = looks_of(pictures)
    half = len(looks) // 2
    rows = np.arange(len(looks))
    assert (
        nearest(looks[rows[:half]], looks[rows[half:]])[0] == -1
    ).all()  # near copies were removed from it
    copies = looks_of(np.stack([encoded(turned(picture, 1, True)) for picture in pictures[:30]]))
    assert nearest(copies, looks)[0].tolist() == list(range(30))
