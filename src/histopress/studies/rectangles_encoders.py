"""Encoders of single cells, with the published small networks: what each makes of a digit.

Published (arXiv 1811.02840): two strided convolutions of 32 and 64 filters, a dense layer of 64, and the
code; for the BiGAN two convolutions of 32, a generator that begins with a dense layer to maps of 4 x 4 x 32,
and a dense layer of 128 in the discriminator. The rest is our reading: the decoder of the autoencoder is the
BiGAN's generator; learning rates fall by a cosine, since trainings are short (the BiGAN's stays), and the
last weights are kept; digits are altered by turns of up to 15 degrees, zoom and noise, as colours of tissue
mean nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from histopress.core.errors import EncoderError
from histopress.core.fit import fit
from histopress.core.fit_recipe import FitRecipe
from histopress.core.progress import Progress
from histopress.core.run import Run
from histopress.encoders.augment import augment
from histopress.encoders.augment_recipe import AugmentRecipe
from histopress.encoders.bigan import BiganLearner, BiganRecipe
from histopress.encoders.contrastive import ContrastiveLearner, ContrastiveRecipe
from histopress.encoders.encoder import NetworkEncoder, encode, load_saved, save_encoder
from histopress.encoders.networks import StridedConv, StridedConvSettings, draw_weights
from histopress.encoders.tile_batches import Rows, SingleTiles
from histopress.encoders.tile_learner import Augment, TileLearner
from histopress.encoders.unsupervised import METHODS
from histopress.encoders.untrained import mean_rgb, random_weights
from histopress.encoders.vae import VaeLearner, VaeRecipe
from histopress.studies.rectangles import RectanglesRecipe
from histopress.studies.rectangles_cells import TILE, cell_pairs, framed
from histopress.studies.rectangles_digits import CLASSES, Stamps
from histopress.studies.rectangles_grids import SPACING
from histopress.studies.rectangles_recipe import LEARNED, CellEncoder, CellEncoderRecipe

ALTERED = AugmentRecipe(zoom=(0.8, 1.2), angle=(-15.0, 15.0), noise=(0.0, 0.1))
START, GENERATOR = 32, (32, 32)
LOOKS = 10
"""Epochs of a training: the learning rate falls after each."""

SUPERVISED = replace(METHODS["vae"].fit, lr=1e-3)


class DigitLearner(TileLearner):
    """Learns classes of digits; a batch is tiles (batch, tile, tile, 3) uint8 and classes (batch,)."""

    def __init__(self, network: StridedConv, augment: Augment | None = None) -> None:
        super().__init__(network, augment)
        self.answer = nn.Linear(network.dim, CLASSES)

    def losses(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """(batch,) cross-entropy; see `Learner.losses`."""
        tiles, classes = batch
        codes = self.network.codes(self.images(tiles, self.draws(), altered=self.training))
        return functional.cross_entropy(self.answer(codes).float(), classes, reduction="none")


class _Labelled(Dataset[tuple[Tensor, Tensor]]):
    """Stamps with their classes; asked with a list of indices."""

    def __init__(self, stamps: Stamps) -> None:
        self.stamps = stamps

    def __len__(self) -> int:
        return len(self.stamps)

    def __getitem__(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        tiles = framed(self.stamps.pictures[rows])
        return torch.from_numpy(tiles), torch.from_numpy(self.stamps.classes[rows].astype(np.int64))


def network_settings(method: CellEncoder, dim: int) -> StridedConvSettings:
    """The published network of a method."""
    filters, hidden = ((32, 32), ()) if method == "bigan" else ((32, 64), (64,))
    return StridedConvSettings(TILE, 1, filters, hidden, dim, norm_first=method != "bigan")


def cell_encoder(
    method: CellEncoder,
    recipe: CellEncoderRecipe,
    scene: RectanglesRecipe,
    stamps: Stamps,
    folder: Path,
    *,
    seed: int,
    bar: Progress | None = None,
) -> NetworkEncoder:
    """An encoder of tiles of 16 px, trained if it is one that learns.

    Asked twice, it only loads what is there.

    Args:
        method: which.
        recipe: settings.
        scene: of the pictures that cells are taken from.
        stamps: digits of the encoder part.
        folder: for the run of its training.
        seed: of pictures, weights and training.
        bar: told of every epoch.
    """
    if method == "mean-colour":
        return mean_rgb(SPACING, TILE)
    if method == "random":
        return random_weights(seed, network_settings(method, recipe.dim), SPACING)
    if method not in LEARNED:
        known = ", ".join(("mean-colour", "random", *LEARNED))
        raise EncoderError(f"no encoder {method!r} of cells, expected one of {known}")
    inputs = {"method": method, "scene": scene, "stamps": stamps.identity, "seed": seed}
    run = Run.start(folder, recipe, inputs)
    if not run.done:
        learner = cell_learner(method, recipe.dim, seed)
        loader = _loader(method, recipe, scene, stamps, seed)
        fit(learner, loader, None, _fit_recipe(method, seed), folder, bar=bar)
        encoder = NetworkEncoder(learner.encoder_network(), method, SPACING, source="digits of MNIST")
        save_encoder(encoder, folder)
        run.finish()
    return load_saved(folder)


def cell_learner(method: CellEncoder, dim: int, seed: int) -> TileLearner:
    """With fresh weights, the same on every machine for one seed."""
    settings, altered = network_settings(method, dim), partial(augment, recipe=ALTERED)
    with torch.random.fork_rng(devices=[]):
        learner = _learner(method, settings, altered)
    for number, part in enumerate(learner.children()):
        draw_weights(part, int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
    return learner


def _learner(method: CellEncoder, settings: StridedConvSettings, altered: Augment) -> TileLearner:
    if method == "vae":
        return VaeLearner(VaeRecipe(settings, START, GENERATOR), altered)
    if method == "contrastive":
        return ContrastiveLearner(ContrastiveRecipe(settings), altered)
    if method == "bigan":
        return BiganLearner(BiganRecipe(settings, START, GENERATOR, units=(128,)), altered)
    return DigitLearner(StridedConv(settings), altered)


def _loader(
    method: CellEncoder, recipe: CellEncoderRecipe, scene: RectanglesRecipe, stamps: Stamps, seed: int
) -> DataLoader[Any]:
    """Batches of an epoch: a part of all updates, drawn anew each time."""
    count = max(1, recipe.updates // LOOKS) * recipe.batch
    generator = torch.Generator()
    data = _data(method, recipe, scene, stamps, seed)
    order = RandomSampler(data, replacement=True, num_samples=count, generator=generator)
    return DataLoader(
        data, sampler=BatchSampler(order, recipe.batch, drop_last=True), batch_size=None, generator=generator
    )


def _data(
    method: CellEncoder, recipe: CellEncoderRecipe, scene: RectanglesRecipe, stamps: Stamps, seed: int
) -> _Labelled | Rows | SingleTiles:
    """What it learns from; asked with a list of indices."""
    if method == "supervised":
        return _Labelled(stamps)
    pairs = cell_pairs(scene, stamps, recipe.pairs, seed)
    return (Rows if METHODS[method].pairs else SingleTiles)(pairs, np.arange(len(pairs)))


def _fit_recipe(method: CellEncoder, seed: int) -> FitRecipe:
    known = SUPERVISED if method == "supervised" else METHODS[method].fit
    schedule = known.schedule if method == "bigan" else "cosine"
    return replace(known, epochs=LOOKS, patience=LOOKS, schedule=schedule, seed=seed)


def codes_of(encoder: NetworkEncoder, stamps: Stamps) -> NDArray[np.float16]:
    """(stamps, dim) what an encoder makes of each stamp."""
    return encode(encoder, framed(stamps.pictures), device="cpu", batch=256).astype(np.float16)
