"""One head over folds on grids that are in memory: for benchmarks and studies, with nothing compressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from histopress.core.progress import Progress
from histopress.data.predictions import read_predictions
from histopress.data.splits import Fold
from histopress.grids.grid import FeatureGrid
from histopress.heads.cases import Cases, dealt
from histopress.heads.targets import make_objective, parse_target, target_columns
from histopress.heads.train import train_folds
from histopress.heads.train_recipe import TrainRecipe, TrainResources


def cases_of(
    grids: Mapping[str, FeatureGrid], table: pd.DataFrame, target: str, recipe: TrainRecipe
) -> Cases:
    """Cases whose grids are named, not stored.

    Args:
        grids: by slide id.
        table: `patient`, `slide`, labels, and where wanted `split` and `site`; a row a slide.
        target: see `heads.targets`.
        recipe: settings.
    """
    targets = parse_target(target)
    table = table.sort_values(["patient", "slide"]).reset_index(drop=True)
    by_patient = table.drop_duplicates("patient").set_index("patient").sort_index()
    labels = by_patient[list(target_columns(targets))]
    names = table["slide"].tolist()
    return Cases(
        slides=table[["patient", "slide"]].assign(grid=names, identity=names, hash=names),
        labels=dealt(labels, recipe),
        parts=by_patient["split"] if "split" in table else None,
        objective=make_objective(targets, labels, recipe.regression_loss),
        header=grids[names[0]],
        sites=by_patient["site"] if "site" in table else None,
        joint=recipe.fusion == "joint",
    )


def try_heads(
    grids: Mapping[str, FeatureGrid],
    table: pd.DataFrame,
    target: str,
    recipe: TrainRecipe,
    folder: Path,
    *,
    folds: Sequence[Fold] | None = None,
    resources: TrainResources | None = None,
    bar: Progress | None = None,
) -> pd.DataFrame:
    """Train one head over folds, as `train` would on stored grids.

    Args:
        grids: by slide id; asked for again and again, so one that makes them anew need not keep them.
        table: see `cases_of`.
        target: see `heads.targets`.
        recipe: settings.
        folder: for the heads; what lies there already is not trained again.
        folds: those of the recipe when not given.
        resources: settings that do not shape the result.
        bar: told of every epoch; without it one is shown.

    Returns:
        A table of predictions, of all parts.
    """
    cases = cases_of(grids, table, target, recipe)
    written = train_folds(
        cases,
        cases.folds(recipe) if folds is None else folds,
        recipe,
        folder,
        lambda path: grids[path.name],
        resources=resources or TrainResources(device="cpu"),
        bar=bar,
    )
    return read_predictions([written])
