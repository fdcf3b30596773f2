"""Mosaics: slides put together from labelled tiles, some with a focus of the wanted class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from histopress.core.errors import PatchError, RecipeError
from histopress.data.patch_task import Part
from histopress.data.patches import PatchSet

PARTS: tuple[Part, ...] = ("train", "tuning", "test")

GLASS = 243
"""Grey of the glass around the tissue."""

ROUGHNESS = 2.0
"""Cells; the outline of a mosaic is smooth over about this length."""


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
    epochs: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.share <= 1 and 0 < self.tissue <= 1):
            raise RecipeError(
                f"share {self.share} and tissue {self.tissue}, expected shares above 0, at most 1"
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


def lay_out(patches: PatchSet, recipe: MosaicRecipe) -> list[Mosaic]:
    """Draw mosaics, the same for the same seed; with a larger share the same foci have grown.

    Tiles are drawn with replacement: mosaics of a small set must not be more alike than
    those of a large one.

    Args:
        patches: a binary, multiclass or ordinal set; tiles without a label are not laid.
        recipe: settings.

    Raises:
        PatchError: the task has no such classes, or a part lacks tiles of either side.
    """
    wanted = _positive_classes(patches, recipe)
    pools = [_pools(patches, part, wanted) for part in PARTS]
    return [
        _lay(place, number, pools[place], recipe)
        for place, count in enumerate(recipe.slides)
        for number in range(count)
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
    taken: NDArray[np.bool_] = np.arange(len(cells)) == start
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
    place: int, number: int, pools: tuple[NDArray[np.int64], NDArray[np.int64]], recipe: MosaicRecipe
) -> Mosaic:
    """One mosaic of a part; all is drawn for every one, so that settings change what they name alone."""
    random = np.random.default_rng([recipe.seed, place, number])
    cells = outline(recipe.rows, recipe.cols, recipe.tissue, random)
    start, count = int(random.integers(len(cells))), max(1, round(recipe.share * len(cells)))
    negatives, positives = (random.choice(pool, len(cells)) for pool in pools)
    positive = number % 2 == 1
    shown = focus(cells, start, count) if positive and not recipe.control else np.zeros(len(cells), np.bool_)
    return Mosaic(
        name=f"{PARTS[place]}-{number:03d}",
        part=PARTS[place],
        label="positive" if positive else "negative",
        shape=(recipe.rows, recipe.cols),
        cells=cells,
        rows=np.where(shown, positives, negatives),
    )
