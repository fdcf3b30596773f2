"""Cohort + grids + target -> a cross-validated run: heads, and what they say of unseen patients."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.failures import Failures
from histopress.heads.train_recipe import PUBLISHED, TrainRecipe, TrainResources

if TYPE_CHECKING:
    from histopress.core.progress import Progress
    from histopress.data.splits import Fold
    from histopress.grids.batches import Read
    from histopress.heads.cases import Cases
    from histopress.heads.objectives import Objective

__all__ = [
    "PREDICTIONS_FILE",
    "PUBLISHED",
    "TrainRecipe",
    "TrainResources",
    "TrainSummary",
    "train",
    "train_several",
]

PREDICTIONS_FILE = "predictions.csv"
MODEL_FILE = "model.safetensors"

Tell = Callable[[str], None]
"""Is told, in words, what is about to happen."""


@dataclass(frozen=True)
class TrainSummary:
    """What came of it.

    Attributes:
        run: the folder.
        predictions: table of predictions.
        grids: folder of the grids that it learned from.
        head: as it was asked for.
        objective: what was learned.
        slides: trained with.
        patients: trained with.
        folds: how many there are.
        heads: how many were trained.
        failures: slides that were left out, and why.
        warnings: what the search for leaks found.
    """

    run: Path
    predictions: Path
    grids: Path
    head: str
    objective: Objective
    slides: int
    patients: int
    folds: int
    heads: int
    failures: Failures = field(default_factory=Failures)
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """A few words for people."""
        left_out = f"; {len(self.failures)} slides left out, see failures.csv" if len(self.failures) else ""
        heads = f", {self.heads} heads" if self.heads != self.folds else ""
        told = "; ".join(_words(part) for part in self.objective.parts)
        lines = (
            f"{told}; {self.slides} slides of {self.patients} patients, {self.folds} folds{heads}{left_out}"
        )
        return "\n".join([lines, *self.warnings])


def _words(objective: Objective) -> str:
    """What is learned of one target."""
    classes = [name.removeprefix("p:") for name in objective.values if name.startswith("p:")]
    if objective.kind == "binary":
        return f"{objective.target}: binary, positive class {classes[-1]!r}"
    return f"{objective.target}: {objective.kind}" + (f" ({' < '.join(classes)})" if classes else "")


def train(
    cohort: Path,
    grids: Path,
    target: str,
    output: Path,
    recipe: TrainRecipe | None = None,
    *,
    resources: TrainResources | None = None,
    tell: Tell | None = None,
) -> TrainSummary:
    """Train heads for every fold, and let each answer for the patients that it has never seen.

    The test part of a fold is looked at once, after its head is fixed; scaling, class weights, stopping,
    searching and choosing use the train and tuning parts alone. A run that was stopped goes on where it was;
    a finished one is left as it is.

    Args:
        cohort: table of patients, slides and labels.
        grids: folder that `compress` wrote.
        target: COLUMN, COLUMN:KIND or COLUMN:KIND(options), several with commas between; see `targets`.
        output: folder for the run: `run.json`, `predictions.csv`, `failures.csv`, `flow.csv`, `leakage.json`,
            `encoder/`, `model.safetensors` (all that `predict` needs), and for each head `folds/K/` with
            head.safetensors, card.json, log.csv, split.csv and predictions.csv.
        recipe: settings.
        resources: settings that do not shape the result.
        tell: hears what time and memory to expect.

    Raises:
        CohortError: the table has problems, or too few patients of a class.
        GridError: there are no grids, or they do not belong together.
        HeadError: unknown head, or a target that cannot be learned.
        RunError: the folder holds another run.
    """
    recipe, resources = recipe or TrainRecipe(), resources or TrainResources()
    prepared = _prepared(cohort, grids, target, recipe)
    return _trained(prepared, output, recipe, resources, tell or _silent)


def train_several(
    cohort: Path,
    grids: Path,
    target: str,
    output: Path,
    recipe: TrainRecipe,
    *,
    heads: Sequence[str] = (),
    encoders: Sequence[str] = (),
    resources: TrainResources | None = None,
    tell: Tell | None = None,
) -> list[TrainSummary]:
    """Train several heads, on grids of several encoders, over the same folds of the same patients.

    Slides that lack a grid of one of the encoders are left out for all.

    Args:
        cohort: see `train`.
        grids: folder that `compress` wrote; with encoders, the folder in which each has one of its name.
        target: see `train`.
        output: a run lies in `output/HEAD`, with encoders in `output/ENCODER/HEAD`.
        recipe: settings of all.
        heads: to compare; the recipe's without.
        encoders: folders below `grids`; none where `grids` holds the grids itself.
        resources: see `train`.
        tell: see `train`.

    Raises:
        HistopressError: see `train`.
    """
    resources = resources or TrainResources()
    recipes = [replace(recipe, head=head) for head in heads or [recipe.head]]
    prepared = {name: _prepared(cohort, grids / name, target, recipe) for name in encoders or [""]}
    shared = set.intersection(*(set(own.cases.slides["slide"]) for own in prepared.values()))
    done = []
    for name, own in prepared.items():
        fair = replace(own, cases=own.cases.only(shared))
        for one in recipes:
            folder = output / name / re.sub(r"[^\w.]+", "-", one.head)
            done.append(_trained(fair, folder, one, resources, tell or _silent))
    return done


@dataclass(frozen=True)
class _Prepared:
    """The cases of a cohort, the slides that cannot be used, and where the grids lie."""

    cases: Cases
    failures: Failures
    grids: Path


def _silent(_: str) -> None:
    pass


def _prepared(cohort: Path, grids: Path, target: str, recipe: TrainRecipe) -> _Prepared:
    from histopress.data.cohort import read_cohort
    from histopress.heads.cases import gather
    from histopress.heads.head_name import parse_head
    from histopress.heads.targets import parse_target, target_groups

    parse_head(recipe.head)
    targets, failures = parse_target(target), Failures()
    table = read_cohort(cohort, target_groups(targets), drop_unlabelled=recipe.drop_unlabelled)
    return _Prepared(gather(table, grids, targets, recipe, failures), failures, grids)


def _trained(
    prepared: _Prepared, output: Path, recipe: TrainRecipe, resources: TrainResources, tell: Tell
) -> TrainSummary:
    """One head over all folds; nothing is done for a run that is done."""
    from histopress.core.run import Run
    from histopress.grids.batches import GridCache
    from histopress.heads.leakage import leakage
    from histopress.heads.model_file import write_model

    cases, failures = prepared.cases, prepared.failures
    folds = cases.folds(recipe)
    run = Run.start(output, recipe, cases.inputs)
    failures.write(output)
    cases.flow.write(output)
    read = GridCache(int(resources.cache_gb * 2**30))
    found = leakage(cases, folds, read, output)
    if not run.done:
        _copy_encoder(prepared.grids / "encoder", output / "encoder")
        train_folds(cases, folds, recipe, output, read, resources=resources, tell=tell)
        write_model(output, output / MODEL_FILE)
        run.finish()
    return TrainSummary(
        run=output,
        predictions=output / PREDICTIONS_FILE,
        grids=prepared.grids,
        head=recipe.head,
        objective=cases.objective,
        slides=len(cases.slides),
        patients=len(cases.labels),
        folds=len(folds),
        heads=len(folds) * recipe.seeds,
        failures=failures,
        warnings=found,
    )


def _copy_encoder(source: Path, target: Path) -> None:
    """Keep the encoder with the run, so that it can answer for slides; grids from elsewhere have none."""
    if not source.is_dir() or target.exists():
        return
    partial = target.with_name(".encoder.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    partial.rename(target)


def train_folds(
    cases: Cases,
    folds: Sequence[Fold],
    recipe: TrainRecipe,
    output: Path,
    read: Read,
    *,
    resources: TrainResources,
    tell: Tell = _silent,
    bar: Progress | None = None,
) -> Path:
    """Train the heads of all folds; returns the table of what they say.

    `bar` is told of every epoch; without it one is shown.
    """
    import pandas as pd

    from histopress.core.progress import progress
    from histopress.data.predictions import read_predictions, write_predictions
    from histopress.heads.budget import budget
    from histopress.heads.fold import FoldTraining

    trainings = [
        FoldTraining(
            cases, fold, recipe, resources, output / "folds" / _folder(fold.index, n, recipe), read, n
        )
        for fold in folds
        for n in range(recipe.seeds)
    ]
    tell(budget(trainings).text)
    shown = nullcontext(bar) if bar else progress("train", len(trainings) * recipe.epochs, "epochs")
    with shown as told:
        done = [training.run(told) for training in trainings]
    tables = [read_predictions([path]) for path in done]
    write_predictions(pd.concat(tables, ignore_index=True), output / PREDICTIONS_FILE)
    return output / PREDICTIONS_FILE


def _folder(fold: int, replicate: int, recipe: TrainRecipe) -> str:
    return f"{fold}-seed-{replicate}" if recipe.seeds > 1 else str(fold)
