"""Do heads that see layout solve the rectangles task, and do bag heads fail? Both ought to be true.

    python benchmarks/rectangles_heads.py          # small pictures, about 15 minutes
    python benchmarks/rectangles_heads.py --full   # as published: 400 x 400 cells; needs a GPU and hours

Two rectangles of digits lie among random digits; the class of the tilted one is the label. As bags of digits,
pictures of either label have the same law: bag heads can be right in half of the pictures at most (of two
labels: chance), see `studies/rectangles.py`. Small pictures: 32 x 32 cells, 819 digits, rectangles of 12 x 6
cells, of two of ten classes. Intervals: Wilson, over test pictures.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from measure import Report
from trials import Trial, arguments, finish, one_fold, try_head

from histopress.heads.train import TrainRecipe
from histopress.metrics.intervals import wilson
from histopress.studies.rectangles import PUBLISHED, SMALL
from histopress.studies.rectangles_grids import RectangleCodes, rectangle_grids

LAYOUT, BAGS = ("cnn",), ("mean", "max:hidden=32", "abmil")
RECIPE = TrainRecipe(patience=1000, batch=16, lr=4e-3, dropout=0.0)
VISITS = 15_000
"""Pictures that are looked at in a training, all epochs together."""


@dataclass(frozen=True)
class Setting:
    """Which pictures, how many for training, and for testing."""

    codes: RectangleCodes
    train: tuple[int, ...]
    test: int


SMALL_SETTING = Setting(RectangleCodes(SMALL, noise=0.1), (250, 500, 1000, 2000), 1000)
FULL_SETTING = Setting(RectangleCodes(PUBLISHED, dim=16, noise=0.1), (2000, 17_000), 5000)
QUICK_SETTING = Setting(RectangleCodes(SMALL, noise=0.1), (60,), 40)


def accuracy(trial: Trial) -> tuple[float, float, float]:
    """Share of test pictures that are called right, with limits."""
    rows = trial.rows()
    columns = [c for c in rows if str(c).startswith("p:")]
    called = np.array([c.removeprefix("p:") for c in columns])[rows[columns].to_numpy().argmax(axis=1)]
    share = float(np.mean(called == rows["truth"].to_numpy()))
    return share, *wilson(share, len(rows), 0.95)


def run(head: str, setting: Setting, train: int, epochs: int | None) -> dict[str, Any]:
    """One training; every part is the same for all heads."""
    tuning = max(20, train // 5)
    grids, table = rectangle_grids(setting.codes, setting.test + tuning + train)
    names = list(grids)
    test, rest = names[: setting.test], names[setting.test :]
    epochs = epochs or max(5, VISITS // train)
    small = setting.codes.scene.side <= 64
    trial = try_head(
        dict(grids) if small else grids,
        table,
        replace(RECIPE, head=head, epochs=epochs),
        "label:binary" if setting.codes.scene.labels == 2 else "label:multiclass",
        one_fold(rest[tuning:], rest[:tuning], test),
    )
    share, low, high = accuracy(trial)
    return {
        "head": head,
        "sees": "layout" if head.startswith("cnn") else "a bag",
        "pictures": train,
        "accuracy": round(share, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "at most as a bag": 0.5,
        "epochs": epochs,
        "seconds": round(trial.seconds, 1),
    }


def measured(given: argparse.Namespace) -> Report:
    setting = QUICK_SETTING if given.quick else FULL_SETTING if given.full else SMALL_SETTING
    rows = []
    for head in given.heads or (*LAYOUT, *BAGS):
        for train in setting.train if head in LAYOUT else setting.train[-1:]:
            rows.append(run(head, setting, train, 2 if given.quick else None))
            print(rows[-1], flush=True)
    headlines = {
        f"{row['head']}, {row['pictures']} pictures": f"accuracy {row['accuracy']:.3f} "
        f"[{row['low']:.3f}, {row['high']:.3f}]"
        for row in rows
    }
    name = "rectangles_heads_full" if given.full else "rectangles_heads"
    return Report(
        name, rows, facts={"pictures": str(setting.codes), "recipe": str(RECIPE)}, headlines=headlines
    )


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="pictures as published")
    parser.add_argument("--heads", nargs="+", help="names, settings behind a colon")
    given = parser.parse_args()
    finish(measured(given), given)


if __name__ == "__main__":
    main()
