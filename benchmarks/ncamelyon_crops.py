"""How fast do crops of nCAMELYON come from slides, and from tiles that were written? One thread, warm files.

    python benchmarks/ncamelyon_crops.py [--quick]

Phantom slides with tumours; crops of 128 px at 2 um/px, half of them with a tumour. "by slide" takes them in
the order of the plan; "shuffled" as a training does, so that slides are opened again and again. Rounds are
interleaved; ratios are within a round.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from measure import Cost, Report, interleaved, median, ratio, told
from trials import arguments, finish

from histopress.studies.ncamelyon import CamelyonCrops, ncamelyon
from histopress.studies.ncamelyon_recipe import NcamelyonRecipe
from histopress.studies.ncamelyon_tiles import CamelyonTiles, write_tiles
from histopress.studies.phantom import PhantomRecipe, make_cohort
from histopress.studies.pictures import Pictures

PHANTOMS = PhantomRecipe(slides=6, width=(2800, 3200), height=(2400, 2800), lesion_share=0.03, foci=(3, 6))
QUICK = PhantomRecipe(
    slides=4, width=(1280, 1400), height=(1024, 1100), spacing=1.0, lesion_share=0.03, foci=(3, 6)
)
MOST = 400
"""Crops that are read in a round."""


def cohort(recipe: PhantomRecipe, folder: Path) -> Path:
    """Phantom slides, with the truth about them as annotations; every slide is of one part."""
    path = make_cohort(recipe, folder)
    table = pd.read_csv(path)
    tumour = table["label"] == "tumour"
    table["annotation"] = ("truth/" + table["slide"] + ".lesion.png").where(tumour, "")
    annotated = path.with_name("annotated.csv")
    table.to_csv(annotated, index=False)
    return annotated


def read(pictures: Pictures, rows: Sequence[int]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    for row in rows:
        pictures.draw(row)
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def ways(crops: CamelyonCrops, tiles: CamelyonTiles) -> dict[str, Callable[[], Cost]]:
    random = np.random.default_rng(0)
    shuffled = random.permutation(len(crops))[:MOST].tolist()
    return {
        "slides, by slide": partial(read, crops, sorted(shuffled)),
        "slides, shuffled": partial(read, crops, shuffled),
        "tiles, shuffled": partial(read, tiles, shuffled),
    }


def measured(given: argparse.Namespace) -> Report:
    work = given.work / ("quick" if given.quick else "full")
    table = cohort(QUICK if given.quick else PHANTOMS, work / "phantoms")
    recipe = NcamelyonRecipe(
        cohort=table, plans=work, low=0.005, high=0.6, train=("east", "west"), tuning=(), test=()
    )
    start = time.perf_counter()
    crops = ncamelyon(recipe)
    planning = time.perf_counter() - start
    start = time.perf_counter()
    write_tiles(crops, work / f"tiles-{crops.identity}")
    writing = time.perf_counter() - start
    tasks = ways(crops, CamelyonTiles(work / f"tiles-{crops.identity}" / "train"))
    for task in tasks.values():
        task()
    series, failed = interleaved(tasks, 1 if given.quick else 5)
    count = min(MOST, len(crops))
    rows = [{"way": name, "crops": count, "crops/s": count / median(series[name])} for name in series]
    facts = {
        "planning s": round(planning, 1),
        "writing s": round(writing, 1),
        "slides": len(pd.read_csv(table)),
    }
    headlines = {
        "tiles over slides, shuffled": told(ratio(series, "slides, shuffled", "tiles, shuffled")),
        "by slide over shuffled": told(ratio(series, "slides, shuffled", "slides, by slide")),
    }
    return Report("ncamelyon_crops", rows, failed, facts, headlines)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/bench/ncamelyon"), help="slides and tiles")
    given = parser.parse_args()
    given.work = given.work.resolve()
    finish(measured(given), given)


if __name__ == "__main__":
    main()
