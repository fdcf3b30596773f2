"""Which heads find one informative cell in a slide, and how many slides does that take?

    python benchmarks/needles.py                  # what 25 minutes allow
    python benchmarks/needles.py --budget 600     # everything; rows that are there are kept

One cell in 1,000, 10,000 or 100,000 is shifted by 4 standard deviations in 4 of 16 numbers. All heads of a
size are tested on the same slides, and a larger training part holds the smaller ones. Runs go from cheap to
dear, as predicted from those before; what would exceed the budget is left out and listed. The likelihood
ratio (`oracle`) knows the shift: no head can be better.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from measure import HERE, Report
from trials import arguments, finish, interval, one_fold, try_head

from histopress.heads.train import TrainRecipe
from histopress.metrics.intervals import newcombe
from histopress.metrics.scores import auroc
from histopress.studies.needles import LABELS, NeedlesRecipe, needle_grids, oracle

HEADS = ("mean", "max:hidden=32", "topk:hidden=32", "max:channels", "abmil", "cnn")
CELLS = (1_000, 10_000, 100_000)
SLIDES = (50, 150, 500, 2000)
TEST = {1_000: 400, 10_000: 200, 100_000: 100}
RECIPE = TrainRecipe(patience=1000, lr=3e-3, dropout=0.0, augment=True)
EPOCHS = 10
VISITS = {1_000: 3_000, 10_000: 1_500, 100_000: 400}
"""Every slide is seen in at least `EPOCHS` epochs, and all together at least so often."""

FIRST_GUESS = 4e-6
"""s per cell and visit, before anything was measured."""

HELD = 1.5e9
"""Bytes of grids that are kept in memory; larger sets are drawn anew in every epoch."""

PICTURE = HERE.parent / "docs" / "needles.png"
INK = "#22303c"
COLOURS = dict(zip(HEADS, ("#7f7f7f", "#d4a373", "#6a994e", "#7b5ea7", "#c8553d", "#3b8ea5"), strict=True))


@dataclass(frozen=True)
class Plan:
    """One training."""

    head: str
    cells: int
    slides: int

    @property
    def tuning(self) -> int:
        """Slides that tune, of all that are not for testing."""
        return 2 * (self.slides // 10)

    @property
    def epochs(self) -> int:
        """As many that small sets are seen often enough."""
        return max(EPOCHS, round(VISITS[self.cells] / (self.slides - self.tuning)))

    @property
    def work(self) -> float:
        """Cells that are looked at, forwards or backwards."""
        learned = self.epochs * (3 * (self.slides - self.tuning) + self.tuning) / 3
        return self.cells * (learned + (self.slides + TEST[self.cells]) / 3)


def run(plan: Plan, recipe: NeedlesRecipe, epochs: int) -> dict[str, Any]:
    """Train and test a head."""
    tested = TEST[plan.cells]
    grids, table = needle_grids(recipe, tested + plan.slides)
    names = list(grids)
    test, rest = names[:tested], names[tested:]
    folds = one_fold(rest[plan.tuning :], rest[: plan.tuning], test)
    small = len(names) * plan.cells * recipe.dim * 2 < HELD
    asked = replace(RECIPE, head=plan.head, epochs=epochs)
    trial = try_head(dict(grids) if small else grids, table, asked, folds=folds)
    return {
        **asdict(plan),
        "epochs": epochs,
        **interval(trial.score()),
        "seconds": round(trial.seconds, 1),
    }


def best_possible(cells: int, recipe: NeedlesRecipe) -> dict[str, Any]:
    """What the likelihood ratio scores on the test slides."""
    grids, table = needle_grids(recipe, TEST[cells])
    scores = [oracle(recipe, grids[name]) for name in grids]
    positive = (table["label"] == LABELS[1]).to_numpy()
    value = float(auroc(positive, scores)[0])
    low, high = newcombe(value, int(positive.sum()), int((~positive).sum()), 0.95)
    rounded = {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
    return {"head": "oracle", "cells": cells, "slides": 0, "epochs": 0, **rounded, "seconds": 0.0}


class Clock:
    """Predicts how long a run takes, from those before."""

    def __init__(self) -> None:
        self.rates: dict[str, float] = {}

    def learn(self, plan: Plan, seconds: float) -> None:
        """Note how long a run took."""
        self.rates[plan.head] = seconds / plan.work

    def guess(self, plan: Plan) -> float:
        """Seconds, by the last run of the head."""
        known = self.rates.get(plan.head, max([FIRST_GUESS, *self.rates.values()]))
        return known * plan.work


def plans(given: argparse.Namespace) -> list[Plan]:
    """From cheap to dear."""
    heads = given.heads or HEADS
    if given.quick:
        return [Plan(head, 1_000, 50) for head in heads]
    wanted = [Plan(head, cells, slides) for cells in CELLS for slides in SLIDES for head in heads]
    return sorted(wanted, key=lambda plan: (plan.work, plan.head))


def measured(given: argparse.Namespace, known: list[dict[str, Any]]) -> Report:
    """Whatever the budget allows, and what is known already."""
    rows = {(r["head"], r["cells"], r["slides"]): r for r in known}
    clock, absent, start = Clock(), {}, time.monotonic()
    for plan in plans(given):
        key = (plan.head, plan.cells, plan.slides)
        recipe = NeedlesRecipe(cells=plan.cells, dim=16)
        if ("oracle", plan.cells, 0) not in rows:
            rows["oracle", plan.cells, 0] = best_possible(plan.cells, recipe)
        if key in rows:
            clock.learn(plan, rows[key]["seconds"])
            continue
        guess = clock.guess(plan)
        if not given.quick and time.monotonic() - start + guess > given.budget * 60:
            absent[f"{plan.head}, 1 in {plan.cells:,}, {plan.slides} slides"] = (
                f"about {guess / 60:.0f} minutes"
            )
            continue
        rows[key] = run(plan, recipe, 2 if given.quick else plan.epochs)
        clock.learn(plan, rows[key]["seconds"])
        print(rows[key], flush=True)
    ordered = sorted(rows.values(), key=lambda r: (r["cells"], r["slides"], r["head"]))
    return Report("needles", ordered, absent, {"recipe": str(RECIPE)}, _headlines(ordered))


def _headlines(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Each head at its largest number of slides."""
    lines = {}
    for row in rows:
        lines[f"1 in {row['cells']:,}, {row['head']}"] = (
            f"AUROC {row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}] with {row['slides']} slides"
        )
    return lines


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """AUROC against the number of slides, one field a needle."""
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    axes: Any = figure.subplots(1, len(CELLS), sharey=True, squeeze=False)[0]
    for axis, cells in zip(axes, CELLS, strict=True):
        for place, head in enumerate(HEADS):
            own = sorted(
                (r for r in rows if r["cells"] == cells and r["head"] == head), key=lambda r: r["slides"]
            )
            if own:
                _line(axis, own, head, 1 + 0.02 * (place - 2))
        axis.axhline(0.5, color=INK, linewidth=0.6, linestyle=":")
        axis.set_xscale("log", base=10)
        axis.set_xticks(SLIDES, [str(s) for s in SLIDES])
        axis.minorticks_off()
        axis.set_xlim(SLIDES[0] * 0.8, SLIDES[-1] * 1.25)
        axis.set_ylim(0.3, 1.02)
        axis.set_title(f"1 cell in {cells:,}", color=INK, fontsize=11)
        axis.set_xlabel("slides with a label")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("AUROC, unseen slides")
    axes[-1].legend(*axes[0].get_legend_handles_labels(), frameon=False, fontsize=9, loc="upper right")
    figure.savefig(path, dpi=130)


def _line(axis: Any, own: list[dict[str, Any]], head: str, shift: float) -> None:
    value = np.array([r["value"] for r in own])
    limits = [value - [r["low"] for r in own], [r["high"] for r in own] - value]
    x = np.array([r["slides"] for r in own]) * shift
    axis.errorbar(x, value, limits, label=head, color=COLOURS[head], marker="o", markersize=4, linewidth=1.4)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=25, help="minutes")
    parser.add_argument("--heads", nargs="+", help="names, settings behind a colon")
    parser.add_argument("--picture", type=Path, help="docs/needles.png, if not quick")
    given = parser.parse_args()
    stored = (given.results or HERE / "results") / "needles.json"
    known = json.loads(stored.read_text())["rows"] if stored.exists() and not given.quick else []
    report = measured(given, known)
    finish(report, given)
    picture = given.picture or (Path("build/bench/needles.png") if given.quick else PICTURE)
    draw(report.rows, picture)
    print(f"drawn: {picture}")


if __name__ == "__main__":
    main()
