"""How small a share of tumour can the chain see? Real H&E pictures, laid out as slides, one label per slide.

Slides are mosaics of real pictures (oral mucosa, 400x: normal and squamous cell carcinoma) in an irregular
outline on white glass, stored as pyramidal JPEG TIFF. In a positive slide a stated share of the pictures is
carcinoma. Pictures for train, tuning and test slides are disjoint. Encoders and heads are compared on equal
slides; the test part is looked at once. `make bench-quality DATA=folder` runs it.

The pictures' true scale is not known. They are declared to be 1 um/px, where their nuclei have a plausible
size. Slides of one part share pictures, so intervals (over slides) are narrower than for that many patients.
"""

from __future__ import annotations

import argparse
import io
import json
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from histopress import CompressRecipe, EvaluateRecipe, Size, Spacing, TrainRecipe, compress, evaluate, train
from histopress.core.run import environment
from histopress.data.write_slide import write_slide

RESULTS = Path(__file__).parent / "results" / "planted_tumour.json"
PICTURE = 224
ROWS, COLS = 9, 11
GLASS = 243
SLIDES = {"train": 48, "tuning": 16, "test": 48}
SHARES = (0.02, 0.10, 0.40)
TUNING_PICTURES = 20


@dataclass(frozen=True)
class Pool:
    """Pictures that may be used in one part, by class."""

    normal: list[NDArray[np.uint8]]
    tumour: list[NDArray[np.uint8]]


def read_pools(folder: Path) -> dict[str, Pool]:
    """Three disjoint pools; the published test split is ours, tuning is cut off its train split."""
    index = pd.read_csv(folder / "index.csv").query("magnification == '400x'")
    with zipfile.ZipFile(folder / "images.zip") as archive:
        names = {Path(n).name: n for n in archive.namelist()}

        def load(label: str, split: str) -> list[NDArray[np.uint8]]:
            files = index.query("label == @label and split == @split")["file"]
            pictures = (Image.open(io.BytesIO(archive.read(names[f]))) for f in files)
            return [np.asarray(p.convert("RGB")) for p in pictures]

        parts = {(k, s): load(k, s) for k in ("normal", "oscc") for s in ("train", "test")}
    cut = TUNING_PICTURES
    return {
        "train": Pool(parts["normal", "train"][cut:], parts["oscc", "train"][cut:]),
        "tuning": Pool(parts["normal", "train"][:cut], parts["oscc", "train"][:cut]),
        "test": Pool(parts["normal", "test"], parts["oscc", "test"]),
    }


def lay_out(pool: Pool, share: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """One slide's pixels: (height, width, 3) uint8."""
    field = ndimage.gaussian_filter(random.standard_normal((ROWS, COLS)), 2.0)
    field -= 0.9 * np.hypot(*np.meshgrid(np.linspace(-1, 1, COLS), np.linspace(-1, 1, ROWS))) * field.std()
    places = np.argwhere(field > np.quantile(field, 0.4))
    tumours = round(share * len(places))
    start = places[random.integers(len(places))]
    nearest = np.argsort(np.abs(places - start).sum(axis=1), kind="stable")
    canvas = np.full((ROWS * PICTURE, COLS * PICTURE, 3), GLASS, dtype=np.uint8)
    for rank, (row, col) in enumerate(places[nearest]):
        pictures = pool.tumour if rank < tumours else pool.normal
        picture = np.rot90(pictures[random.integers(len(pictures))], random.integers(4))
        picture = picture[:, ::-1] if random.integers(2) else picture
        canvas[row * PICTURE : (row + 1) * PICTURE, col * PICTURE : (col + 1) * PICTURE] = picture
    return canvas


def make_cohort(pools: dict[str, Pool], share: float, folder: Path, seed: int) -> Path:
    """Slides and cohort table of one share; slides that are there are kept."""
    rows = []
    for part, count in SLIDES.items():
        for number in range(count):
            positive = number % 2 == 1
            name = f"{part}-{number:03d}"
            path = folder / "slides" / f"{name}.tiff"
            if not path.exists():
                random = np.random.default_rng([seed, round(share * 1e4), hash_of(part), number])
                canvas = lay_out(pools[part], share if positive else 0.0, random)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_slide(path, Size(*canvas.shape[1::-1]), Spacing.square(1.0), canvas)
            rows.append((name, f"slides/{name}.tiff", "tumour" if positive else "normal", part))
    table = pd.DataFrame(rows, columns=["patient", "slide", "label", "split"])
    table.to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


def hash_of(part: str) -> int:
    return list(SLIDES).index(part)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the oral pictures")
    parser.add_argument("--nic", type=Path, required=True, help="the published encoder's HDF5 file")
    parser.add_argument("--work", type=Path, default=Path("planted"))
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each head")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--control", action="store_true", help="lay normal pictures where carcinoma would be: nothing to find"
    )
    given = parser.parse_args()
    pools = read_pools(given.data)
    if given.control:
        pools = {part: Pool(pool.normal, pool.normal) for part, pool in pools.items()}
    encoders = {"mean-rgb": "mean-rgb", "nic": f"nic:{given.nic}"}
    rows = []
    for share in SHARES:
        folder = given.work / f"share-{share:g}"
        cohort = make_cohort(pools, share, folder, seed=7)
        for encoder, name in encoders.items():
            grids = folder / f"grids-{encoder}"
            summary = compress([cohort], grids, CompressRecipe(encoder=name))
            for head in ("mean", "cnn"):
                for seed in range(given.seeds):
                    run = folder / f"run-{encoder}-{head}-{seed}"
                    start = time.monotonic()
                    train(cohort, grids, "label", run, TrainRecipe(head=head, seed=seed))
                    result = evaluate([run / "predictions.csv"], run / "report", EvaluateRecipe())
                    rows.append(
                        {
                            "share": share,
                            "encoder": encoder,
                            "head": head,
                            "seed": seed,
                            "headline": result.headline,
                            "train_seconds": round(time.monotonic() - start, 1),
                            "tiles_per_slide": round(summary.tiles / max(1, summary.compressed)),
                        }
                    )
                    print(share, encoder, head, seed, result.headline, flush=True)
    given.results.parent.mkdir(exist_ok=True)
    given.results.write_text(json.dumps({"environment": environment(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
