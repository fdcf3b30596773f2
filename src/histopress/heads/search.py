"""Looking for better settings in one fold, judged by its tuning part alone.

Optuna proposes, a head is fitted as it would be otherwise, and the lowest tuning loss of its epochs judges.
The first try are the settings of the recipe itself, so that a search never does worse on the tuning part.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from histopress.core.errors import MissingExtraError
from histopress.core.files import write_whole
from histopress.heads.train_recipe import TrainRecipe

SEARCH_FILE = "search.csv"

RANGES: dict[str, tuple[float, float, bool]] = {
    "lr": (1e-4, 3e-2, True),
    "weight_decay": (1e-4, 0.3, True),
    "dropout": (0.0, 0.6, False),
}
"""Setting -> lowest value, highest, and whether it is searched on a logarithmic scale."""


def search(
    recipe: TrainRecipe, loss: Callable[[TrainRecipe, Path], float], folder: Path, seed: int
) -> TrainRecipe:
    """The recipe with the settings that did best on the tuning part of a fold.

    Tries that were done before a stop are read from `search.csv` and not done again.

    Args:
        recipe: to begin with; `recipe.search` tries in all.
        loss: fits a head by a recipe in a folder, and gives its lowest loss on the tuning part.
        folder: of the fold.
        seed: of what is proposed.

    Raises:
        MissingExtraError: Optuna is not installed.
    """
    study, done = _study(seed), _read(folder / SEARCH_FILE)
    study.enqueue_trial({k: min(max(getattr(recipe, k), low), high) for k, (low, high, _) in RANGES.items()})
    for number in range(recipe.search):
        trial = study.ask()
        tried = {k: trial.suggest_float(k, low, high, log=log) for k, (low, high, log) in RANGES.items()}
        if number == len(done):
            work = folder / f"try-{number}"
            done.append({**tried, "tuning": loss(replace(recipe, **tried), work)})
            shutil.rmtree(work, ignore_errors=True)
            _write(folder / SEARCH_FILE, done)
        study.tell(trial, done[number]["tuning"])
    return replace(recipe, **study.best_params)


def _study(seed: int) -> Any:
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError(
            "a search for settings needs Optuna, which is not installed; pip install 'histopress[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed))


def _read(file: Path) -> list[dict[str, float]]:
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]


def _write(file: Path, rows: list[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*RANGES, "tuning"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(file, text.getvalue())
