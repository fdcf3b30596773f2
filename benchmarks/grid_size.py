"""How large is a stored grid, against the slide and against the HDF5 file that TRIDENT writes for it?

    python benchmarks/grid_size.py --data REAL.svs [--quick]

The same codes of real tissue, 128 and 1024 a tile. TRIDENT's layout: `features` float32 in chunks of one row,
`coords` int64 with the attributes of its coordinates, no compression (as its version 0.3.0 writes).
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import h5py
import measure
import numpy as np
import peers
import slides
from extraction import OURS, Encoder, commands, extract, small
from measure import MIB, Cost, Report

from histopress import FeatureGrid, read_grid

DIMS = (128, 1024)
SLIDE, QUICK_SLIDE = "a40", "t40"


def compressed(dim: int, given: Namespace) -> tuple[Path, Path, Cost]:
    """The slide, and its grid as `histopress compress` stores it."""
    name = QUICK_SLIDE if given.quick else SLIDE
    slide = slides.find(name, given.data, given.work / "slides")
    output = given.work / "features" / "grid-size"
    python = peers.needed(OURS, given.peers)
    encoder = Encoder(str(small(given.work / "encoders", dim)), "", name, name)
    cost = extract(commands(encoder, slide, OURS, python, output)["fp32"], output)
    return slide, next(output.glob("*.grid.zarr.zip")), cost


def write_trident(path: Path, grid: FeatureGrid) -> None:
    """The same features in TRIDENT's layout; float16 codes become float32 without change."""
    lattice, size = grid.lattice, grid.slide.size
    places = np.stack([grid.cells[:, 1] * lattice.step_x, grid.cells[:, 0] * lattice.step_y], axis=1)
    magnification = round(10 / grid.slide.spacing.x)
    with h5py.File(path, "w") as file:
        features = grid.features.astype(np.float32)
        names = {"name": grid.slide.slide, "savetodir": str(path.parent)}
        written = file.create_dataset("features", data=features, chunks=(1, grid.dim))
        written.attrs.update({"encoder": "benchmark", **names})
        coords = file.create_dataset("coords", data=np.rint(places).astype(np.int64))
        coords.attrs.update(
            {
                "patch_size": lattice.tile,
                "patch_size_level0": float(lattice.step_x),
                "level0_magnification": magnification,
                "target_magnification": 10 / lattice.spacing,
                "overlap": 0,
                **names,
                "level0_width": size.width,
                "level0_height": size.height,
            }
        )


def row_of(dim: int, given: Namespace) -> dict[str, Any]:
    """Sizes for one length of codes."""
    slide, stored, cost = compressed(dim, given)
    other = stored.with_name("trident.h5")
    write_trident(other, read_grid(stored))
    bytes_of = {name: path.stat().st_size for name, path in (("slide", slide), ("grid", stored))}
    trident = other.stat().st_size
    return {
        "slide": slide.stem,
        "dim": dim,
        "tiles": cost.facts["tiles"],
        "slide MiB": bytes_of["slide"] / MIB,
        "grid MiB": bytes_of["grid"] / MIB,
        "TRIDENT MiB": trident / MIB,
        "grid bytes/value": bytes_of["grid"] / (cost.facts["tiles"] * dim),
        "slide / grid": bytes_of["slide"] / bytes_of["grid"],
        "TRIDENT / grid": trident / bytes_of["grid"],
    }


def main() -> None:
    given = measure.settle(measure.arguments(__doc__.splitlines()[0]).parse_args())
    rows = [row_of(dim, given) for dim in DIMS]
    headlines = {
        f"{row['dim']} a tile: {other} / grid, bytes": f"{row[f'{other} / grid']:.1f}"
        for row in rows
        for other in ("slide", "TRIDENT")
    }
    facts = {"h5py": h5py.__version__, "ours": peers.find(OURS, given.peers).version("torch", "zarr")}
    measure.finish(Report("grid_size", rows, facts=facts, headlines=headlines), given)


if __name__ == "__main__":
    main()
