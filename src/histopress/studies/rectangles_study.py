"""The study of rectangles: how small may a lesion be, and which codes show it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from histopress.core.files import write_whole
from histopress.core.recipe import digest
from histopress.studies.rectangles import RectanglesRecipe
from histopress.studies.rectangles_digits import read_stamps
from histopress.studies.rectangles_recipe import CellEncoder, RectanglesStudyRecipe
from histopress.studies.rectangles_trials import (
    BAG_LIMIT,
    CellTrial,
    Control,
    GridTrial,
    learn_cells,
    learn_grids,
)
from histopress.studies.sweep import RUNS, SweepSummary, Trial, run_sweep
from histopress.studies.sweep_tables import panels

TITLE = "rectangles"
SIDE = "lesion side (% of the canvas)"
_OF_LESIONS = ("lesion", "area", SIDE)


def study_rectangles(mnist: Path, output: Path, recipe: RectanglesStudyRecipe) -> SweepSummary:
    """Train all encoders, then heads on grids of each; what is done already is not done again.

    Args:
        mnist: folder of the MNIST files.
        output: folder: `encoders/` and `runs/`, `results.parquet`, `lesions.csv` (a row a trial and lesion),
            `accuracy.md`, and a figure for every training size.
        recipe: settings.

    Returns:
        What became of the heads, with the failures of the encoders.
    """
    content = digest([part.identity for part in read_stamps(mnist, recipe.seed, recipe.digits).values()])
    cells = cell_trials(recipe, content)
    learned = run_sweep(
        cells,
        partial(learn_cells, mnist=mnist),
        output / "encoders",
        processes=recipe.processes,
        title=f"{TITLE}: encoders",
    )
    summary = run_sweep(
        grid_trials(recipe, content),
        partial(learn_grids, mnist=mnist, encoders=output / "encoders" / RUNS),
        output,
        processes=recipe.processes,
        title=TITLE,
    )
    summary.failures.items[:0] = list(learned.failures)
    summary.write()
    if summary.table is not None and len(summary.table):
        told = by_lesion(summary.table, recipe)
        write_whole(output / "lesions.csv", told.to_csv(index=False, lineterminator="\n"))
        draw_lesions(told, output, 1 / recipe.labels)
    return summary


def long_side(recipe: RectanglesStudyRecipe, lesion: float) -> int:
    """Cells: the even number that is nearest to this share of the canvas, at least 4."""
    return max(4, 2 * round(lesion * recipe.side / 2))


def scene_of(recipe: RectanglesStudyRecipe, lesions: tuple[float, ...]) -> RectanglesRecipe:
    """Pictures whose rectangles are as large as one of these, or anything between the ends."""
    longs = [long_side(recipe, lesion) for lesion in lesions]
    return RectanglesRecipe(
        side=recipe.side,
        digits=round(recipe.filled * recipe.side**2),
        labels=recipe.labels,
        shortest=min(longs),
        longest=max(longs),
    )


def cell_trials(recipe: RectanglesStudyRecipe, content: str) -> list[Trial]:
    """Every encoder, and every replicate of it."""
    return [
        Trial(_cells(recipe, content, method, n), {"encoder": method, "replicate": n})
        for n in recipe.numbers
        for method in recipe.encoders
    ]


def _cells(recipe: RectanglesStudyRecipe, content: str, method: CellEncoder, replicate: int) -> CellTrial:
    """One encoder for lesions of all sizes; it learns from pictures with any of them."""
    return CellTrial(
        method,
        scene_of(recipe, recipe.lesions),
        recipe.encoder,
        deal=recipe.seed,
        digits=recipe.digits,
        content=content,
        replicate=replicate,
    )


@dataclass(frozen=True)
class _Cell:
    """One combination of the axes, but for the replicate."""

    method: CellEncoder
    lesions: tuple[float, ...]
    size: int
    control: Control = ""


def grid_trials(recipe: RectanglesStudyRecipe, content: str) -> list[Trial]:
    """Every encoder with every lesion and training size, and the controls, which take the largest of each.

    Labels are permuted for the last encoder that is named, the best one; noise knows no encoder.
    """
    return [_grids(recipe, content, cell, n) for n in recipe.numbers for cell in _combinations(recipe)]


def _combinations(recipe: RectanglesStudyRecipe) -> Iterator[_Cell]:
    lesions = [recipe.lesions] if recipe.mixed else [(lesion,) for lesion in sorted(recipe.lesions)]
    for size in recipe.sizes:
        for own in lesions:
            for method in recipe.encoders:
                yield _Cell(method, own, size)
    if recipe.controls:
        controls: tuple[Control, ...] = ("permuted", "noise")
        for control in controls:
            yield _Cell(recipe.encoders[-1], lesions[-1], max(recipe.sizes), control)


def _grids(recipe: RectanglesStudyRecipe, content: str, cell: _Cell, replicate: int) -> Trial:
    epochs = max(1, round(recipe.visits / cell.size)) if recipe.visits else recipe.head.epochs
    scene = scene_of(recipe, cell.lesions)
    settings = GridTrial(
        cells=_cells(recipe, content, cell.method, replicate),
        scene=scene,
        lesions=tuple(long_side(recipe, lesion) for lesion in cell.lesions) if recipe.mixed else (),
        train=cell.size,
        tuning=recipe.tuning,
        test=recipe.test,
        control=cell.control,
        head=replace(recipe.head, epochs=epochs, seed=replicate),
    )
    axes = {
        "encoder": cell.method,
        **({} if recipe.mixed else {"lesion": scene.longest / recipe.side}),
        "train_size": cell.size,
        "head": recipe.head.head,
        "control": cell.control,
        "replicate": replicate,
    }
    return Trial(settings, axes, cost=float(epochs * cell.size * scene.digits))


def by_lesion(table: pd.DataFrame, recipe: RectanglesStudyRecipe) -> pd.DataFrame:
    """A row a trial and lesion: its long side by that of the canvas, its area by its, and the accuracy."""
    if recipe.mixed:
        parts = []
        for lesion in sorted({long_side(recipe, lesion) for lesion in recipe.lesions}):
            own = table.assign(lesion=lesion / recipe.side, test_accuracy=table[f"accuracy_{lesion}"])
            parts.append(own.assign(pictures=table[f"pictures_{lesion}"]))
        told = pd.concat(parts, ignore_index=True)
        told.attrs["axes"] = [*table.attrs.get("axes", ()), "lesion"]
    else:
        told = table.copy()
    told["area"] = told["lesion"] ** 2 / 2
    return told


def draw_lesions(table: pd.DataFrame, output: Path, chance: float) -> None:
    """Write `accuracy.md`, and for every training size a figure: accuracy against size, a line an encoder.

    Args:
        table: of `by_lesion`.
        output: folder.
        chance: accuracy of guessing.
    """
    from histopress.studies.sweep_lines import lines
    from histopress.studies.sweep_markdown import as_markdown

    shown = table.assign(**{SIDE: (100 * table["lesion"]).round(1)})
    texts = []
    for name, part in panels(shown, [*_OF_LESIONS, "encoder"]).items():
        path = output / (f"accuracy_{name.replace(' ', '_')}.png" if name else "accuracy.png")
        lines(part, SIDE, "test_accuracy", "encoder", path, log_x=True, chance=chance, title=name)
        texts.append((f"{name}\n\n" if name else "") + as_markdown(part, "encoder", SIDE))
    limit = f"Chance is {chance:.3g}; whatever ignores places reaches {BAG_LIMIT:g} at most.\n"
    write_whole(output / "accuracy.md", "\n".join([*texts, limit]))
