"""The contract of every encoder, how it is run, and that it comes back from disk as it was."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from histopress.core.errors import EncoderError
from histopress.encoders import encoder as module
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import (
    BATCH_STEP,
    CARD_FILE,
    WEIGHTS_FILE,
    Encoder,
    EncoderCard,
    NetworkEncoder,
    encode,
    load_saved,
    pick_device,
    read_card,
    read_weights,
    save_encoder,
)
from histopress.encoders.networks import MeanColour, MeanColourSettings, StridedConv, StridedConvSettings

RANDOM = "random:tile=30,depth=3,width=6,dim=10,spacing=0.7"
MEAN = "mean-rgb:tile=30"


def random_tiles(count: int, tile: int = 30, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, tile, tile, 3), dtype=np.uint8)


class Recorder(Encoder):
    """Remembers the sizes of its batches; its code is the first pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.card = EncoderCard("recorder", "0", 0.5, 4, 3, "none")
        self.batches: list[int] = []

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(tiles))
        return tiles[:, 0, 0].float()


@pytest.mark.parametrize(
    ("tiles", "found", "remedy"),
    [
        (np.zeros((2, 30, 30, 3), np.float32), r"float32 \(2, 30, 30, 3\)", "0 to 255"),
        (np.zeros((2, 3, 30, 30), np.uint8), r"uint8 \(2, 3, 30, 30\)", "colours come last"),
        (np.zeros((30, 30, 3), np.uint8), r"uint8 \(30, 30, 3\)", r"tiles\[None\]"),
        (np.zeros((2, 30, 30, 4), np.uint8), r"uint8 \(2, 30, 30, 4\)", "alpha"),
        (np.zeros((2, 30, 28, 3), np.uint8), r"uint8 \(2, 30, 28, 3\)", r"30 x 30 px at 0\.7 um/px"),
        (np.zeros((2, 30, 30), np.uint8), r"uint8 \(2, 30, 30\)", "RGB"),
    ],
)
def test_wrong_tiles_are_shown_with_a_remedy(tiles: NDArray[np.uint8], found: str, remedy: str) -> None:
    encoder = load_encoder(RANDOM)
    with pytest.raises(EncoderError, match=rf"{found}, expected uint8 \(batch, 30, 30, 3\).*{remedy}"):
        encode(encoder, tiles)
    with pytest.raises(EncoderError, match=found):
        encoder(torch.from_numpy(tiles))


@pytest.mark.parametrize("name", [RANDOM, MEAN])
def test_a_batch_equals_its_elements(name: str) -> None:
    encoder, tiles = load_encoder(name), random_tiles(11)
    together = encode(encoder, tiles)
    alone = np.concatenate([encode(encoder, tile[None]) for tile in tiles])
    assert together.shape == (11, encoder.card.dim)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_mean_colour_is_the_same_bits_however_tiles_are_shared_out() -> None:
    encoder, tiles = load_encoder(MEAN), random_tiles(11)
    assert np.array_equal(encode(encoder, tiles), encode(encoder, tiles, batch=3))


@pytest.mark.parametrize("batch", [1, 3, 5, 64])
def test_the_size_of_batches_does_not_matter(batch: int) -> None:
    encoder, tiles = load_encoder(RANDOM), random_tiles(11)
    np.testing.assert_allclose(
        encode(encoder, tiles, batch=batch), encode(encoder, tiles), rtol=1e-5, atol=1e-6
    )


def test_the_same_batch_gives_the_same_bits() -> None:
    encoder, tiles = load_encoder(RANDOM), random_tiles(19)
    assert np.array_equal(encode(encoder, tiles), encode(encoder, tiles))


def test_batches_are_filled_up_and_the_filling_is_left_out() -> None:
    recorder, tiles = Recorder(), random_tiles(13, tile=4)
    codes = encode(recorder, tiles, batch=5)
    assert np.array_equal(codes, tiles[:, 0, 0].astype(np.float32))
    assert len(recorder.batches) == 3
    assert all(size % BATCH_STEP == 0 for size in recorder.batches)


def test_any_layout_in_memory_will_do() -> None:
    encoder, tiles = load_encoder(RANDOM), random_tiles(8)
    codes = encode(encoder, tiles)
    locked = tiles.copy()
    locked.flags.writeable = False
    strided = np.repeat(tiles, 2, axis=1)[:, ::2]
    backwards = tiles[::-1].copy()[::-1]
    for same in (locked, strided, backwards, np.asfortranarray(tiles)):
        assert np.array_equal(encode(encoder, same), codes)


def test_no_tiles_give_no_codes() -> None:
    assert encode(load_encoder(RANDOM), random_tiles(0)).shape == (0, 10)


def test_an_encoder_neither_trains_nor_keeps_gradients() -> None:
    encoder = load_encoder(RANDOM)
    encoder.train()
    assert not any(part.training for part in encoder.modules())
    assert not any(p.requires_grad for p in encoder.parameters())
    with torch.enable_grad():
        assert not encoder(torch.from_numpy(random_tiles(2))).requires_grad


def test_auto_is_a_device_and_nonsense_is_not() -> None:
    assert pick_device("auto").type in ("cpu", "cuda")
    assert pick_device("cpu") == torch.device("cpu")
    with pytest.raises(EncoderError, match=r"'gpu'.*auto or cpu"):
        pick_device("gpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_codes_of_the_cpu() -> None:
    encoder, tiles = load_encoder("random"), random_tiles(9, tile=128)
    here, there = encode(encoder, tiles, "cpu"), encode(encoder, tiles, "cuda")
    np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-4)


def small_network(seed: int) -> StridedConv:
    torch.manual_seed(seed)
    return StridedConv(StridedConvSettings(tile=14, filters=(4, 5), dim=6))


def test_identity_is_of_architecture_spacing_and_weights_alone() -> None:
    encoder = NetworkEncoder(small_network(0), "one", 0.5, licence="mine", source="here")
    renamed = NetworkEncoder(small_network(0), "other", 0.5)
    assert renamed.card.identity == encoder.card.identity
    assert NetworkEncoder(small_network(0), "one", 0.6).card.identity != encoder.card.identity
    changed = small_network(0)
    changed.code.bias.data[2] = torch.nextafter(changed.code.bias.data[2], torch.tensor(9.0))
    assert NetworkEncoder(changed, "one", 0.5).card.identity != encoder.card.identity
    sizes = [NetworkEncoder(MeanColour(MeanColourSettings(t)), "mean", 0.5).card.identity for t in (30, 31)]
    assert sizes[0] != sizes[1]


def test_identity_does_not_depend_on_the_layout_of_weights() -> None:
    channels_last = small_network(0).to(memory_format=torch.channels_last)
    first = NetworkEncoder(channels_last, "one", 0.5).card.identity
    assert first == NetworkEncoder(small_network(0), "one", 0.5).card.identity


@pytest.mark.parametrize("name", [RANDOM, MEAN])
def test_a_saved_encoder_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    encoder, tiles = load_encoder(name), random_tiles(8)
    save_encoder(encoder, tmp_path / "new" / "folder")
    again = load_saved(tmp_path / "new" / "folder")
    assert again.card == encoder.card
    assert np.array_equal(encode(again, tiles), encode(encoder, tiles))
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == [CARD_FILE, WEIGHTS_FILE]


def test_loading_leaves_the_global_random_state_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    save_encoder(load_encoder(RANDOM), tmp_path)
    load_saved(tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_exchanged_weights_are_found_out(tmp_path: Path) -> None:
    save_encoder(load_encoder(RANDOM), tmp_path)
    weights = load_file(tmp_path / WEIGHTS_FILE)
    weights["code.bias"][0] += 1e-3
    save_file(weights, tmp_path / WEIGHTS_FILE)
    with pytest.raises(EncoderError, match=r"identity of the weights.*changed or exchanged"):
        load_saved(tmp_path)


@pytest.mark.parametrize(
    ("fact", "value"), [("spacing", 1.0), ("tile", 31), ("dim", 11), ("identity", "0" * 16)]
)
def test_a_changed_card_is_found_out(fact: str, value: float | str, tmp_path: Path) -> None:
    save_encoder(load_encoder(RANDOM), tmp_path)
    card = json.loads((tmp_path / CARD_FILE).read_text()) | {fact: value}
    (tmp_path / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(EncoderError, match="save the encoder again"):
        load_saved(tmp_path)


def test_an_encoder_saved_by_half_over_another_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_encoder(load_encoder(RANDOM), tmp_path)

    def power_cut(path: Path, content: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_whole", power_cut)
    with pytest.raises(KeyboardInterrupt):
        save_encoder(load_encoder(RANDOM, seed=1), tmp_path)
    with pytest.raises(EncoderError, match="changed or exchanged"):
        load_saved(tmp_path)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"card\.json is missing"):
        load_saved(tmp_path)
    save_encoder(load_encoder(RANDOM), tmp_path)
    (tmp_path / WEIGHTS_FILE).write_bytes((tmp_path / WEIGHTS_FILE).read_bytes()[:-9])
    with pytest.raises(EncoderError, match=r"weights\.safetensors cannot be read"):
        load_saved(tmp_path)
    (tmp_path / WEIGHTS_FILE).unlink()
    with pytest.raises(EncoderError, match=r"weights\.safetensors cannot be read"):
        load_saved(tmp_path)
    (tmp_path / CARD_FILE).write_text("{")
    with pytest.raises(EncoderError, match="not valid JSON"):
        load_saved(tmp_path)


def test_an_encoder_without_weights_is_kept_as_its_card(tmp_path: Path) -> None:
    save_encoder(Recorder(), tmp_path)
    assert read_card(tmp_path / CARD_FILE) == Recorder().card
    assert read_weights(tmp_path / WEIGHTS_FILE) == {}


def test_the_card_holds_plain_values_only() -> None:
    card = dataclasses.asdict(load_encoder(RANDOM).card)
    assert json.loads(json.dumps(card)) == card
