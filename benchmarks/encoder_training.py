"""How many patches a second does an encoder learn from? Every trunk, with and without augmentation.

    python benchmarks/encoder_training.py --data REAL.svs [--device cuda] [--quick]

Measured is what `histopress train-encoder` does: two tasks, batches of 64 tiles of 128 px drawn from tiles
that are mapped from a file, the augmentation, forward, backward and the optimiser, in fp32 and in bf16. The
first epoch of a round is not counted. Beside it stands the floor: the operations of forward and backward pass
of the trunk alone, at the speed that a large matrix product or a plain convolution reaches on this machine,
whichever is faster; `of the floor` is 1 for a training that does nothing else and wastes nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure
import numpy as np
import torch
from measure import Cost, MeasureError, Report, Series
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it
from torch.utils.flop_counter import FlopCounterMode

from histopress.core.errors import HistopressError
from histopress.core.fit import fit
from histopress.core.fit_recipe import FitRecipe
from histopress.data.patch_task import Kind, PatchTask
from histopress.data.patches import PatchSet
from histopress.encoders.augment import LADDER, augment
from histopress.encoders.encoder import pick_device
from histopress.encoders.engine_probe import probe_tiles
from histopress.encoders.engine_ways import has_bf16
from histopress.encoders.multitask import MultitaskLearner, MultitaskRecipe
from histopress.encoders.task_batches import Mixture, train_loader
from histopress.encoders.trunks import TRUNKS, make_trunk

TILE, BATCH, DIM = 128, 64, 128
FEW = 4
"""Tiles with which operations are counted."""

STRENGTHS = ("none", "hed-light")
PRECISIONS = {"fp32": ("32-true", torch.float32), "bf16": ("bf16-mixed", torch.bfloat16)}


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        trunk: see `make_trunk`.
        strength: of the augmentation.
        precision: a name in `PRECISIONS`.
    """

    trunk: str
    strength: str
    precision: str

    def __str__(self) -> str:
        return f"{self.trunk}, {self.strength}, {self.precision}"


def made_sets(folder: Path, tiles: int = 1024) -> list[PatchSet]:
    """Two tasks over drawn tissue, whose tiles are mapped from a file as those of real tasks are."""
    np.save(folder / "tiles.npy", np.resize(probe_tiles(TILE, 32), (tiles, TILE, TILE, 3)))
    mapped, labels = np.load(folder / "tiles.npy", mmap_mode="r"), np.arange(tiles)
    kinds: dict[Kind, tuple[str, ...]] = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c")}
    names, parts = labels.astype(str), np.full(tiles, "train")
    return [
        PatchSet(
            PatchTask(kind, kind, "table", classes, 0.5), 0.5, mapped,
            (labels % len(classes)).astype(np.float32), names, parts, names, kind,
        )
        for kind, classes in kinds.items()
    ]  # fmt: skip


def learner(case: Case, sets: list[PatchSet]) -> MultitaskLearner:
    """As `train-encoder` makes it."""
    network = make_trunk(case.trunk, TILE, DIM, seed=0)
    shrunk = LADDER[case.strength].shrunk(network.pixels.shrink)
    return MultitaskLearner(network, sets, MultitaskRecipe(), partial(augment, recipe=shrunk))


def train(case: Case, sets: list[PatchSet], device: torch.device, epochs: int, updates: int) -> Cost:
    """Train for some epochs; what it cost is s per update, in the median epoch but the first."""
    recipe = FitRecipe(
        epochs, epochs, lr=1e-3, weight_decay=0.0, seed=0,
        precision=PRECISIONS[case.precision][0],  # type: ignore[arg-type]
        device="gpu" if device.type == "cuda" else "cpu",
    )  # fmt: skip
    loader = train_loader(sets, Mixture(), batch=BATCH, updates=updates)
    begin = time.process_time()
    try:
        with TemporaryDirectory() as folder:
            result = fit(learner(case, sets), loader, None, recipe, Path(folder), bar=Silent())
    except HistopressError as error:
        raise MeasureError(str(error)) from error
    counted = result.curve[1:] or result.curve
    wall = BATCH / statistics.median(epoch.speed for epoch in counted)
    waiting = statistics.median(epoch.waiting for epoch in counted)
    return Cost(wall, (time.process_time() - begin) / (epochs * updates), facts={"waiting": waiting})


class Silent:
    """A progress bar that shows nothing."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Nothing."""


def operations(trunk: str) -> float:
    """Of forward and backward pass for one tile; a multiplication with its addition counts as two."""
    network = make_trunk(trunk, TILE, DIM, seed=0).train()
    side = TILE // network.pixels.shrink
    with FlopCounterMode(display=False) as counter:
        network.codes(torch.zeros(FEW, 3, side, side)).sum().backward()
    return float(counter.get_total_flops()) / FEW


def peak(device: torch.device, kind: torch.dtype, seconds: float) -> float:
    """Operations a second in a large matrix product or a plain convolution, whichever is faster."""
    side, batch = (8192, 256) if device.type == "cuda" else (2048, 32)
    square = torch.randn(side, side, device=device, dtype=kind)
    maps = torch.randn(batch, 128, 32, 32, device=device, dtype=kind).to(memory_format=torch.channels_last)
    filters = torch.randn(128, 128, 3, 3, device=device, dtype=kind).to(memory_format=torch.channels_last)
    works: list[tuple[float, Callable[[], Tensor]]] = [
        (2 * side**3, lambda: square @ square),
        (2 * batch * 30 * 30 * 128 * 128 * 9, lambda: F.conv2d(maps, filters)),
    ]
    return max(count / fastest(work, device, seconds) for count, work in works)


def fastest(work: Callable[[], Any], device: torch.device, seconds: float) -> float:
    """Shortest time of a piece of work, in s, after one that is not counted."""
    best, begin, turns = float("inf"), time.perf_counter(), 0
    while turns < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start) if turns else best
        turns += 1
    return best


def trunks(quick: bool) -> list[str]:
    """Those that can be trained here."""
    found = ["published", "turned-small"] if quick else list(TRUNKS)
    return [*found, *["timm:resnet18"] * (find_spec("timm") is not None and not quick)]


def rows(series: dict[Case, list[Cost]], peaks: dict[str, float]) -> list[dict[str, Any]]:
    """One for each case: medians over rounds."""
    found = []
    for case, costs in series.items():
        speed = BATCH / measure.median(costs)
        count = operations(case.trunk)
        floor = peaks[case.precision] / count
        found.append(
            {
                "trunk": case.trunk,
                "augmentation": case.strength,
                "precision": case.precision,
                "patches/s": speed,
                "waiting": statistics.median(c.facts["waiting"] for c in costs),
                "CPU ms/patch": 1000 * measure.median(costs, "cpu") / BATCH,
                "GFLOP/patch": count / 1e9,
                "floor, patches/s": floor,
                "of the floor": speed / floor,
            }
        )
    return found


def headlines(series: Series, cases: list[Case], found: list[dict[str, Any]]) -> dict[str, str]:
    """For each trunk: what the augmentation costs, what bf16 gains, and how near the floor is."""
    said = {}
    for trunk in dict.fromkeys(case.trunk for case in cases):
        usual = Case(trunk, "hed-light", "fp32")
        pairs = {
            "time of an update, hed-light / none": (usual, Case(trunk, "none", "fp32")),
            "time of an update, fp32 / bf16": (usual, Case(trunk, "hed-light", "bf16")),
        }
        for what, (over, under) in pairs.items():
            if str(over) in series and str(under) in series:
                said[f"{trunk}: {what}"] = measure.told(measure.ratio(series, str(over), str(under)))
        mine = [row["of the floor"] for row in found if row["trunk"] == trunk]
        if mine:
            said[f"{trunk}: of the floor, all cases"] = f"{min(mine):.2f}-{max(mine):.2f}"
    return said


def settled() -> argparse.Namespace:
    """The flags."""
    parser = measure.arguments(__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--updates", type=int, default=3, help="in an epoch; on a GPU ten times as many")
    parser.add_argument("--epochs", type=int, default=3, help="in a round; the first is not counted")
    given = measure.settle(parser.parse_args())
    if given.quick:
        given.updates, given.epochs = 1, 1
    return given


def main() -> None:
    given = settled()
    device = pick_device(given.device)
    updates = given.updates * (10 if device.type == "cuda" and not given.quick else 1)
    precisions = [name for name in PRECISIONS if name == "fp32" or has_bf16(device)]
    cases = [Case(t, s, p) for t in trunks(given.quick) for s in STRENGTHS for p in precisions]
    absent = {name: f"{device} has no units for it" for name in PRECISIONS if name not in precisions}
    given.work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=given.work) as folder:
        sets = made_sets(Path(folder))
        tasks = {str(case): partial(train, case, sets, device, given.epochs, updates) for case in cases}
        series, failed = measure.interleaved(tasks, given.rounds)
    peaks = {name: peak(device, PRECISIONS[name][1], 0.2 if given.quick else 3.0) for name in precisions}
    found = rows({case: series[str(case)] for case in cases if str(case) in series}, peaks)
    facts = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "batch": BATCH,
        "tile": TILE,
        "peak_gflops": {name: value / 1e9 for name, value in peaks.items()},
    }
    said = headlines(series, cases, found)
    measure.finish(Report("encoder_training", found, absent | failed, facts, said), given)


if __name__ == "__main__":
    main()
