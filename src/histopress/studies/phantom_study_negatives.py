"""What the study of phantoms plants into, and what it plants: grids, tiles or noise, and a signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histopress.core.errors import CohortError, RecipeError
from histopress.core.files import whole
from histopress.core.recipe import digest
from histopress.data.cohort import read_cohort
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import Encoder, encode
from histopress.grids.grid import FeatureGrid
from histopress.studies.phantom_study_recipe import PHANTOM, PhantomStudyRecipe
from histopress.studies.planting_ground import Ground, measure
from histopress.studies.planting_load import load_signal
from histopress.studies.planting_negatives import StoredGrids, drawn_negatives, mosaic_negatives
from histopress.studies.planting_signal import Signal, TileSignal

PHANTOM_TILES = 600
"""Of drawn tissue, with tumour and without, each."""


@dataclass(frozen=True, eq=False)
class Material:
    """Negative slides and a signal, all that trials share; travels to other processes.

    Attributes:
        grids: without the signal, by slide id.
        table: `patient` and `slide`, a row a slide.
        patients: ids in a fixed order that is drawn; the first ones test.
        ground: what the cells are like.
        signal: what is planted.
        identity: digest of all of it.
        notes: what people should know.
    """

    grids: Mapping[str, FeatureGrid]
    table: pd.DataFrame
    patients: tuple[str, ...]
    ground: Ground
    signal: Signal
    identity: str
    notes: tuple[str, ...] = ()

    def drawn(self, size: int, replicate: int, replicates: int, largest: int, test: int) -> tuple[str, ...]:
        """Patients to train and tune with; larger numbers hold the smaller ones.

        Replicates have no patient in common where there are enough.
        """
        pool = self.patients[test:]
        if len(pool) >= replicates * largest:
            return pool[replicate * largest :][:size]
        return tuple(str(p) for p in np.random.default_rng([replicate, len(pool)]).permutation(pool)[:size])


def gather_material(recipe: PhantomStudyRecipe, output: Path) -> Material:
    """Read, draw or encode what a study needs; codes of tiles are kept in its folder.

    Raises:
        CohortError: there are too few patients.
    """
    if recipe.grids is not None:
        return _of_grids(recipe, recipe.grids)
    return _of_tiles(recipe, output / "codes") if recipe.tiles else _of_noise(recipe)


def _of_noise(recipe: PhantomStudyRecipe) -> Material:
    count = recipe.test + recipe.replicates * max(recipe.sizes)
    grids, table = drawn_negatives(count, recipe.cells, recipe.dim, recipe.seed)
    signal = load_signal(recipe.signal, seed=recipe.seed)
    identity = digest("noise", recipe.cells, recipe.dim, recipe.seed, signal.identity)
    return Material(grids, table, tuple(table["patient"]), measure(grids), signal, identity)


def _of_grids(recipe: PhantomStudyRecipe, folder: Path) -> Material:
    grids = StoredGrids.of(folder)
    rows = pd.DataFrame({"patient": grids.slides, "slide": grids.slides})
    if recipe.cohort is not None:
        whole_table = read_cohort(recipe.cohort).table
        rows = whole_table[whole_table["slide"].isin(grids.slides)][["patient", "slide"]]
    patients = sorted(set(rows["patient"].astype(str)))
    needed = recipe.test + max(recipe.sizes)
    if len(patients) < needed:
        raise CohortError(
            str(folder),
            [
                f"{len(patients)} patients with grids, expected {needed}: {recipe.test} to test with, "
                f"{max(recipe.sizes)} to learn from; lower test or sizes"
            ],
        )
    order = np.random.default_rng([recipe.seed, len(patients)]).permutation(patients)
    signal = load_signal(recipe.signal, folder, seed=recipe.seed)
    held = [grids[slide].identity for slide in rows["slide"]]
    return Material(
        grids,
        rows,
        tuple(map(str, order)),
        measure(grids, rows["slide"]),
        signal,
        digest("grids", rows.to_numpy().tolist(), held, order.tolist(), signal.identity),
        () if recipe.cohort else ("each slide is taken as a patient of its own",),
    )


def _of_tiles(recipe: PhantomStudyRecipe, codes: Path) -> Material:
    encoder = load_encoder(recipe.encoder)
    negative, signal = _banks(recipe, codes, encoder)
    count = recipe.test + recipe.replicates * max(recipe.sizes)
    grids, table = mosaic_negatives(negative, count, recipe.cells, recipe.seed, apart=recipe.test)
    notes = [f"{len(negative.codes)} tiles without the signal and {signal.parts or 'no'} with it"]
    if len(negative.codes) < 2 * count:
        notes.append("slides share negative tiles, but none of the test part with the training part")
    identity = digest("tiles", negative.identity, signal.identity, recipe.cells, recipe.seed)
    return Material(grids, table, tuple(table["patient"]), measure(grids), signal, identity, tuple(notes))


def _banks(recipe: PhantomStudyRecipe, codes: Path, encoder: Encoder) -> tuple[TileSignal, Signal]:
    """Codes of tiles without and with the signal."""
    if recipe.tiles == PHANTOM:
        return _phantom_banks(recipe, codes, encoder)
    from histopress.studies.planting_tiles import encoded_tiles

    negative = encoded_tiles(Path(recipe.tiles), encoder)
    if Path(recipe.signal).is_dir():
        return negative, encoded_tiles(Path(recipe.signal), encoder)
    signal = load_signal(recipe.signal, seed=recipe.seed)
    if isinstance(signal, TileSignal) and signal.codes.shape[1] != encoder.card.dim:
        raise RecipeError(
            f"codes of {recipe.signal} have {signal.codes.shape[1]} numbers, {encoder.card.name} gives "
            f"{encoder.card.dim}; name the encoder that made them"
        )
    return negative, signal


def _phantom_banks(
    recipe: PhantomStudyRecipe, codes: Path, encoder: Encoder
) -> tuple[TileSignal, TileSignal]:
    from histopress.studies.planting_phantom import phantom_tiles

    card = encoder.card
    path = codes / f"{digest(PHANTOM, PHANTOM_TILES, card.identity, recipe.seed)}.npz"
    if not path.exists():
        drawn = phantom_tiles(PHANTOM_TILES, card.tile, card.spacing, recipe.seed)
        _keep(path, *(encode(encoder, tiles) for tiles in drawn))
    with np.load(path) as kept:
        return TileSignal(kept["negative"], card.identity), TileSignal(kept["signal"], card.identity)


def _keep(path: Path, negative: NDArray[np.float32], signal: NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial, partial.open("wb") as file:
        np.savez(file, negative=negative, signal=signal)
