"""How fast are tissue tiles read? One thread, warm files, rounds interleaved over readers.

    python benchmarks/reading.py --data REAL.svs [--peers DIR] [--quick]

Tiles of 256 and 128 px at 0.5 um/px, from one window full of tissue, row by row. The floor is libjpeg-turbo
decoding every stored tile below the window once, at the coarsest scale that is fine enough, from memory: no
reader that uses it can be faster. Tiles are compared with OpenSlide's, to see who wins by other pixels.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import measure
import numpy as np
import peers
import slides
from measure import HERE, Cost, Report, Series
from processes import Worker
from scipy import ndimage

from histopress import Lattice, TissueRecipe, mask_slide, open_slide

SPACING = 0.5
WINDOWS = {256: (12, 16), 128: (24, 32)}
"""Tile -> rows and cols of the window: the same area of tissue for both."""

ALL = ("openslide", "fastslide", "fastslide-cache", "tiffslide", "floor", "scaled", "exact", "by-openslide")
FEW = ("openslide", "as-compress", "scaled", "exact", "by-openslide")
READERS_OF = {"a20": ALL, "a40": ALL, "g40": ALL, "a20r": FEW, "r40": FEW}

OURS: dict[str, dict[str, Any]] = {
    "as-compress": {"reader": "auto", "pixels": "scaled", "tolerance": 0.02},
    "scaled": {"reader": "auto", "pixels": "scaled"},
    "exact": {"reader": "auto", "pixels": "exact"},
    "by-openslide": {"reader": "openslide"},
}
"""Ways in which histopress opens a slide; with a tolerance it takes stored pixels of nearly the spacing."""

REFERENCE = "openslide"


@dataclass(frozen=True)
class Case:
    """What is read: cells of a slide, and the same as level-0 boxes (x, y, side)."""

    slide: Path
    lattice: Lattice
    cells: list[list[int]]

    @property
    def question(self) -> dict[str, Any]:
        """As workers want it."""
        lattice = {k: v for k, v in asdict(self.lattice).items() if k != "origin"}
        boxes = [self.lattice.box(row, col) for row, col in self.cells]
        return {
            "slide": str(self.slide),
            "lattice": lattice,
            "cells": self.cells,
            "boxes": [(box.x, box.y, box.width) for box in boxes],
            "tile": self.lattice.tile,
        }

    @property
    def megapixels(self) -> float:
        """Of output."""
        return len(self.cells) * self.lattice.tile**2 / 1e6


def choose(slide: Path, tile: int, quick: bool) -> Case:
    """The window of a slide that holds the most tissue."""
    rows, cols = (n // 4 if quick else n for n in WINDOWS[tile])
    with open_slide(slide) as opened:
        lattice = Lattice.over(opened.size, opened.spacing, SPACING, tile)
        tissue = mask_slide(opened, TissueRecipe()).share(lattice, opened.spacing)
    inside = ndimage.uniform_filter(tissue, (rows, cols), mode="constant")
    inside = inside[rows // 2 : tissue.shape[0] - rows // 2, cols // 2 : tissue.shape[1] - cols // 2]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    cells = [[int(top) + row, int(left) + col] for row in range(rows) for col in range(cols)]
    return Case(slide, lattice, cells)


def measure_case(case: Case, names: tuple[str, ...], python: Path, given: Namespace) -> tuple[Series, ...]:
    """Costs of each reader, why others failed, and how far their tiles are from the reference's."""
    with ExitStack() as stack:
        workers = {name: stack.enter_context(closing(_worker(name, python))) for name in names}
        tasks = {name: partial(_read, worker, name, case) for name, worker in workers.items()}
        samples, failed = _samples(workers, case, given.work)
        alive = {name: task for name, task in tasks.items() if name not in failed}
        series, more = measure.interleaved(alive, given.rounds)
    return series, failed | more, _differences(samples)


def _worker(name: str, python: Path) -> Worker:
    if name in OURS:
        return Worker(sys.executable, HERE / "workers" / "read_ours.py", "ours")
    if name == "floor":
        return Worker(sys.executable, HERE / "workers" / "read_ours.py", "floor")
    return Worker(python, HERE / "workers" / "read_peers.py", name)


def _read(worker: Worker, name: str, case: Case) -> Cost:
    answer = worker.ask(**case.question, options=OURS.get(name, {}))
    return Cost(answer["wall"], answer["cpu"], facts={"tiles": answer["tiles"]})


def _samples(
    workers: dict[str, Worker], case: Case, work: Path
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All tiles of each reader, read once before any is timed: warms files, and shows who fails."""
    samples, failed = {}, {}
    for name, worker in workers.items():
        path = work / "samples" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if name == "floor":
                _read(worker, name, case)
            else:
                worker.ask(**case.question, options=OURS.get(name, {}), sample=str(path))
                samples[name] = np.load(path)
        except measure.MeasureError as error:
            failed[name] = str(error)
        finally:
            path.unlink(missing_ok=True)
    return samples, failed


def _differences(samples: dict[str, np.ndarray]) -> dict[str, float]:
    """Mean absolute difference from the reference, in levels of 0 to 255."""
    if REFERENCE not in samples:
        return {}
    wanted = samples[REFERENCE].astype(np.int16)
    same = {name: tiles for name, tiles in samples.items() if "tolerance" not in OURS.get(name, {})}
    return {name: float(np.abs(tiles - wanted).mean()) for name, tiles in same.items()}


def rows_of(name: str, case: Case, series: Series, differences: dict[str, float]) -> list[dict[str, Any]]:
    """One row a reader."""
    rows = []
    for reader, costs in series.items():
        label = f"histopress {reader}" if reader in OURS else reader
        row = {"slide": name, "tile": case.lattice.tile, "reader": label}
        row |= {f"{of} ms/Mpx": 1e3 * measure.median(costs, of) / case.megapixels for of in ("wall", "cpu")}
        if REFERENCE in series:
            row |= {
                f"{of} x {REFERENCE}": measure.told(measure.ratio(series, REFERENCE, reader, of))
                for of in ("wall", "cpu")
            }
        if "floor" in series:
            row["cpu / floor"] = measure.told(measure.ratio(series, reader, "floor", "cpu"))
        rows.append({**row, "levels off": differences.get(reader)})
    return rows


def headlines_of(name: str, case: Case, series: Series) -> dict[str, str]:
    """Ours against OpenSlide, against the fastest peer, and against the floor."""
    found = {}
    others = [n for n in series if n not in OURS and n != "floor"]
    best = min(others, key=lambda n: measure.median(series[n])) if others else ""
    for reader in ("as-compress", "scaled", "exact"):
        for other in dict.fromkeys(n for n in (REFERENCE, best) if n in series and reader in series):
            what = f"{name}, {case.lattice.tile} px: {other} / {reader}, wall"
            found[what] = measure.told(measure.ratio(series, other, reader))
        if "floor" in series and reader in series:
            what = f"{name}, {case.lattice.tile} px: {reader} / floor, cpu"
            found[what] = measure.told(measure.ratio(series, reader, "floor", "cpu"))
    return found


def main() -> None:
    given = measure.settle(measure.arguments(__doc__.splitlines()[0]).parse_args())
    readers = peers.find("readers", given.peers)
    rows: list[dict[str, Any]] = []
    headlines: dict[str, str] = {}
    absent = {"readers": readers.absent} if readers.absent else {}
    for name, wanted in READERS_OF.items():
        slide = slides.find(name, given.data, given.work / "slides")
        usable = tuple(n for n in wanted if not readers.absent or n in OURS or n == "floor")
        for tile in WINDOWS:
            case = choose(slide, tile, given.quick)
            series, failed, differences = measure_case(case, usable, readers.python, given)
            rows += rows_of(name, case, series, differences)
            headlines |= headlines_of(name, case, series)
            absent |= {f"{reader} on {name}": why for reader, why in failed.items()}
            print(f"{name} {tile} px: {len(case.cells)} tiles, done", file=sys.stderr, flush=True)
    facts = {"rounds": given.rounds, "threads": 1, "peer_versions": readers.version(*peers.READERS, "pillow")}
    measure.finish(Report("reading", rows, absent, facts, headlines), given)


if __name__ == "__main__":
    main()
