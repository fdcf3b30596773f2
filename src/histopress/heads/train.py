"""Cohort + grids + target -> a cross-validated run: a head a fold, and what it says of unseen patients."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from histopress.core.failures import Failures

if TYPE_CHECKING:
    from histopress.data.splits import Fold
    from histopress.heads.cases import Cases

PREDICTIONS_FILE = "predictions.csv"


@dataclass(frozen=True)
class TrainRecipe:
    """Settings of `histopress train`.

    Attributes:
        head: as the catalogue names it: cnn, mean (the baseline) or cnn:published.
        folds: of the cross-validation; a `split` column in the cohort gives one fixed fold instead.
        seed: of the splits and of everything random in training.
        epochs: at most this many passes over the training part.
        patience: stop after this many epochs without a lower loss on the tuning part.
        batch: slides in a batch.
        lr: highest learning rate.
        weight_decay: decoupled for adamw, an L2 penalty for adam.
        optimizer: adamw or adam.
        schedule: of the learning rate: cosine with warm-up, plateau, or constant.
        dropout: of the head, 0 to 1.
        crop: rows and cols of a training window at most; larger tissue is seen window by window.
        augment: mirror and turn every training window at random.
        orientations: for cnn:published, average the 8 orientations of each test window.
        balance: classes count alike by their weight in the loss, or by how often they are drawn.
        regression_loss: huber or mse.
        precision: 32-true or bf16-mixed.
        shuffle_labels: the null control: labels are dealt anew between patients, so nothing can be learned.
        drop_unlabelled: leave out slides without a label, instead of complaining.
    """

    head: str = "cnn"
    folds: int = 5
    seed: int = 0
    epochs: int = 60
    patience: int = 20
    batch: int = 8
    lr: float = 5e-3
    weight_decay: float = 1e-2
    optimizer: Literal["adamw", "adam"] = "adamw"
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    dropout: float = 0.2
    crop: int = 192
    augment: bool = True
    orientations: bool = False
    balance: Literal["loss", "draw"] = "loss"
    regression_loss: Literal["huber", "mse"] = "huber"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    shuffle_labels: bool = False
    drop_unlabelled: bool = False


PUBLISHED = TrainRecipe(
    head="cnn:published",
    folds=4,
    epochs=200,
    patience=40,
    batch=16,
    lr=1e-2,
    weight_decay=2e-5,
    optimizer="adam",
    schedule="plateau",
    orientations=True,
    balance="draw",
    regression_loss="mse",
)
"""How neural image compression was trained (arXiv 1811.02840); epochs and patience follow its later code."""


@dataclass(frozen=True)
class TrainResources:
    """How a training runs; nothing here is meant to change its result, but other devices round differently.

    Attributes:
        cache_gb: memory for grids; what does not fit is read again in every epoch.
        workers: processes that load grids; 0 loads in this one.
        device: auto (a GPU where there is one), cpu or gpu.
    """

    cache_gb: float = 4.0
    workers: int = 0
    device: Literal["auto", "cpu", "gpu"] = "auto"


@dataclass(frozen=True)
class TrainSummary:
    """What came of it.

    Attributes:
        run: the folder.
        predictions: table of predictions.
        target: name of the column.
        kind: binary, multiclass or regression.
        classes: in order; of two the last is the positive one. Empty for regression.
        slides: trained with.
        patients: trained with.
        folds: how many heads there are.
        failures: slides that were left out, and why.
    """

    run: Path
    predictions: Path
    target: str
    kind: str
    classes: tuple[str, ...]
    slides: int
    patients: int
    folds: int
    failures: Failures = field(default_factory=Failures)

    @property
    def text(self) -> str:
        """A few words for people."""
        of = f" ({' < '.join(self.classes)})" if self.kind == "multiclass" else ""
        positive = f", positive class {self.classes[-1]!r}" if self.kind == "binary" else of
        left_out = f"; {len(self.failures)} slides left out, see failures.csv" if len(self.failures) else ""
        return (
            f"{self.target}: {self.kind}{positive}; {self.slides} slides of {self.patients} patients, "
            f"{self.folds} folds{left_out}"
        )


def train(
    cohort: Path,
    grids: Path,
    target: str,
    output: Path,
    recipe: TrainRecipe | None = None,
    *,
    resources: TrainResources | None = None,
) -> TrainSummary:
    """Train one head per fold, and let each answer for the patients that it has never seen.

    The test part of a fold is looked at once, after its head is fixed; scaling, class weights, stopping and
    choosing use the train and tuning parts alone. A run that was stopped goes on where it was; a finished one
    is left as it is.

    Args:
        cohort: table of patients, slides and labels.
        grids: folder that `compress` wrote.
        target: COLUMN or COLUMN:KIND.
        output: folder for the run: `run.json`, `predictions.csv`, `failures.csv`, `encoder/`, and for each
            fold `folds/K/` with head.safetensors, card.json, log.csv, split.csv and predictions.csv.
        recipe: settings.
        resources: settings that do not shape the result.

    Raises:
        CohortError: the table has problems, or too few patients of a class.
        GridError: there are no grids, or they do not belong together.
        HeadError: unknown head, or a target that cannot be learned.
        RunError: the folder holds another run.
    """
    from histopress.core.run import Run
    from histopress.data.cohort import read_cohort
    from histopress.heads.cases import gather
    from histopress.heads.catalogue import head_class
    from histopress.heads.targets import parse_target

    recipe, resources = recipe or TrainRecipe(), resources or TrainResources()
    head_class(recipe.head)
    asked = parse_target(target)
    failures = Failures()
    table = read_cohort(cohort, asked.column, drop_unlabelled=recipe.drop_unlabelled)
    cases = gather(table, grids, asked, recipe, failures)
    folds = cases.folds(recipe)
    run = Run.start(output, recipe, cases.inputs)
    failures.write(output)
    if not run.done:
        _copy_encoder(grids / "encoder", output / "encoder")
        _train_folds(cases, folds, recipe, resources, output)
        run.finish()
    return TrainSummary(
        run=output,
        predictions=output / PREDICTIONS_FILE,
        target=asked.column,
        kind=cases.objective.kind,
        classes=cases.objective.columns,
        slides=len(cases.slides),
        patients=len(cases.labels),
        folds=len(folds),
        failures=failures,
    )


def _train_folds(
    cases: Cases, folds: list[Fold], recipe: TrainRecipe, resources: TrainResources, output: Path
) -> None:
    import pandas as pd

    from histopress.core.progress import progress
    from histopress.data.predictions import read_predictions, write_predictions
    from histopress.grids.batches import GridCache
    from histopress.heads.fold import FoldTraining

    read = GridCache(int(resources.cache_gb * 2**30))
    with progress("train", len(folds) * recipe.epochs, "epochs") as bar:
        done = [
            FoldTraining(cases, fold, recipe, resources, output / "folds" / str(fold.index), read).run(bar)
            for fold in folds
        ]
    tables = [read_predictions([path]) for path in done]
    write_predictions(pd.concat(tables, ignore_index=True), output / PREDICTIONS_FILE)


def _copy_encoder(source: Path, target: Path) -> None:
    """Keep the encoder with the run, so that it can answer for slides; grids from elsewhere have none."""
    if not source.is_dir() or target.exists():
        return
    partial = target.with_name(".encoder.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    partial.rename(target)
