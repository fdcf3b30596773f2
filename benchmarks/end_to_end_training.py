"""How long does a network learn from 1,000 pictures, and how much memory does a large picture take?

    python benchmarks/end_to_end_training.py             # without a GPU: scaled-down networks, ten minutes

What is measured is the training of `studies/end_to_end.py`: batches of 32 pictures of noise, which are kept
in memory, drawn with replacement, forward, backward and an RMSProp update, through `core/fit.py`. The first
epoch is not counted. `loop` is the same in a hand-written loop: what `fit` adds to a step. Without a GPU the
networks are an eighth or a sixteenth as wide as published, and seconds are those of processor time of one
thread, so that others on the machine do not count; with a GPU they are of full width, in fp32, in bf16, and
compiled, and seconds are those of the wall. Memory is the highest of the process beyond what it held before,
or of torch on the GPU. Every case is a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import torch
from measure import Report
from trials import arguments, finish

from histopress.core.fit import fit
from histopress.core.fit_recipe import Precision
from histopress.core.fit_spawn import Mute
from histopress.studies.end_to_end_learner import PictureLearner
from histopress.studies.end_to_end_pictures import Batches
from histopress.studies.end_to_end_recipe import EndToEndRecipe, EndToEndResources
from histopress.studies.noise_pictures import NoisePictures
from histopress.studies.patchnet_recipe import PatchnetRecipe
from histopress.studies.patchnets import make_patchnet

CROWD = 10**6
"""Pixels of an epoch on a CPU, and batches at least."""
LEAST, MOST = 2, 20
FASTER: tuple[tuple[Precision, bool], ...] = (("bf16-mixed", False), ("32-true", True), ("bf16-mixed", True))
"""Precision and whether the network is compiled."""


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        canvas: side of the pictures, px.
        width: of the network, a power of two.
        batch: pictures.
        precision: of the training.
        compile: have torch compile the network.
        checkpointing: compute activations twice rather than keep them.
        loop: by hand rather than by `fit`.
        field: receptive field, px.
        channels: of the pictures.
    """

    canvas: int
    width: float
    batch: int = 32
    precision: Precision = "32-true"
    compile: bool = False
    checkpointing: bool = False
    loop: bool = False
    field: int = 9
    channels: int = 1

    @property
    def batches(self) -> int:
        """Of an epoch."""
        crowd = CROWD * (50 if torch.cuda.is_available() else 1)
        return max(LEAST, min(MOST, crowd // (self.canvas**2 * self.batch)))

    @property
    def recipe(self) -> EndToEndRecipe:
        """The settings of the training."""
        return EndToEndRecipe(
            PatchnetRecipe(field=self.field, width=self.width),
            batch=self.batch,
            accumulate=1,
            updates=3 * self.batches,
            look_every=self.batches,
            precision=self.precision,
            compile=self.compile,
            checkpointing=self.checkpointing,
        )


def cases(quick: bool) -> Iterator[Case]:
    """What is run."""
    if torch.cuda.is_available():
        for canvas in (64,) if quick else (64, 128, 256, 512):
            plain = Case(canvas, 0)
            yield from (plain, replace(plain, precision="bf16-mixed"))
            yield replace(plain, precision="bf16-mixed", compile=True)
        large = Case(256 if quick else 1024, 0, batch=8, precision="bf16-mixed")
    else:
        yield from (Case(32, -4), Case(32, -4, loop=True))
        for canvas, width in itertools.product((64,) if quick else (64, 128, 256), (-4, -3)):
            yield Case(canvas, width)
        for precision, compiled in () if quick else FASTER:
            yield Case(64, -3, precision=precision, compile=compiled)
        large = Case(128 if quick else 512, -3, batch=4)
    yield from (large, replace(large, checkpointing=True))


def clock() -> float:
    """Seconds: of this process on a CPU, else of the wall."""
    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


class Epochs(Mute):
    """Notes when every epoch ends."""

    def __init__(self) -> None:
        self.ends = [clock()]

    def advance(self, amount: int = 1, note: str = "") -> None:
        """An epoch has ended."""
        self.ends += [clock()] * amount

    @property
    def seconds(self) -> list[float]:
        """Of every epoch."""
        return [b - a for a, b in itertools.pairwise(self.ends)]


def measure(case: Case) -> dict[str, Any]:
    """Train for three epochs; the faster of the last two counts."""
    torch.set_num_threads(1)
    pictures = NoisePictures(case.canvas, case.canvas, case.channels, count=case.batches * case.batch)
    batches = Batches(EndToEndResources(cache_gb=8.0))
    rows = batches.rows(pictures)
    for _ in batches.ordered(rows, case.batch):
        """Draw all pictures before."""
    before = psutil.Process().memory_info().rss
    first, *seconds = by_hand(case, batches, rows) if case.loop else by_fit(case, batches, rows)
    beyond = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    if torch.cuda.is_available():
        beyond = torch.cuda.max_memory_allocated()
    return {
        **asdict(case),
        "s per 1,000": round(1000 * min(seconds) / len(rows), 2),
        "ms per step": round(1000 * min(seconds) / case.batches, 1),
        "first epoch s": round(first, 1),
        "memory MB": round(beyond / 1e6),
    }


def learner(case: Case) -> PictureLearner:
    """As it begins."""
    return PictureLearner(make_patchnet(case.recipe.network, case.channels, 2, seed=0), case.recipe)


def by_fit(case: Case, batches: Batches, rows: Any) -> list[float]:
    """Seconds of every epoch."""
    recipe, epochs = case.recipe, Epochs()
    loader = batches.drawn(rows, case.batch, recipe.draws(len(rows)))
    with TemporaryDirectory() as folder:
        how = recipe.fitting(len(rows), 1)
        fit(learner(case), loader, None, how, Path(folder), bar=epochs, save_seconds=1e9)
    return epochs.seconds[:3]


def by_hand(case: Case, batches: Batches, rows: Any) -> list[float]:
    """The same without Lightning, on the CPU."""
    training, epochs, recipe = learner(case).train(), Epochs(), case.recipe
    optimizer = torch.optim.RMSprop(training.parameters(), lr=recipe.lr, eps=recipe.eps)
    for _ in range(3):
        for batch in batches.drawn(rows, case.batch, recipe.draws(len(rows))):
            optimizer.zero_grad()
            training.losses(batch).mean().backward()
            optimizer.step()
        epochs.advance()
    return epochs.seconds


def measured(given: argparse.Namespace) -> Report:
    """Every case in a process of its own, in turns."""
    found: dict[Case, dict[str, Any]] = {}
    for _ in range(1 if given.quick else given.rounds):
        for case in cases(given.quick):
            command = [sys.executable, __file__, "--one", json.dumps(asdict(case))]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            row = json.loads(done.stdout.splitlines()[-1])
            best = found.get(case, row)
            found[case] = min(best, row, key=lambda r: float(r["ms per step"]))
            print(row, file=sys.stderr, flush=True)
    rows = list(found.values())
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU, one thread"
    return Report("end_to_end_training", rows, facts={"device": where}, headlines=headlines(found))


def headlines(found: dict[Case, dict[str, Any]]) -> dict[str, str]:
    """What fit adds, and what checkpointing saves."""
    told = {}
    for case, row in found.items():
        if case.loop:
            plain = found[replace(case, loop=False)]["ms per step"]
            told["fit over a loop"] = f"{plain / row['ms per step']:.2f} at {case.canvas} px"
        if case.checkpointing:
            plain = found[replace(case, checkpointing=False)]
            less, more = (row[k] / plain[k] for k in ("memory MB", "ms per step"))
            told["checkpointing"] = f"{less:.2f} of the memory, {more:.2f} of the time, at {case.canvas} px"
    return told


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2, help="of which the fastest counts")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(Case(**json.loads(given.one)))))
    else:
        finish(measured(given), given)


if __name__ == "__main__":
    main()
