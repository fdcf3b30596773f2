"""Foundation encoders from weights on this machine: made small here, of the same kinds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from histopress.core.errors import EncoderError
from histopress.encoders import foundation
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import CARD_FILE, encode, save_encoder
from histopress.encoders.engine import prepare
from histopress.encoders.foundation import FoundationModel, find_model
from histopress.encoders.foundation_encoder import FoundationEncoder, foundation_settings
from histopress.encoders.timm_encoder import TimmNetwork

pytest.importorskip("timm", reason="timm is not installed")

SMALL = {"depth": 2, "embed_dim": 48, "num_heads": 2}


def small(name: str) -> FoundationModel:
    """The same architecture with two thin layers and tiles of 56 px."""
    known = find_model(name)
    constructor = known.constructor | SMALL
    dim = 96 if known.pooling == "class+mean" else 48
    return replace(known, tile=56 if "patch14" in known.model else 48, dim=dim, constructor=constructor)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(foundation, "MODELS", tuple(small(m.name) for m in foundation.MODELS))
    return monkeypatch


def write_weights(known: FoundationModel, path: Path) -> TimmNetwork:
    network = TimmNetwork(foundation_settings(known, known.tile), 4)
    save_file(network.model.state_dict(), path)
    return network


def random_tiles(count: int, tile: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, tile, tile, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["uni", "virchow", "virchow2", "h-optimus-1", "h0-mini", "lunit-vits8"])
def test_codes_are_pooled_from_the_tokens(name: str, tmp_path: Path, only: pytest.MonkeyPatch) -> None:
    known = foundation.find_model(name)
    network = write_weights(known, tmp_path / "w.safetensors")
    encoder = load_encoder(f"hf-hub:{known.repository}@{tmp_path / 'w.safetensors'}")
    tiles = random_tiles(3, known.tile)
    mean, deviation = (torch.tensor(t) for t in known.colours)
    with torch.no_grad():
        images = ((torch.from_numpy(tiles) / 255 - mean) / deviation).permute(0, 3, 1, 2)
        tokens = network.model.forward_features(images)
    registers = {"virchow2": 4, "h-optimus-1": 4, "h0-mini": 4}.get(name, 0)
    patches = (
        known.tile // (14 if "patch14" in known.model else int(known.model.split("patch")[1][:-4]))
    ) ** 2
    assert tokens.shape[1] == 1 + registers + patches
    expected = tokens[:, 0]
    if known.pooling == "class+mean":
        expected = torch.cat([expected, tokens[:, 1 + registers :].mean(1)], 1)
    np.testing.assert_allclose(encode(encoder, tiles, "cpu"), expected, rtol=1e-3, atol=1e-4)
    assert encoder.card.name == f"hf-hub:{name}@w.safetensors"
    assert encoder.card.licence == known.licence
    assert encoder.card.architecture["repository"] == known.repository


def test_other_tiles_take_interpolated_positions(tmp_path: Path, only: pytest.MonkeyPatch) -> None:
    known = foundation.find_model("virchow2")
    write_weights(known, tmp_path / "w.safetensors")
    encoder = load_encoder(f"hf-hub:virchow2@{tmp_path / 'w.safetensors'},tile=84,spacing=0.25")
    assert (encoder.card.tile, encoder.card.spacing, encoder.card.dim) == (84, 0.25, 96)
    assert encoder.card.name == "hf-hub:virchow2@w.safetensors,spacing=0.25,tile=84"
    assert encode(encoder, random_tiles(2, 84), "cpu").shape == (2, 96)


def test_engines_give_the_same_codes(tmp_path: Path, only: pytest.MonkeyPatch) -> None:
    only.setenv("HISTOPRESS_CACHE", str(tmp_path))
    known = foundation.find_model("virchow2")
    write_weights(known, tmp_path / "w.safetensors")
    encoder = load_encoder(f"hf-hub:virchow2@{tmp_path / 'w.safetensors'}")
    engine = prepare(encoder, "cpu", "fp32")
    assert engine.choice.backend != "exact"
    tiles = random_tiles(5, known.tile)
    np.testing.assert_allclose(engine.encode(tiles), encode(encoder, tiles, "cpu"), rtol=1e-3, atol=1e-4)


def test_weights_stay_where_they_are(tmp_path: Path, only: pytest.MonkeyPatch) -> None:
    write_weights(foundation.find_model("uni"), tmp_path / "w.safetensors")
    encoder = load_encoder(f"hf-hub:uni@{tmp_path / 'w.safetensors'}")
    assert isinstance(encoder, FoundationEncoder)
    save_encoder(encoder, tmp_path / "kept")
    assert sum(p.stat().st_size for p in (tmp_path / "kept").iterdir() if p.name != CARD_FILE) < 100
    with pytest.raises(EncoderError, match=r"keeps no weights of hf-hub:uni@w\.safetensors"):
        load_encoder(str(tmp_path / "kept"))


def test_weights_of_another_model_are_refused(tmp_path: Path, only: pytest.MonkeyPatch) -> None:
    write_weights(foundation.find_model("virchow"), tmp_path / "w.safetensors")
    with pytest.raises(EncoderError, match=r"2 weights do not fit.*reg_token is missing"):
        load_encoder(f"hf-hub:virchow2@{tmp_path / 'w.safetensors'}")


@pytest.mark.parametrize("suffix", [".bin", ".pth", ".pt", ".ckpt"])
@pytest.mark.parametrize("start", ["hf-hub:uni", "timm:vit_tiny_patch16_224"])
def test_pickled_weights_are_refused_with_the_remedy(start: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save({"a": torch.ones(2)}, path)
    with pytest.raises(EncoderError, match=r"pickled.*histopress encoders convert .*weights\.safetensors"):
        load_encoder(f"{start}@{path}")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hf-hub", "write hf-hub:MODEL"),
        ("hf-hub:uni@", r"write hf-hub:MODEL or hf-hub:MODEL@FILE\.safetensors"),
        ("hf-hub:uni@nowhere.safetensors", r"nowhere\.safetensors: no such file"),
        ("hf-hub:nobody/nothing", "no foundation encoder 'nobody/nothing'"),
        ("hf-hub:uni@nowhere.safetensors,seed=1", "'seed' cannot be set"),
    ],
)
def test_what_cannot_be_made_is_refused(name: str, says: str) -> None:
    with pytest.raises(EncoderError, match=says):
        load_encoder(name)
