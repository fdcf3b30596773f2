"""Names: what they mean, which are refused, and that the list tells the truth."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from histopress.core.errors import EncoderError
from histopress.encoders.catalogue import EncoderEntry, listing, load_encoder, table
from histopress.encoders.encoder import encode, save_encoder
from histopress.encoders.foundation import MODELS


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("mean-rgb", "mean-rgb"),
        ("mean-rgb:spacing=1", "mean-rgb:spacing=1.0"),
        ("mean-rgb:tile=64,spacing=0.25", "mean-rgb:spacing=0.25,tile=64"),
        ("mean-rgb:tile=128", "mean-rgb"),
        ("random", "random"),
        ("random:dim=32,seed=3,width=4", "random:seed=3,dim=32,width=4"),
        ("random:tile=30,depth=3,width=4", "random:tile=30,depth=3,width=4"),
    ],
)
def test_the_card_names_the_encoder_so_that_it_can_be_asked_for_again(asked: str, name: str) -> None:
    card = load_encoder(asked).card
    assert card.name == name
    assert load_encoder(name).card == card


def test_settings_may_be_given_as_keywords() -> None:
    assert (
        load_encoder("mean-rgb", spacing=1.0, tile=64).card
        == load_encoder("mean-rgb:spacing=1.0,tile=64").card
    )
    assert (
        load_encoder("random:dim=7,width=4", seed=2).card == load_encoder("random:seed=2,dim=7,width=4").card
    )


def test_settings_reach_the_encoder() -> None:
    card = load_encoder("random:dim=7,tile=46,spacing=0.8,depth=3,width=5").card
    assert (card.dim, card.tile, card.spacing) == (7, 46, 0.8)
    assert card.architecture["filters"] == [5, 5, 5]
    mean = load_encoder("mean-rgb:tile=9").card
    assert (mean.dim, mean.tile, mean.spacing) == (3, 9, 0.5)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mean_rgb", "did you mean mean-rgb"),
        ("Random:seed=3", "did you mean random"),
        ("encoder.h5", r"did you mean nic:encoder\.h5"),
        (
            "resnet",
            "mean-rgb, stain-texture, nic:PATH, random, saved:FOLDER, timm:MODEL, onnx:FILE, script:FILE",
        ),
        ("virchow2", "did you mean hf-hub:virchow2"),
        ("MahmoodLab/UNI", "did you mean hf-hub:MahmoodLab/UNI"),
        ("w.safetensors", r"weights alone are no encoder: did you mean timm:MODEL@w\.safetensors"),
        ("", "known: histopress-small"),
        ("mean-rgb:", "ends in a colon"),
        ("mean-rgb:size=3", r"'size' cannot be set; can be set, each once: spacing=0\.5, tile=128"),
        ("mean-rgb:tile=3,tile=4", "'tile' is set twice"),
        ("mean-rgb:tile=3,", "'' cannot be set"),
        ("mean-rgb:tile", "tile is '', expected a whole number from 1"),
        ("mean-rgb:tile=0", "tile is '0', expected a whole number from 1"),
        ("mean-rgb:tile=6.5", r"tile is '6\.5', expected a whole number"),
        ("mean-rgb:spacing=20", r"spacing is '20', expected 0\.05 to 5 um/px"),
        ("mean-rgb:spacing=nan", "spacing is 'nan'"),
        ("mean-rgb:spacing=20x", "spacing is '20x'"),
        ("random:seed=-1", "seed is '-1', expected a whole number from 0"),
        ("random:tile=32", "at least 62 px"),
        ("random:tile=129", "divisor of the tile"),
        ("nic", "write nic:PATH"),
        ("nic:nowhere.h5", r"nowhere\.h5: no such file.*encoder_multitask-4\.h5"),
        ("saved:nowhere", r"nowhere holds no encoder: card\.json is missing"),
    ],
)
def test_other_names_are_refused_with_a_way_out(name: str, says: str) -> None:
    with pytest.raises(EncoderError, match=says):
        load_encoder(name)


def test_keywords_are_as_strict_as_names() -> None:
    with pytest.raises(EncoderError, match="'tile' is set twice"):
        load_encoder("mean-rgb:tile=3", tile=3)
    with pytest.raises(EncoderError, match="tile is"):
        load_encoder("mean-rgb", tile=6.5)
    with pytest.raises(EncoderError, match="fixed weights and cannot be set spacing"):
        load_encoder("nic:nowhere.h5", spacing=1.0)


def test_a_saved_encoder_is_loaded_by_its_folder(tmp_path: Path) -> None:
    encoder = load_encoder("random:tile=30,depth=2,width=4,dim=5")
    save_encoder(encoder, tmp_path)
    assert load_encoder(f"saved:{tmp_path}").card == encoder.card
    assert load_encoder(str(tmp_path)).card == encoder.card


def test_random_weights_are_the_same_on_every_machine() -> None:
    assert load_encoder("random").card.identity == "767e39becb8a04f7"
    assert load_encoder("random:seed=1").card.identity != "767e39becb8a04f7"


def test_random_codes_tell_tiles_apart() -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (4, 62, 62, 3), dtype=np.uint8)
    tiles[2:] //= 2
    codes = encode(load_encoder("random:tile=62,dim=20"), tiles)
    assert 0.1 < codes.std() < 10
    assert np.linalg.norm(codes[0] - codes[2]) > 1.5 * np.linalg.norm(codes[0] - codes[1])


def test_the_list_agrees_with_the_encoders(shared_data: Path) -> None:
    weights = shared_data / "nic_encoder_weights" / "encoder_multitask-4.h5"
    entries = {entry.name.partition(":")[0]: entry for entry in listing()}
    for name in ("histopress-small", "mean-rgb", "stain-texture", "random", f"nic:{weights}"):
        card, entry = load_encoder(name).card, entries[name.partition(":")[0]]
        assert (card.dim, card.spacing, card.tile) == (entry.dim, entry.spacing, entry.tile)
        assert card.licence == entry.licence
        assert entry.available
    kinds = ["histopress-small", "mean-rgb", "stain-texture", "nic", "random", "saved", "timm", "onnx"]
    kinds += ["script", "hf-hub"]
    assert list(entries) == kinds


def test_the_list_has_every_foundation_encoder() -> None:
    listed = {entry.name: entry for entry in listing()}
    for model in MODELS:
        entry = listed[f"hf-hub:{model.name}"]
        assert (entry.dim, entry.spacing, entry.tile) == (model.dim, model.spacing, model.tile)
        assert entry.licence == model.licence
        assert ("gated" in entry.note) == model.gated


def test_the_table_names_every_entry_and_what_is_missing() -> None:
    absent = EncoderEntry("far-away", 5, 0.25, 96, "MIT", False, "somewhere else")
    lines = table([*listing(), absent]).splitlines()
    assert len(lines) == 1 + 2 * (len(listing()) + 1)
    assert all(len(line) < 160 for line in lines[1::2])
    assert lines[-2].split() == ["far-away", "5", "0.25", "96", "MIT"]
    assert lines[-1].strip() == "somewhere else (not installed here)"


def test_listing_stays_fast() -> None:
    code = "import sys, histopress.encoders.catalogue as c; c.listing(); print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
