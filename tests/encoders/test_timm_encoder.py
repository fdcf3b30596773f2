"""Networks of timm as encoders; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from histopress.core.errors import EncoderError, MissingExtraError
from histopress.encoders import timm_encoder as module
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import NetworkEncoder, encode, load_saved, save_encoder
from histopress.encoders.engine import prepare
from histopress.encoders.engine_fold import fold
from histopress.encoders.network import ImageNetwork

timm = pytest.importorskip("timm", reason="timm is not installed")

SMALL = "timm:resnet10t,tile=64"


def random_tiles(count: int, tile: int = 64) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, tile, tile, 3), dtype=np.uint8)


def test_the_card_says_what_it_is() -> None:
    card = load_encoder("timm:resnet10t,spacing=0.25").card
    assert (card.name, card.dim, card.tile, card.spacing) == ("timm:resnet10t,spacing=0.25", 512, 176, 0.25)
    assert "random weights" in card.source
    assert "0.485" in card.normalisation
    assert load_encoder(card.name).card == card


def test_codes_are_those_of_timm() -> None:
    encoder, tiles = load_encoder(SMALL), random_tiles(3)
    assert isinstance(encoder, NetworkEncoder)
    model = timm.create_model("resnet10t", num_classes=0).eval()
    model.load_state_dict({n.removeprefix("model."): w for n, w in encoder.network.state_dict().items()})
    mean, std = (torch.tensor(model.pretrained_cfg[name]) for name in ("mean", "std"))
    with torch.no_grad():
        expected = model(((torch.from_numpy(tiles) / 255 - mean) / std).permute(0, 3, 1, 2))
    np.testing.assert_allclose(encode(encoder, tiles, "cpu"), expected, rtol=1e-3, atol=1e-5)


def test_drawn_weights_are_those_of_the_seed_and_random_numbers_are_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = load_encoder(SMALL).card.identity
    assert torch.equal(torch.rand(3), expected)
    assert load_encoder(SMALL).card.identity == first
    assert load_encoder(f"{SMALL},seed=1").card.identity != first


def test_a_saved_encoder_comes_back_as_it_was(tmp_path: Path) -> None:
    encoder, tiles = load_encoder(f"{SMALL},seed=2"), random_tiles(3)
    save_encoder(encoder, tmp_path)
    again = load_saved(tmp_path)
    assert again.card == encoder.card
    assert np.array_equal(encode(again, tiles), encode(encoder, tiles))


def save_model(path: Path, **changed: torch.Tensor) -> None:
    torch.manual_seed(3)
    weights = timm.create_model("resnet10t").state_dict() | changed
    save_file({name: weight for name, weight in weights.items() if "num_batches" not in name}, path)


def test_weights_come_from_a_file_without_their_classifier(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path)
    encoder = load_encoder(f"timm:resnet10t@{path},tile=64")
    assert encoder.card.name == "timm:resnet10t@model.safetensors,tile=64"
    assert "weights of model.safetensors" in encoder.card.source
    assert encoder.card.licence == "not stated"
    torch.manual_seed(3)
    model = timm.create_model("resnet10t")
    conv = encoder.state_dict()["network.model.conv1.0.weight"]
    assert torch.equal(conv, model.state_dict()["conv1.0.weight"])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"extra.weight": torch.ones(2)}, r"extra\.weight is \(2,\), expected nothing of this name"),
        ({"bn1.weight": torch.ones(2)}, r"bn1\.weight is \(2,\), expected \(64,\)"),
    ],
)
def test_weights_of_another_network_are_refused(
    changed: dict[str, torch.Tensor], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, **changed)
    with pytest.raises(EncoderError, match=rf"1 weights do not fit timm resnet10t.*{says}"):
        load_encoder(f"timm:resnet10t@{path}")


def test_transformers_take_the_tiles_they_are_told() -> None:
    encoder = load_encoder("timm:vit_tiny_patch16_224,tile=48")
    assert encode(encoder, random_tiles(2, 48), "cpu").shape == (2, 192)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("timm:resnet500", r"no model 'resnet500'; did you mean resnet50"),
        ("timm:hf_hub:someone/something", "no model 'hf_hub:someone/something'"),
        ("timm", "write timm:MODEL"),
        ("timm:resnet18@", r"write timm:MODEL or timm:MODEL@FILE\.safetensors"),
        ("timm:resnet18@nowhere.safetensors", r"nowhere\.safetensors: no such file"),
        ("timm:resnet18,size=3", "'size' cannot be set"),
    ],
)
def test_what_cannot_be_made_is_refused(name: str, says: str) -> None:
    with pytest.raises(EncoderError, match=says):
        load_encoder(name)


def test_what_timm_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("not that size")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(EncoderError, match="timm cannot make resnet18 for tiles of 50 px: not that size"):
        load_encoder("timm:resnet18,tile=50")


def test_a_file_that_is_not_safetensors_is_named(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"not at all")
    with pytest.raises(EncoderError, match="cannot be read as safetensors"):
        load_encoder(f"timm:resnet10t@{tmp_path / 'weights.safetensors'}")


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"histopress\[foundation\]"):
        load_encoder("timm:resnet18")


@pytest.mark.parametrize("model", ["resnet10t", "mobilenetv2_035", "efficientnet_b0"])
def test_norms_of_every_kind_are_folded(model: str) -> None:
    encoder = load_encoder(f"timm:{model},tile=64")
    assert isinstance(encoder, NetworkEncoder)
    assert isinstance(encoder.network, ImageNetwork)
    folded, tiles = fold(encoder.network, torch.float32), torch.from_numpy(random_tiles(2))
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in folded.modules())
    with torch.no_grad():
        torch.testing.assert_close(folded(tiles), encoder(tiles), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("backend", ["torch", "torch-folded", "torch-fused"])
def test_engines_give_the_same_codes(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOPRESS_CACHE", str(tmp_path))
    encoder, tiles = load_encoder(SMALL), random_tiles(5)
    codes = prepare(encoder, "cpu", "fp32", backend).encode(tiles)
    np.testing.assert_allclose(codes, encode(encoder, tiles, "cpu"), rtol=1e-3, atol=1e-5)
