"""How long does an epoch take on slides of 20,000 cells, and how much memory, when grids do not fit into it?

    python benchmarks/head_training.py                 # 1,000 slides of 20,000 cells x 128, about 25 minutes
    python benchmarks/head_training.py --slides 200    # a fifth of it

Grids are drawn once for a few slides and stored; the others are links to them, so that every slide is a file
that is opened and unpacked as any other. Heads are trained by `histopress train`'s own function, with a cache
that holds a fifth of the grids. Seconds of an epoch are those of the second one, by the log of the training.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measure import Report
from trials import arguments, finish

from histopress.core.geometry import Lattice, Size, Spacing
from histopress.grids.grid import FeatureGrid, SlideIdentity
from histopress.grids.store import write_grid
from histopress.heads.train import TrainRecipe, TrainResources, train

HEADS = ("mean", "max:channels", "abmil", "cnn")
SIDE, TISSUE = 188, 20_000
DIM = 128
DRAWN = 50
TUNING, TEST = 20, 10


def draw_grid(number: int) -> FeatureGrid:
    """Noise on 20,000 cells."""
    random = np.random.default_rng(number)
    places = np.sort(random.choice(SIDE * SIDE, TISSUE, replace=False))
    return FeatureGrid(
        lattice=Lattice(256.0, 256.0, SIDE, SIDE, spacing=0.5, tile=256),
        slide=SlideIdentity(
            f"slide-{number:05d}", Size(SIDE * 256, SIDE * 256), Spacing(0.5, 0.5), f"{number}"
        ),
        encoder={"identity": "noise", "name": "noise", "spacing": 0.5, "tile": 256, "dim": DIM},
        identity=f"noise-{number}",
        settings={},
        features=random.standard_normal((TISSUE, DIM)).astype(np.float16),
        cells=np.stack(np.divmod(places, SIDE), axis=1).astype(np.int32),
        tissue=np.ones(TISSUE, np.float32),
    )


def make_cohort(folder: Path, slides: int) -> Path:
    """Stored grids and their table, with a split."""
    grids = folder / "grids"
    grids.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(slides + TUNING + TEST):
        path = grids / f"slide-{number:05d}.grid.zarr.zip"
        if not path.exists():
            if number < DRAWN:
                write_grid(path, draw_grid(number))
            else:
                os.link(grids / f"slide-{number % DRAWN:05d}.grid.zarr.zip", path)
        part = "train" if number < slides else "tuning" if number < slides + TUNING else "test"
        rows.append((f"p{number}", f"slide-{number:05d}", ("no", "yes")[number % 2], part))
    table = folder / "cohort.csv"
    pd.DataFrame(rows, columns=["patient", "slide", "label", "split"]).to_csv(table, index=False)
    return table


def measure(folder: Path, table: Path, head: str, slides: int) -> dict[str, Any]:
    """Train two epochs, in this process."""
    run = folder / f"run-{head}-{slides}"
    size = (slides + TUNING + TEST) * TISSUE * DIM * 2 / 2**30
    recipe = TrainRecipe(head=head, epochs=2, patience=2)
    start, told = time.perf_counter(), []
    train(
        table, folder / "grids", "label", run, recipe,
        resources=TrainResources(cache_gb=size / 5, device="cpu"), tell=told.append,
    )  # fmt: skip
    log = pd.read_csv(run / "folds" / "0" / "log.csv")
    return {
        "head": head,
        "slides": slides,
        "s per epoch": round(slides / float(log["speed"].iloc[-1]), 1),
        "slides per s": round(float(log["speed"].iloc[-1]), 1),
        "waiting for grids": round(float(log["waiting"].iloc[-1]), 2),
        "all of the run s": round(time.perf_counter() - start),
        "peak memory GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "grids GB": round(size, 2),
        "told": told[0] if told else "",
    }


def measured(given: argparse.Namespace) -> Report:
    """Each head in a process of its own, so that peaks are told apart."""
    slides = 16 if given.quick else given.slides
    make_cohort(given.work, slides)
    rows = []
    for head in given.heads or HEADS:
        command = [
            sys.executable,
            __file__,
            "--work",
            str(given.work),
            "--slides",
            str(slides),
            "--one",
            head,
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    headlines = {row["head"]: f"{row['s per epoch']} s an epoch, {row['peak memory GB']} GB" for row in rows}
    return Report("head_training", rows, headlines=headlines)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--slides", type=int, default=1000)
    parser.add_argument("--work", type=Path, default=Path("build/head_training"))
    parser.add_argument("--heads", nargs="+")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.work, given.work / "cohort.csv", given.one, given.slides)))
    else:
        finish(measured(given), given)


if __name__ == "__main__":
    main()
