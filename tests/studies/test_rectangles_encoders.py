"""Small encoders of cells: shaped as published, and trained by each method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from histopress.core.errors import EncoderError
from histopress.core.fit_spawn import Mute
from histopress.encoders.bigan import BiganLearner
from histopress.encoders.networks import StridedConv
from histopress.studies.mnist_files import Digits
from histopress.studies.rectangles import RectanglesRecipe
from histopress.studies.rectangles_cells import TILE
from histopress.studies.rectangles_digits import Stamps, deal
from histopress.studies.rectangles_encoders import cell_encoder, cell_learner, codes_of
from histopress.studies.rectangles_recipe import CellEncoder, CellEncoderRecipe

SCENE = RectanglesRecipe(side=20, digits=250, shortest=6, longest=10)
QUICK = CellEncoderRecipe(dim=5, pairs=64, updates=10, batch=16)


@pytest.fixture(scope="module")
def stamps(easy_digits: Callable[[int, int], Digits]) -> Stamps:
    return deal(easy_digits(600, 0), {"encoder": 1.0}, seed=0)["encoder"]


def test_networks_have_the_published_layers() -> None:
    network = cell_learner("vae", 16, 0).encoder_network()
    assert isinstance(network, StridedConv)
    shapes = [
        tuple(p.shape) for name, p in network.named_parameters() if name.endswith("weight") and p.ndim > 1
    ]
    assert shapes == [(32, 3, 3, 3), (64, 32, 3, 3), (64, 64 * 3 * 3), (16, 64)]
    bigan = cell_learner("bigan", 16, 0)
    assert isinstance(bigan, BiganLearner)
    assert bigan.generator.dense.out_features == 512
    assert bigan.generator.maps.unflattened_size == (32, 4, 4)
    assert bigan.generator(torch.zeros(2, 16)).shape == (2, 3, TILE, TILE)
    dense = [layer.out_features for layer in bigan.discriminator.dense if isinstance(layer, torch.nn.Linear)]
    assert dense == [128, 1]


@pytest.mark.parametrize("method", ["vae", "contrastive", "bigan", "supervised"])
def test_every_method_trains_and_is_not_trained_twice(
    method: CellEncoder, stamps: Stamps, tmp_path: Path
) -> None:
    first = cell_encoder(method, QUICK, SCENE, stamps, tmp_path / "a", seed=0, bar=Mute())
    when = (tmp_path / "a" / "done").stat().st_mtime_ns
    again = cell_encoder(method, QUICK, SCENE, stamps, tmp_path / "a", seed=0, bar=Mute())
    assert (tmp_path / "a" / "done").stat().st_mtime_ns == when
    codes = codes_of(first, stamps)
    assert codes.shape == (600, 5) and codes.dtype == np.float16 and np.isfinite(codes).all()
    assert np.array_equal(codes, codes_of(again, stamps))
    assert codes.std(axis=0).min() > 0


def test_classes_are_learned(
    stamps: Stamps, tmp_path: Path, easy_digits: Callable[[int, int], Digits]
) -> None:
    recipe = CellEncoderRecipe(dim=8, pairs=64, updates=100, batch=16)
    encoder = cell_encoder("supervised", recipe, SCENE, stamps, tmp_path, seed=0, bar=Mute())
    unseen = deal(easy_digits(200, 5), {"test": 1.0}, seed=0)["test"]
    centres = np.stack([codes_of(encoder, stamps)[stamps.classes == c].mean(axis=0) for c in range(10)])
    apart = np.linalg.norm(codes_of(encoder, unseen).astype(float)[:, None] - centres, axis=2)
    assert (apart.argmin(axis=1) == unseen.classes).mean() > 0.8


def test_the_same_seed_trains_the_same_encoder(stamps: Stamps, tmp_path: Path) -> None:
    folders = {"a": 1, "b": 1, "c": 2}
    made = {
        name: cell_encoder("supervised", QUICK, SCENE, stamps, tmp_path / name, seed=seed, bar=Mute())
        for name, seed in folders.items()
    }
    assert made["a"].card.identity == made["b"].card.identity != made["c"].card.identity


def test_the_mean_colour_is_the_share_of_ink(stamps: Stamps, tmp_path: Path) -> None:
    encoder = cell_encoder("mean-colour", QUICK, SCENE, stamps, tmp_path, seed=0)
    share = np.count_nonzero(stamps.pictures, axis=(1, 2)) / TILE**2
    assert np.allclose(codes_of(encoder, stamps), share[:, None], atol=1e-3)


def test_unknown_encoders_are_refused(stamps: Stamps, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="expected one of mean-colour"):
        cell_encoder("best", QUICK, SCENE, stamps, tmp_path, seed=0)  # type: ignore[arg-type]
