"""Do intervals hold chance when there is nothing to find? Labels dealt at random, for every kind of target.

    python benchmarks/null_targets.py              # 100 runs of 6 kinds, about 10 minutes
    python benchmarks/null_targets.py --folds 3    # pooled over a cross-validation instead of one test part

Every run has grids and labels of its own that know nothing of each other, trains a head on them, and asks
whether the 95 % interval of the headline holds chance. Of 100 runs at least 93 should. The share is told with
its own interval: even a perfect method gives fewer than 92 in one of ten series.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from measure import Report
from numpy.typing import NDArray
from trials import Trial, arguments, finish, one_fold, try_head

from histopress.core.recipe import digest
from histopress.grids.grid import FeatureGrid
from histopress.heads.train import TrainRecipe
from histopress.metrics.intervals import wilson
from histopress.studies.drawn_grids import Drawing, slide_id

WANTED = 93
PATIENTS, TILES, DIM = 120, 6, 8
RECIPE = TrainRecipe(head="mean", epochs=4, patience=10, batch=32, lr=1e-2, augment=False)
NAME = "null"
TARGETS = {
    "binary": "label:binary",
    "multiclass": "label:multiclass",
    "ordinal": "label:ordinal(a<b<c)",
    "regression": "label:regression",
    "survival": "os:survival(time=months,event=dead)",
    "multilabel": "label:multilabel",
}
CHANCE = {"ordinal": 0.0, "regression": 0.0}
"""Of the headline; 0.5 for the other kinds."""


def draw_grids(random: np.random.Generator) -> dict[str, FeatureGrid]:
    """Small grids of noise."""
    drawing = Drawing(NAME, digest(NAME), DIM, 256, 0.5)
    cells = np.stack(np.divmod(np.arange(TILES), 3), axis=1).astype(np.int32)
    codes = random.standard_normal((PATIENTS, TILES, DIM)).astype(np.float32)
    codes += random.standard_normal((PATIENTS, 1, DIM)).astype(np.float32)
    names = [slide_id(NAME, number) for number in range(PATIENTS)]
    return {n: drawing.grid(n, (2, 3), cells, own) for n, own in zip(names, codes, strict=True)}


def draw_table(kind: str, random: np.random.Generator) -> pd.DataFrame:
    """Labels that know nothing of the grids."""
    names = [slide_id(NAME, number) for number in range(PATIENTS)]
    table = pd.DataFrame({"patient": names, "slide": names})
    turn = random.permutation(PATIENTS)
    if kind == "survival":
        months = random.exponential(20, PATIENTS) + 0.1
        return table.assign(months=np.round(months, 2), dead=random.integers(2, size=PATIENTS))
    values: dict[str, NDArray[Any]] = {
        "binary": np.array(["no", "yes"])[turn % 2],
        "multiclass": np.array(["a", "b", "c"])[turn % 3],
        "ordinal": np.array(["a", "b", "c"])[turn % 3],
        "regression": np.round(random.standard_normal(PATIENTS), 4),
        "multilabel": np.array(["x", "y", "x;y", "-"])[turn % 4],
    }
    return table.assign(label=values[kind])


def covered(trial: Trial, chance: float) -> tuple[bool, float]:
    """Whether the headline's interval holds chance, and the headline; of several targets the first."""
    score = trial.score(str(trial.predictions["target"].iloc[0]))
    return bool(score.low <= chance <= score.high), score.value


def series(kind: str, runs: int, folds: int) -> dict[str, Any]:
    """Many runs of one kind."""
    held, values, start = [], [], time.monotonic()
    for number in range(runs):
        random = np.random.default_rng([number, list(TARGETS).index(kind)])
        grids, table = draw_grids(random), draw_table(kind, random)
        names = list(random.permutation(list(grids)))
        parts = None if folds else one_fold(names[:48], names[48:60], names[60:])
        asked = replace(RECIPE, seed=number, folds=folds or RECIPE.folds)
        holds, value = covered(try_head(grids, table, asked, TARGETS[kind], parts), CHANCE.get(kind, 0.5))
        held.append(holds)
        values.append(value)
    low, high = wilson(float(np.mean(held)), runs, 0.95)
    return {
        "kind": kind,
        "runs": runs,
        "held chance": int(sum(held)),
        "share": round(float(np.mean(held)), 3),
        "low": round(low, 3),
        "high": round(high, 3),
        "mean headline": round(float(np.mean(values)), 4),
        "chance": CHANCE.get(kind, 0.5),
        "seconds": round(time.monotonic() - start),
    }


def measured(given: argparse.Namespace) -> Report:
    runs = 3 if given.quick else given.runs
    rows = []
    for kind in given.kinds.split(","):
        rows.append(series(kind, runs, given.folds))
        print(rows[-1], flush=True)
    headlines = {
        row["kind"]: f"{row['held chance']} of {row['runs']} intervals hold chance"
        + ("" if row["held chance"] >= WANTED / 100 * row["runs"] else f"; wanted {WANTED} of 100")
        for row in rows
    }
    name = "null_targets_folds" if given.folds else "null_targets"
    return Report(name, rows, facts={"recipe": str(RECIPE), "patients": PATIENTS}, headlines=headlines)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--folds", type=int, default=0, help="of a cross-validation; 0 for a fixed split")
    parser.add_argument("--kinds", default=",".join(TARGETS), help="names, by comma")
    given = parser.parse_args()
    finish(measured(given), given)


if __name__ == "__main__":
    main()
