"""What the benchmarks of heads share: one call that trains a head on grids in memory, and what it scored."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from measure import HERE, Report

from histopress.data.splits import Fold
from histopress.grids.grid import FeatureGrid
from histopress.heads.train import TrainRecipe
from histopress.metrics.cases import answers
from histopress.metrics.results import Score, Sureness, assess

RESAMPLES = 1000


@dataclass(frozen=True)
class Trial:
    """A head, trained over the folds, and what it said.

    Attributes:
        predictions: the table, see `data/predictions.py`.
        seconds: of training and answering, all folds.
    """

    predictions: pd.DataFrame
    seconds: float

    def score(self, target: str = "label") -> Score:
        """The headline of the test part, with its 95 % interval over patients."""
        sureness = Sureness(RESAMPLES, 0, 0.95)
        return assess("trial", "memory", target, answers(self.predictions, target), sureness).scores[0]

    def rows(self, part: str = "test") -> pd.DataFrame:
        """One row a patient and fold."""
        table = self.predictions
        return table[(table["part"] == part) & (table["level"] == "patient")]


def try_head(
    grids: Mapping[str, FeatureGrid],
    table: pd.DataFrame,
    recipe: TrainRecipe,
    target: str = "label",
    folds: list[Fold] | None = None,
) -> Trial:
    """Train the head of a recipe through the public interface, in a folder that is thrown away.

    Args:
        grids: by slide id.
        table: `patient`, `slide`, labels.
        recipe: settings.
        target: as `histopress train --target` takes it.
        folds: who trains, tunes and tests; drawn by the recipe if not given.
    """
    from histopress.heads.trial import try_heads

    with tempfile.TemporaryDirectory(prefix="histopress-trial-") as folder:
        start = time.monotonic()
        predictions = try_heads(grids, table, target, recipe, Path(folder), folds=folds)
        return Trial(predictions, time.monotonic() - start)


def one_fold(train: Sequence[str], tuning: Sequence[str], test: Sequence[str]) -> list[Fold]:
    """A fixed split."""
    return [Fold(0, tuple(sorted(train)), tuple(sorted(tuning)), tuple(sorted(test)))]


def interval(score: Score) -> dict[str, Any]:
    """A score as columns of a result."""
    limits = {"value": score.value, "low": score.low, "high": score.high}
    return {name: round(float(number), 4) for name, number in limits.items()}


def arguments(description: str) -> argparse.ArgumentParser:
    """The flags that the benchmarks of heads share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="little work: does everything run?")
    parser.add_argument("--results", type=Path, help="folder for JSON; benchmarks/results, if not quick")
    return parser


def finish(report: Report, given: argparse.Namespace) -> None:
    """Print and save."""
    report.show()
    for name, text in report.headlines.items():
        print(f"{name}: {text}")
    folder = given.results or (Path("build/bench/results") if given.quick else HERE / "results")
    print(f"written: {report.save(folder)}", flush=True)
