"""How fast is an encoder in each engine that is installed here? Networks with random weights, drawn tissue.

Every engine encodes the same tiles in turns, so that other work on the machine hits all alike; ratios are
taken within a turn. `plain` is the encoder as it is, in fp32. Speed does not depend on weights; the cosine
does, and is here only a check. `python benchmarks/engines.py` takes less than three minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from histopress.core.errors import HistopressError
from histopress.core.run import environment
from histopress.encoders.catalogue import load_encoder
from histopress.encoders.encoder import Encoder, encode, pick_device
from histopress.encoders.engine import prepare
from histopress.encoders.engine_probe import agreement, probe_tiles
from histopress.encoders.networks import StridedConvSettings
from histopress.encoders.untrained import random_weights

RESULTS = Path(__file__).parent / "results" / "engines.json"
SMALL = (32, 64, 96, 128, 128)
CPU = [
    ("fp32", "torch"), ("fp32", "torch-folded"), ("fp32", "torch-fused"), ("fp32", "compile"),
    ("fp32", "onnxruntime"), ("fp32", "openvino"),
    ("bf16", "torch"), ("bf16", "torch-folded"), ("bf16", "torch-fused"), ("bf16", "compile"),
    ("bf16", "openvino"),
    ("int8", "onnxruntime"), ("int8", "openvino"),
]  # fmt: skip
GPU = [(p, b) for p in ("fp32", "bf16") for b in ("torch", "torch-folded", "compile", "cuda-graph")]


@dataclass(frozen=True)
class Row:
    """One engine on one network; times are of each turn, CPU time is that of all threads in the best turn."""

    network: str
    engine: str
    tiles_per_second: float
    ratio: float
    cpu_ms_per_tile: float
    cosine: float
    seconds: list[float]


def networks() -> dict[str, Callable[[], Encoder]]:
    """Name -> encoder."""

    def small(tile: int) -> Encoder:
        settings = StridedConvSettings(tile=tile, shrink=1, filters=SMALL)
        return random_weights(0, settings, 0.5)

    found: dict[str, Callable[[], Encoder]] = {
        "small conv, 128 px": lambda: small(128),
        "small conv, 256 px": lambda: small(256),
        "four-task network, 128 px": lambda: load_encoder("random"),
    }
    if find_spec("timm") is not None:
        found["timm resnet50, 128 px"] = lambda: load_encoder("timm:resnet50,tile=128")
    return found


def engines(
    encoder: Encoder, arguments: argparse.Namespace, tiles: NDArray[np.uint8]
) -> dict[str, Callable[[], NDArray[np.float32]]]:
    """Name -> what encodes the tiles; engines that are not installed say so and are left out."""
    device = pick_device(arguments.device)
    runs = {"plain fp32": lambda: encode(encoder, tiles, str(device))}
    for precision, backend in CPU if device.type == "cpu" else GPU:
        if backend == "compile" and not arguments.compile:
            continue
        try:
            engine = prepare(encoder, str(device), precision, backend, threads=arguments.threads)
        except HistopressError as error:
            print(f"  {backend} {precision}: {error}")
            continue
        runs[f"{backend} {precision}"] = lambda engine=engine: engine.encode(tiles)
    return runs


def measure(network: str, encoder: Encoder, arguments: argparse.Namespace) -> list[Row]:
    """All engines on one network, in turns."""
    tiles = probe_tiles(encoder.card.tile, 16)
    tiles = np.resize(tiles, (arguments.tiles or (16 if "resnet" in network else 64), *tiles.shape[1:]))
    runs = engines(encoder, arguments, tiles)
    codes = {name: run() for name, run in runs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    cpu = dict.fromkeys(runs, float("inf"))
    begin = time.perf_counter()
    while time.perf_counter() - begin < arguments.seconds or len(seconds["plain fp32"]) < 2:
        for name, run in runs.items():
            start, work = time.perf_counter(), time.process_time()
            run()
            seconds[name].append(time.perf_counter() - start)
            cpu[name] = min(cpu[name], time.process_time() - work)
    plain = seconds["plain fp32"]
    return [
        Row(
            network,
            name,
            len(tiles) / statistics.median(times),
            statistics.median(p / t for p, t in zip(plain, times, strict=True)),
            1000 * cpu[name] / len(tiles),
            agreement(codes[name], codes["plain fp32"]).cosine,
            times,
        )
        for name, times in seconds.items()
    ]


def table(rows: list[Row]) -> str:
    """The rows of one network as text."""
    line = "  {:22}{:>10}{:>9}{:>13}{:>11}"
    lines = [rows[0].network, line.format("engine", "tiles/s", "ratio", "CPU ms/tile", "cosine")]
    for row in rows:
        speed = (f"{row.tiles_per_second:.0f}", f"{row.ratio:.2f}", f"{row.cpu_ms_per_tile:.2f}")
        lines.append(line.format(row.engine, *speed, f"{row.cosine:.5f}"))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--tiles", type=int, default=None, help="tiles a call; by default 64, or 16 if large")
    parser.add_argument("--seconds", type=float, default=8, help="of turns for each network")
    parser.add_argument("--compile", action="store_true", help="torch.compile too: minutes")
    parser.add_argument("--only", default="", help="networks whose name holds this")
    parser.add_argument("-o", type=Path, default=RESULTS, help="JSON file")
    arguments = parser.parse_args()
    results: list[dict[str, Any]] = []
    with TemporaryDirectory() as cache:
        os.environ["HISTOPRESS_CACHE"] = cache
        for name, make in networks().items():
            if arguments.only in name:
                rows = measure(name, make(), arguments)
                print(table(rows), flush=True)
                results += [row.__dict__ for row in rows]
    threads = arguments.threads or torch.get_num_threads()
    facts = {"environment": environment(), "threads": threads, "device": str(pick_device(arguments.device))}
    arguments.o.parent.mkdir(parents=True, exist_ok=True)
    arguments.o.write_text(json.dumps({**facts, "rows": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
