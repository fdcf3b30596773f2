"""The study of phantoms: how small or faint may a planted signal be, until heads no longer find it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histopress.core.files import write_whole
from histopress.heads.train_recipe import TrainRecipe
from histopress.studies.phantom_study_recipe import PLANT_AXES, PhantomStudyRecipe
from histopress.studies.sweep import SweepSummary, Trial, run_sweep

if TYPE_CHECKING:
    import pandas as pd

    from histopress.studies.planting_recipe import PlantRecipe

VALUE, SIZE = "test_auroc", "patients"
LINE_AXES = ("head", *PLANT_AXES)
"""Each has a figure of its own where it takes several values."""


def study_phantom(output: Path, recipe: PhantomStudyRecipe) -> SweepSummary:
    """Plant, train and judge every combination; what is done already is not done again.

    Args:
        output: folder for runs, tables, figures and the codes of tiles.
        recipe: settings.

    Raises:
        CohortError: there are too few patients.
        GridError: grids or signal cannot be read, or do not fit.
    """
    from histopress.studies.phantom_study_negatives import gather_material
    from histopress.studies.phantom_study_trial import try_phantom

    material = gather_material(recipe, output)
    work = partial(try_phantom, material=material)
    trials = phantom_trials(recipe, material.identity)
    summary = run_sweep(trials, work, output, processes=recipe.processes, title="phantom")
    if summary.table is not None and len(summary.table):
        write_findings(summary.table, output, recipe, material.notes)
    return summary


def phantom_trials(recipe: PhantomStudyRecipe, identity: str) -> list[Trial]:
    """Every combination, and the controls at the highest ratio; the identity is that of the material."""
    found: list[Trial] = []
    for plant in recipe.plants():
        controls = ["", "permuted"] if recipe.controls and plant.o2i == max(recipe.o2i) else [""]
        for head in recipe.heads:
            for size in recipe.sizes:
                for control in controls:
                    found += _replicated(recipe, identity, plant, head=head, size=size, control=control)
    return found


def _replicated(
    recipe: PhantomStudyRecipe, identity: str, plant: PlantRecipe, *, head: str, size: int, control: str
) -> Iterator[Trial]:
    from histopress.studies.phantom_study_trial import PhantomTrial

    for replicate in range(recipe.replicates):
        settings = PhantomTrial(
            material=identity,
            plant=plant,
            size=size,
            test=recipe.test,
            largest=max(recipe.sizes),
            replicates=recipe.replicates,
            replicate=replicate,
            control=control,
            head=TrainRecipe(
                head=head,
                epochs=recipe.epochs,
                patience=recipe.patience,
                lr=recipe.lr,
                batch=recipe.batch,
                seed=replicate,
            ),
        )
        axes: dict[str, Any] = {"o2i": plant.o2i, SIZE: size, "head": head}
        axes |= {name: getattr(plant, name) for name in PLANT_AXES}
        yield Trial(settings, {**axes, "control": control, "replicate": replicate}, cost=float(size))


def write_findings(
    table: pd.DataFrame, output: Path, recipe: PhantomStudyRecipe, notes: Sequence[str]
) -> None:
    """Figures and `results.md`: AUROC by object-to-image ratio and training size, and along other axes."""
    from histopress.studies.sweep_figures import accuracy_against_o2i, size_against_o2i
    from histopress.studies.sweep_markdown import as_markdown
    from histopress.studies.sweep_tables import panels

    parts = [f"{note}." for note in notes]
    for name, panel in panels(table, ["o2i", SIZE]).items():
        ending = (
            "".join(c if c.isalnum() or c in ".-" else "-" for c in f"-{name}" if c != ",") if name else ""
        )
        accuracy_against_o2i(panel, output / f"auroc{ending}.png", value=VALUE, size=SIZE, title=name)
        size_against_o2i(
            panel,
            output / f"patients{ending}.png",
            threshold=recipe.threshold,
            value=VALUE,
            size=SIZE,
            title=name,
        )
        parts += [f"## {name}"] * bool(name)
        parts.append(as_markdown(panel, "o2i", SIZE, VALUE, words=WORDS))
    _draw_axes(table, output, recipe)
    write_whole(output / "results.md", "\n\n".join(parts) + "\n")


WORDS = {SIZE: "patients to learn from"}


def _draw_axes(table: pd.DataFrame, output: Path, recipe: PhantomStudyRecipe) -> None:
    """AUROC against ratio, a line for each value of another axis, at the largest size and first values."""
    from histopress.studies.sweep_figures import pooling_against_o2i

    first = {"head": recipe.heads[0]} | {name: getattr(recipe, name)[0] for name in PLANT_AXES}
    for axis in LINE_AXES:
        if table[axis].nunique() < 2:
            continue
        shown = table[table[SIZE] == max(recipe.sizes)]
        for other, value in first.items():
            shown = shown if other == axis else shown[shown[other] == value]
        pooling_against_o2i(shown, output / f"auroc-by-{axis}.png", value=VALUE, pooling=axis)
