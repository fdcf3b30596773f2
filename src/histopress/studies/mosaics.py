"""How good an encoder is for slides: what a head finds in mosaics of labelled tiles.

Every cell of a mosaic is one labelled tile, so its code is the code of that tile: codes are computed once,
and a grid is put together from them without cutting or encoding anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import EncoderError
from histopress.core.geometry import Lattice, Size, Spacing
from histopress.core.recipe import digest
from histopress.core.run import Run
from histopress.data.patches import PatchSet
from histopress.data.predictions import read_predictions
from histopress.encoders.encoder import EncoderCard
from histopress.grids.grid import FeatureGrid, SlideIdentity
from histopress.heads.train import PREDICTIONS_FILE, TrainRecipe
from histopress.heads.trial import try_heads
from histopress.metrics.cases import answers
from histopress.metrics.evaluate import EvaluateRecipe
from histopress.metrics.results import Score, Sureness, assess
from histopress.studies.mosaic_layout import Mosaic, MosaicRecipe, lay_out, mosaic_picture

__all__ = ["Mosaic", "MosaicRecipe", "MosaicResult", "judge_mosaics", "lay_out", "mosaic_picture"]

TARGET = "label"

REVISION = 3
"""Raised when the same codes and settings give other scores."""


@dataclass(frozen=True)
class MosaicResult:
    """What a head finds in mosaics.

    Attributes:
        score: AUROC of the mosaics of the test part, with its interval over mosaics. They share tiles, so it
            tells of these tiles; for as many patients it would be wider.
        folder: of the run: head, curve and predictions.
    """

    score: Score
    folder: Path


def judge_mosaics(
    codes: NDArray[np.float32], card: EncoderCard, patches: PatchSet, recipe: MosaicRecipe, output: Path
) -> MosaicResult:
    """Train a head on mosaics, with one label each, and score what it says of those of the test part.

    Args:
        codes: (tiles, dim) of all tiles of the set.
        card: of the encoder that made them.
        patches: the set.
        recipe: settings.
        output: folder for the run, which lies in it under its identity; one that is done is not run again.

    Raises:
        EncoderError: codes and tiles do not fit, or codes exceed what grids can hold.
        PatchError: see `lay_out`.
    """
    inputs = {"encoder": card.identity, "patches": patches.identity, "revision": REVISION}
    run = Run.start(output / digest(recipe, inputs), recipe, inputs)
    if not run.done:
        mosaics = lay_out(patches, recipe)
        _train(mosaics, list(_grids(codes, card, patches, mosaics)), recipe, run.folder)
        run.finish()
    return MosaicResult(_score(run.folder / PREDICTIONS_FILE, recipe), run.folder)


def _grids(
    codes: NDArray[np.float32], card: EncoderCard, patches: PatchSet, mosaics: Sequence[Mosaic]
) -> Iterator[FeatureGrid]:
    """The grid of every mosaic, as `compress` would store it."""
    if codes.shape != (len(patches.tiles), card.dim):
        raise EncoderError(
            f"codes {codes.shape} of {len(patches.tiles)} tiles by {card.name}, expected one of {card.dim} "
            "numbers for every tile; encode the whole set"
        )
    with np.errstate(over="ignore"):
        stored = codes.astype(np.float16)
    if not np.isfinite(stored).all():
        raise EncoderError(
            f"codes of {card.name} do not fit float16 (65504), largest {np.abs(codes).max():.3g}; check it"
        )
    side, spacing = patches.tiles.shape[1], Spacing.square(patches.spacing)
    for mosaic in mosaics:
        rows, cols = mosaic.shape
        size = Size(cols * side, rows * side)
        made_of = digest(patches.identity, mosaic.cells.tolist(), mosaic.rows.tolist())
        yield FeatureGrid(
            lattice=Lattice.over(size, spacing, patches.spacing, side),
            slide=SlideIdentity(mosaic.name, size, spacing, made_of),
            encoder=asdict(card),
            identity=digest(card.identity, made_of),
            settings={},
            features=stored[mosaic.rows],
            cells=mosaic.cells,
            tissue=np.ones(len(mosaic.cells), np.float32),
        )


def _train(
    mosaics: Sequence[Mosaic], grids: Sequence[FeatureGrid], recipe: MosaicRecipe, folder: Path
) -> None:
    """One head, as `train` would make it from grids in files."""
    rows = [(m.name, m.name, m.label, str(m.part)) for m in mosaics]
    table = pd.DataFrame(rows, columns=["patient", "slide", TARGET, "split"])
    asked = TrainRecipe(head=recipe.head, epochs=recipe.epochs, seed=recipe.seed)
    try_heads({grid.slide.slide: grid for grid in grids}, table, f"{TARGET}:binary", asked, folder)


def _score(predictions: Path, recipe: MosaicRecipe) -> Score:
    asked = EvaluateRecipe(seed=recipe.seed)
    sureness = Sureness(asked.resamples, asked.seed, asked.confidence)
    told = answers(read_predictions([predictions]), TARGET)
    return assess("mosaics", predictions.name, TARGET, told, sureness).scores[0]
