"""How many tiles a second does each strength of augmentation change? Drawn tissue, one batch at a time.

    python benchmarks/augment.py [--device cuda] [--threads 1]

All strengths run in turns, so that other work on the machine hits all alike; tiles per second are those of
the median turn, and CPU time that of the best. `python benchmarks/augment.py` takes about half a minute.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from histopress.core.run import environment
from histopress.encoders.augment import LADDER, STEPS, AugmentRecipe, augment, draw
from histopress.encoders.encoder import pick_device
from histopress.encoders.engine_probe import probe_tiles

RESULTS = Path(__file__).parent / "results" / "augment.json"
SIDES = (64, 128)
ALL = AugmentRecipe("hed-strong", hue=(-1, 1), saturation=(-1, 1), jpeg_share=1.0)


@dataclass(frozen=True)
class Row:
    """One strength, or one change alone, at one size of tile."""

    tile: int
    what: str
    tiles_per_second: float
    cpu_ms_per_tile: float


def work(images: Tensor) -> dict[str, Callable[[], Tensor]]:
    """What is timed: every strength, and every change alone on tiles that all drew it."""
    random = torch.Generator().manual_seed(0)
    runs = {name: lambda r=recipe: augment(images, r, random) for name, recipe in LADDER.items()}
    runs["hed-light, JPEG for a fifth"] = lambda: augment(
        images, AugmentRecipe("hed-light", jpeg_share=0.2), random
    )
    few = images[: max(1, (1 << 19) // images[0].numel())]
    draws = draw(ALL, len(images), random)
    for _, change in STEPS:
        here = draws.rows(slice(len(few))).to(images.device)
        repeats = len(images) // len(few)
        runs[f"only {change.__name__}"] = lambda c=change, h=here, n=repeats: [c(few, h) for _ in range(n)]
    return runs


def measure(side: int, arguments: argparse.Namespace) -> list[Row]:
    """Everything at one size, in turns."""
    device = pick_device(arguments.device)
    tiles = np.resize(probe_tiles(side, 16), (arguments.tiles, side, side, 3))
    images = torch.from_numpy(tiles).permute(0, 3, 1, 2).contiguous().to(device).float() / 255
    runs = work(images)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    cpu = dict.fromkeys(runs, float("inf"))
    begin = time.perf_counter()
    while time.perf_counter() - begin < arguments.seconds or len(seconds["none"]) < 3:
        for name, run in runs.items():
            start, spent = time.perf_counter(), time.process_time()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - start)
            cpu[name] = min(cpu[name], time.process_time() - spent)
    count = len(images)
    return [
        Row(side, name, count / statistics.median(times[1:]), 1000 * cpu[name] / count)
        for name, times in seconds.items()
    ]


def table(rows: list[Row]) -> str:
    """The rows of one size as text."""
    line = "  {:30}{:>10}{:>13}"
    lines = [f"tiles of {rows[0].tile} px", line.format("", "tiles/s", "CPU ms/tile")]
    lines += [
        line.format(row.what, f"{row.tiles_per_second:,.0f}", f"{row.cpu_ms_per_tile:.3f}") for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tiles", type=int, default=128, help="tiles a batch")
    parser.add_argument("--seconds", type=float, default=12, help="of turns for each size")
    parser.add_argument("-o", type=Path, default=RESULTS, help="JSON file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results: list[dict[str, Any]] = []
    for side in SIDES:
        rows = measure(side, arguments)
        print(table(rows), flush=True)
        results += [row.__dict__ for row in rows]
    facts = {
        "environment": environment(),
        "threads": arguments.threads,
        "device": str(pick_device(arguments.device)),
        "batch": arguments.tiles,
    }
    arguments.o.parent.mkdir(parents=True, exist_ok=True)
    arguments.o.write_text(json.dumps({**facts, "rows": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
