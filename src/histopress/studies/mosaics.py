"""Mosaics: slides put together from labelled tiles, to judge an encoder by what a slide-level head finds.

Every cell of a mosaic is one labelled tile, so its code is the code of that tile: codes are computed once,
and a grid is put together from them without cutting or encoding anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from histopress.core.errors import EncoderError, PatchError, RecipeError
from histopress.core.fit_spawn import Mute
from histopress.core.geometry import Lattice, Size, Spacing
from histopress.core.recipe import digest
from histopress.core.run import Run
from histopress.data.patch_task import Part
from histopress.data.patches import PatchSet
from histopress.data.predictions import read_predictions
from histopress.encoders.encoder import EncoderCard
from histopress.grids.grid import FeatureGrid, SlideIdentity
from histopress.heads.cases import Cases
from histopress.heads.fold import FoldTraining
from histopress.heads.targets import Target, make_objective
from histopress.heads.train import PREDICTIONS_FILE, TrainRecipe, TrainResources
from histopress.metrics.cases import answers
from histopress.metrics.evaluate import EvaluateRecipe
from histopress.metrics.results import Score, Sureness, assess

PARTS: tuple[Part, ...] = ("train", "tuning", "test")
LABELS = ("negative", "positive")
TARGET = "label"

GLASS = 243
"""Grey of the glass around the tissue."""

ROUGHNESS = 2.0
"""Cells; the outline of a mosaic is smooth over about this length."""

REVISION = 1
"""Raised when the same codes and settings give other scores."""


@dataclass(frozen=True)
class MosaicRecipe:
    """How mosaics are laid, and how they are learned from.

    Attributes:
        share: of the cells of a positive mosaic that show a positive class; at least one cell.
        slides: mosaics of the train, tuning and test part; every other one is positive.
        rows: of the lattice.
        cols: of the lattice.
        tissue: share of the lattice that is no glass.
        positive: names of the classes to be found; the last one of a binary task if none is named.
        control: lay negative tiles where the positive ones would be: nothing can be found.
        head: as `train` names it.
        epochs: of the head at most.
        seed: of the mosaics, the head and the interval.
    """

    share: float = 0.1
    slides: tuple[int, int, int] = (48, 16, 48)
    rows: int = 9
    cols: int = 11
    tissue: float = 0.6
    positive: tuple[str, ...] = ()
    control: bool = False
    head: str = "cnn"
    epochs: int = 30
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.share <= 1 and 0 < self.tissue <= 1):
            raise RecipeError(
                f"share {self.share} and tissue {self.tissue}, expected more than 0 and at most 1; correct them"
            )
        if min(self.slides) < 2 or min(self.rows, self.cols) < 1:
            raise RecipeError(
                f"mosaics of {self.rows} x {self.cols} cells, {self.slides} of them in the three parts; "
                "expected a cell and in every part at least 2, one of each label; ask for more"
            )


@dataclass(frozen=True)
class Mosaic:
    """One slide that is put together from tiles.

    Attributes:
        name: unique.
        part: "train", "tuning" or "test"; all its tiles are of this part.
        label: "negative" or "positive".
        shape: (rows, cols) of the lattice.
        cells: (n, 2) int32 row and col of every cell that is no glass, sorted row by row.
        rows: (n,) which tile of the set lies there.
    """

    name: str
    part: Part
    label: Literal["negative", "positive"]
    shape: tuple[int, int]
    cells: NDArray[np.int32]
    rows: NDArray[np.int64]


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


def lay_out(patches: PatchSet, recipe: MosaicRecipe) -> list[Mosaic]:
    """Draw mosaics, the same for the same seed; with a larger share the same foci have grown.

    A mosaic shows no tile twice unless the part has fewer than it needs.

    Args:
        patches: a binary, multiclass or ordinal set; tiles without a label are not laid.
        recipe: settings.

    Raises:
        PatchError: the task has no such classes, or a part lacks tiles of either side.
    """
    wanted = _positive_classes(patches, recipe)
    return [
        _lay(name, part, number % 2 == 1, pools, recipe, np.random.default_rng([recipe.seed, place, number]))
        for place, part in enumerate(PARTS)
        for pools in [_pools(patches, part, wanted)]
        for number in range(recipe.slides[place])
        for name in [f"{part}-{number:03d}"]
    ]


def outline(rows: int, cols: int, tissue: float, random: np.random.Generator) -> NDArray[np.int32]:
    """Cells (n, 2) of an irregular piece of tissue that takes this share of a lattice, sorted row by row."""
    field = ndimage.gaussian_filter(random.standard_normal((rows, cols)), ROUGHNESS)
    from_centre = np.hypot(*np.meshgrid(np.linspace(-1, 1, cols), np.linspace(-1, 1, rows)))
    field -= 0.9 * from_centre * field.std()
    return np.argwhere(field >= np.quantile(field, 1 - tissue)).astype(np.int32)


def focus(cells: NDArray[np.int32], start: int, count: int) -> NDArray[np.bool_]:
    """A focus that grows through the tissue, cell by cell, and stays as near to its start as it can.

    Args:
        cells: (n, 2) row and col of the tissue.
        start: which cell it grows from.
        count: of cells that it takes, 1 to n.

    Returns:
        (n,) True in the focus: one piece, unless the piece of tissue around the start is too small.
    """
    steps = np.abs(cells[:, None] - cells[None]).sum(axis=2)
    taken = np.arange(len(cells)) == start
    while taken.sum() < count:
        free = ~taken
        beside = free & (steps[:, taken] == 1).any(axis=1)
        choice = np.flatnonzero(beside if beside.any() else free)
        taken[choice[steps[start, choice].argmin()]] = True
    return taken


def mosaic_picture(patches: PatchSet, mosaic: Mosaic) -> NDArray[np.uint8]:
    """What a mosaic looks like: (height, width, 3) RGB at the spacing of the tiles, on white glass."""
    side = patches.tiles.shape[1]
    rows, cols = mosaic.shape
    picture = np.full((rows, side, cols, side, 3), GLASS, np.uint8)
    for (row, col), tile in zip(mosaic.cells, mosaic.rows, strict=True):
        picture[row, :, col] = patches.tiles[tile]
    return picture.reshape(rows * side, cols * side, 3)


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


def _positive_classes(patches: PatchSet, recipe: MosaicRecipe) -> list[int]:
    """Numbers of the classes that are to be found."""
    task = patches.task
    if task.kind in ("multilabel", "regression"):
        raise PatchError(
            f"task {task.name!r} is of kind {task.kind}, expected tiles of one class each; "
            "mosaics need a binary, multiclass or ordinal task"
        )
    named = recipe.positive or (task.classes[-1:] if task.kind == "binary" else ())
    unknown = sorted(set(named) - set(task.classes))
    if unknown or not 0 < len(set(named)) < len(task.classes):
        raise PatchError(
            f"positive classes of task {task.name!r} are {', '.join(named) or 'not named'}, expected some, "
            f"but not all, of {', '.join(task.classes)}; name them in `positive`"
        )
    return [task.classes.index(name) for name in named]


def _pools(
    patches: PatchSet, part: Part, wanted: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The negative and the positive tiles of a part."""
    rows = patches.rows(part)
    rows = rows[~np.isnan(patches.targets[rows])]
    found = np.isin(patches.targets[rows], wanted)
    negative, positive = rows[~found], rows[found]
    if not len(negative) or not len(positive):
        raise PatchError(
            f"task {patches.task.name!r} has {len(negative)} negative and {len(positive)} positive tiles in "
            f"its {part} part, expected some of both; name other classes, or look at `split`"
        )
    return negative, positive


def _lay(
    name: str,
    part: Part,
    positive: bool,
    pools: tuple[NDArray[np.int64], NDArray[np.int64]],
    recipe: MosaicRecipe,
    random: np.random.Generator,
) -> Mosaic:
    negatives, positives = (random.permutation(pool) for pool in pools)
    cells = outline(recipe.rows, recipe.cols, recipe.tissue, random)
    rows = np.resize(negatives, len(cells))
    random.shuffle(rows)
    start, count = int(random.integers(len(cells))), max(1, round(recipe.share * len(cells)))
    if positive and not recipe.control:
        rows[focus(cells, start, count)] = np.resize(positives, count)
    return Mosaic(name, part, "positive" if positive else "negative", (recipe.rows, recipe.cols), cells, rows)


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
    known = {grid.slide.slide: grid for grid in grids}
    slides = [(m.name, m.name, m.name, known[m.name].identity) for m in mosaics]
    labels = pd.Series({m.name: m.label for m in mosaics}, name=TARGET).sort_index()
    parts = pd.Series({m.name: str(m.part) for m in mosaics}).sort_index()
    table = pd.DataFrame(slides, columns=["patient", "slide", "grid", "identity"]).sort_values("patient")
    objective = make_objective(Target(TARGET, "binary"), labels.tolist())
    cases = Cases(table.reset_index(drop=True), labels, parts, objective, grids[0])
    asked = TrainRecipe(head=recipe.head, epochs=recipe.epochs, seed=recipe.seed)
    (fold,) = cases.folds(asked)
    here = TrainResources(device="cpu")
    FoldTraining(cases, fold, asked, here, folder, lambda path: known[path.name]).run(Mute())


def _score(predictions: Path, recipe: MosaicRecipe) -> Score:
    asked = EvaluateRecipe(seed=recipe.seed)
    sureness = Sureness(asked.resamples, asked.seed, asked.confidence)
    told = answers(read_predictions([predictions]), TARGET)
    return assess("mosaics", predictions.name, TARGET, told, sureness).scores[0]
