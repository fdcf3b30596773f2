"""Press, then classify, on pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.studies.conftest import WriteDigits

from histopress.core.errors import RecipeError
from histopress.encoders.catalogue import load_encoder
from histopress.studies.chain import WANTED, Chain, chain_encoder, encoder_folder, learn_encoder
from histopress.studies.chain_recipe import ChainRecipe
from histopress.studies.nmnist_study import NmnistMaterial, NmnistSource
from histopress.studies.picture_trial import PictureTrial, trial_pictures
from histopress.studies.pictures import PARTS

RECIPE = ChainRecipe(magnify=2, crops=40, dim=8, updates=6, epochs=2, patience=2, batch=4)
SOURCE = NmnistSource(48, 14, 3, 1234, "digits")


@pytest.fixture(scope="module")
def digits(write_digits: WriteDigits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("digits") / "mnist", 240, 100)


@pytest.fixture(scope="module")
def learned(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    return learn_encoder(SOURCE.crop_source.crops(RECIPE.crops, NmnistMaterial(digits)), RECIPE, folder)


def test_crops_are_the_wanted_digit_and_each_other_one_as_a_task(digits: Path) -> None:
    crops = SOURCE.crop_source.crops(20, NmnistMaterial(digits))
    assert len(crops) == 10 and WANTED in crops and "digit-3" not in crops
    assert {part: pictures.shape for part, pictures in crops["digit-7"].items()} == dict.fromkeys(
        PARTS, (32, 32, 1)
    )
    assert [len(crops[WANTED][part]) for part in PARTS] == [20, 2, 2]


def test_an_encoder_is_trained_once_and_takes_magnified_crops(learned: Path, digits: Path) -> None:
    assert learned == encoder_folder(learned.parent)
    encoder = chain_encoder(RECIPE, learned)
    assert (encoder.card.tile, encoder.card.dim) == (64, 8)
    before = {path: path.stat().st_mtime_ns for path in learned.iterdir()}
    assert (
        learn_encoder(SOURCE.crop_source.crops(RECIPE.crops, NmnistMaterial(digits)), RECIPE, learned.parent)
        == learned
    )
    assert before == {path: path.stat().st_mtime_ns for path in learned.iterdir()}


def test_a_chain_answers_for_every_picture_and_is_not_trained_twice(
    learned: Path, digits: Path, tmp_path: Path
) -> None:
    settings = PictureTrial(SOURCE, 12, 4, 8, 0.0, "", 0, RECIPE)
    parts = trial_pictures(settings, NmnistMaterial(digits))
    chain = Chain(chain_encoder(RECIPE, learned), RECIPE, SOURCE.crop_source.side)
    result = chain.train(parts, 0, tmp_path)
    assert (8 * result.test_accuracy).is_integer() and round(12 * result.train_accuracy, 6).is_integer()
    assert result.pictures_seen == 2 * 12 and result.chance == 0.5
    assert result.parameters > sum(p.numel() for p in chain.encoder.parameters())
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    assert chain.train(parts, 0, tmp_path) == result
    assert times == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}


def test_an_encoder_that_must_be_trained_is_asked_for() -> None:
    with pytest.raises(RecipeError, match="trained first"):
        chain_encoder(RECIPE, None)
    named = chain_encoder(ChainRecipe(encoder="mean-rgb"), None)
    assert named.card.name == load_encoder("mean-rgb").card.name


@pytest.mark.parametrize("control", ["", "permuted", "noise"])
def test_pictures_of_a_trial_have_the_labels_that_its_control_asks_for(control: str, digits: Path) -> None:
    plain, other = (
        trial_pictures(PictureTrial(SOURCE, 20, 4, 8, 0.0, c, 1, RECIPE), NmnistMaterial(digits))  # type: ignore[arg-type]
        for c in ("", control)
    )
    for part in PARTS:
        assert len(other[part]) == len(plain[part])
        assert np.bincount(other[part].labels).tolist() == [len(plain[part]) // 2] * 2
    same = [bool((other[part].labels == plain[part].labels).all()) for part in PARTS]
    assert same == {"": [True] * 3, "permuted": [False, same[1], True], "noise": same}[control]
    drawn_alike = np.array_equal(other["train"].draw(3).picture, plain["train"].draw(3).picture)
    assert drawn_alike == (control != "noise")


def test_wrong_labels_are_those_of_the_train_part_alone(digits: Path) -> None:
    plain, noisy = (
        trial_pictures(PictureTrial(SOURCE, 20, 4, 8, share, "", 1, RECIPE), NmnistMaterial(digits))
        for share in (0.0, 0.2)
    )
    wrong = {part: int((plain[part].labels != noisy[part].labels).sum()) for part in PARTS}
    assert wrong == {"train": 4, "tuning": 0, "test": 0}
