"""How many simulated pictures a second? nMNIST on every published canvas, and pure noise.

    python benchmarks/simulated_pictures.py --mnist folder [--workers 2] [--seconds 3]

Once in this process, and once through the workers of a data loader, which is how a network is fed; the time
in which workers start and digits are read does not count. Processor time a picture can be trusted on a shared
machine, pictures a second cannot. Pictures have one channel of uint8.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from measure import HERE, Report
from torch.utils.data import DataLoader, Dataset

from histopress.studies.nmnist import CANVASES, NmnistRecipe, nmnist
from histopress.studies.noise_pictures import NoisePictures
from histopress.studies.pictures import Pictures

LEAST = 3
"""Pictures that are drawn at least, whatever time they take."""

ENDLESS = 10_000_000
BATCH_PIXELS = 1 << 20


class Drawn(Dataset[torch.Tensor]):
    """The pictures of a set again and again, as a data loader wants them."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return ENDLESS

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.from_numpy(self.pictures.draw(row % len(self.pictures)).picture)


def alone(pictures: Pictures, seconds: float) -> tuple[float, float]:
    """Pictures per second, and ms of processor time a picture, of this process."""
    pictures.draw(0)
    begin, spent, count = time.perf_counter(), time.process_time(), 0
    while count < LEAST or time.perf_counter() - begin < seconds:
        pictures.draw(count % len(pictures))
        count += 1
    return count / (time.perf_counter() - begin), 1000 * (time.process_time() - spent) / count


def with_workers(pictures: Pictures, workers: int, seconds: float) -> float:
    """Pictures per second out of a data loader, once its workers have their first batches behind them."""
    height, width, _ = pictures.shape
    batch = max(1, min(32, BATCH_PIXELS // (height * width)))
    batches = iter(DataLoader(Drawn(pictures), batch, num_workers=workers))
    for _ in islice(batches, 2 * workers + 1):
        pass
    begin, count = time.perf_counter(), 0
    while count < LEAST or time.perf_counter() - begin < seconds:
        count += len(next(batches))
    return count / (time.perf_counter() - begin)


def row(name: str, pictures: Pictures, things: int, given: argparse.Namespace) -> dict[str, Any]:
    """One line of the table."""
    rate, cpu = alone(pictures, given.seconds)
    fed = with_workers(pictures, given.workers, given.seconds)
    height, width, _ = pictures.shape
    return {
        "pictures": name,
        "canvas": height,
        "things": things,
        "o2i_percent": 100 * pictures.o2i,
        "per_second": rate,
        "cpu_ms": cpu,
        "mpx_per_second": rate * height * width / 1e6,
        f"per_second_{given.workers}_workers": fed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, required=True, help="folder of the MNIST files")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement, twice a row")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for JSON")
    given = parser.parse_args()
    torch.set_num_threads(1)
    recipes = [NmnistRecipe(given.mnist, canvas) for canvas in CANVASES]
    small = [NmnistRecipe(given.mnist, canvas // 2, digit=14) for canvas in CANVASES[:3]]
    rows = [
        row(f"nMNIST, digits of {recipe.digit} px", nmnist(recipe), recipe.layout.distractors + 1, given)
        for recipe in [*recipes, *small]
    ]
    rows.append(row("noise", NoisePictures(), 0, given))
    report = Report("simulated_pictures", rows, facts={"seconds": given.seconds})
    report.show()
    print(f"written: {report.save(given.results)}", flush=True)


if __name__ == "__main__":
    main()
