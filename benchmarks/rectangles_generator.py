"""How many pictures of the rectangles task are drawn as grids in a second?

    python benchmarks/rectangles_generator.py --mnist DIR          # the folder of the MNIST files

At the published size (25,920 digits on 400 x 400 cells) and that of the study's default. A scene is where
the digits lie; a grid gathers the codes of its stamps, of 16 numbers; a picture is painted in pixels. One
process, which is how workers of a loader draw too; medians of rounds in turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report
from trials import arguments, finish

from histopress.studies.rectangles import PUBLISHED, SMALL, RectanglesRecipe, draw_scene
from histopress.studies.rectangles_digits import Stamps, read_stamps
from histopress.studies.rectangles_picture import scene_picture
from histopress.studies.rectangles_stamped import CodeBook, StampedGrids

DIM = 16
IMAGES = 50_000
SIZES = {"published": PUBLISHED, "small": SMALL}


def makers(recipe: RectanglesRecipe, stamps: Stamps) -> dict[str, Callable[[int], Any]]:
    """What is made of a number."""
    codes = np.random.default_rng(0).standard_normal((len(stamps), DIM)).astype(np.float16)
    grids = StampedGrids("train", recipe, 0, CodeBook(codes, stamps.counts, "drawn"))
    return {
        "scene": grids.scene_of,
        "grid": grids,
        "picture": lambda index: scene_picture(draw_scene(recipe, 0, index), stamps),
    }


def rate(make: Callable[[int], Any], seconds: float) -> float:
    """How many a second, over about so many seconds."""
    make(0)
    start, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        make(count)
        count += 1
    return count / passed


def measured(given: argparse.Namespace) -> Report:
    stamps = read_stamps(given.mnist)["train"]
    rounds, seconds = (1, 0.2) if given.quick else (5, 2.0)
    tasks = {(size, kind): make for size, r in SIZES.items() for kind, make in makers(r, stamps).items()}
    found = [{key: rate(make, seconds) for key, make in tasks.items()} for _ in range(rounds)]
    rows = []
    for size, kind in tasks:
        rates = [own[size, kind] for own in found]
        middle = statistics.median(rates)
        told = {"a second": round(middle, 1), "low": round(min(rates), 1), "high": round(max(rates), 1)}
        minutes = round(IMAGES / middle / 60, 1)
        rows.append({"size": size, "made": kind, **told, f"minutes for {IMAGES}": minutes})
    grids = next(row for row in rows if (row["size"], row["made"]) == ("published", "grid"))
    words = (
        f"{grids['a second']} a second, {grids[f'minutes for {IMAGES}']} min for {IMAGES:,} with one process"
    )
    return Report("rectangles_generator", rows, headlines={"grids of the published size": words})


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, required=True, help="folder of the MNIST files")
    given = parser.parse_args()
    finish(measured(given), given)


if __name__ == "__main__":
    main()
