from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from histopress.core.errors import EncoderError
from histopress.data.patch_recipes import find_task
from histopress.data.patches import load_patches
from histopress.encoders.catalogue import listing, load_encoder
from histopress.encoders.encoder import NetworkEncoder, encode
from histopress.encoders.shipped import FOLDER, load_shipped, pack
from histopress.encoders.trunks import make_trunk
from histopress.grids.compress import CompressRecipe
from histopress.studies.demo import DemoRecipe


def tiles(count: int = 4) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (count, 128, 128, 3), np.uint8)


def test_the_package_brings_its_default_encoder() -> None:
    encoder = load_encoder("histopress-small")
    assert encoder.card == load_shipped().card
    assert (encoder.card.tile, encoder.card.spacing, encoder.card.licence) == (128, 0.5, "Apache-2.0")
    assert CompressRecipe().encoder == "histopress-small"
    assert DemoRecipe().compress.encoder == "histopress-small"
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) < 5e6


def test_its_card_tells_what_it_learned_and_from_which_data() -> None:
    training = load_shipped().card.training
    licences = {task["licence"].split()[0] for task in training["tasks"]}
    assert licences <= {"MIT", "CC0", "CC"}  # sets from which models may be given away
    assert "prostate-epithelium" not in {task["name"] for task in training["tasks"]}
    assert all(task["citation"] and 0 < task["scores"]["test"] < 1 for task in training["tasks"])
    assert "not for diagnosis" in (FOLDER / "README.md").read_text().lower()


def test_the_listing_tells_its_facts() -> None:
    entry, card = listing()[0], load_shipped().card
    assert (entry.name, entry.dim, entry.spacing, entry.tile, entry.licence) == (
        card.name, card.dim, card.spacing, card.tile, card.licence,
    )  # fmt: skip


def test_real_tissue_has_the_same_codes_in_all_orientations(shared_data: Path) -> None:
    found = load_patches(find_task("crc-tissue7"), shared_data)
    tissue, encoder = np.array(found.tiles[found.rows("test")]), load_shipped()
    codes = encode(encoder, tissue, "cpu")
    for quarters, mirrored in [(1, False), (2, True)]:
        other = np.rot90(tissue[:, :, ::-1] if mirrored else tissue, quarters, (1, 2))
        turned = encode(encoder, np.ascontiguousarray(other), "cpu")
        cosine = (codes * turned).sum(1) / np.linalg.norm(codes, axis=1) / np.linalg.norm(turned, axis=1)
        assert cosine.min() > 0.9999


def test_packed_weights_are_half_as_large_and_load_as_they_were_packed(tmp_path: Path) -> None:
    encoder = NetworkEncoder(make_trunk("turned-small", 128, 16, 0), "mine", 0.5, licence="mine")
    packed = pack(encoder, tmp_path, name="small")
    loaded = load_encoder(str(tmp_path))
    assert loaded.card == packed.card
    assert (loaded.card.name, loaded.card.licence) == ("small", "mine")
    assert loaded.card.identity != encoder.card.identity
    floats = sum(w.numel() for w in encoder.weights().values())
    assert (tmp_path / "weights.safetensors").stat().st_size < 2.2 * floats + 10_000
    np.testing.assert_array_equal(encode(loaded, tiles(), "cpu"), encode(packed, tiles(), "cpu"))
    np.testing.assert_allclose(encode(loaded, tiles(), "cpu"), encode(encoder, tiles(), "cpu"), atol=2e-2)


def test_weights_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    network = make_trunk("turned-small", 128, 16, 0)
    torch.nn.init.constant_(network.code.weight, 1e6)  # type: ignore[union-attr,arg-type]
    with pytest.raises(EncoderError, match=r"code\.weight is too large"):
        pack(NetworkEncoder(network, "mine", 0.5), tmp_path, name="small")
    assert not (tmp_path / "card.json").exists()


def test_only_networks_can_be_packed(tmp_path: Path) -> None:
    class Other(torch.nn.Module):
        card = load_shipped().card

    with pytest.raises(EncoderError, match="cannot be packed"):
        pack(Other(), tmp_path, name="small")  # type: ignore[arg-type]


def test_it_cannot_be_set() -> None:
    with pytest.raises(EncoderError, match="fixed weights"):
        load_encoder("histopress-small:spacing=1")
