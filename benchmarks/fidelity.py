"""How true scaled pixels are: against exact ones and against accepted resamplers, in pixels and in codes.

    python benchmarks/fidelity.py --data ../shared/data

Real slides are taken for finer ones than they are (a spacing is given), so that tiles of 0.5 um/px have to be
reduced: their content is sharper, px for px, than that of any real 40x slide, which makes this a hard test.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from measure import Report
from numpy.typing import NDArray
from PIL import Image

import histopress as hp
from histopress.data.tiles import lay_lattice, read_tiles, select_cells
from histopress.encoders.encoder import encode

SLIDES = ("cmu-1-small-region.svs", "tcga-cr-7395-01a-01-ts1.svs")
SPACINGS = (0.25, 0.2527, 0.2634, 0.2465, 0.125, 0.13)
FILTERS = ("HAMMING", "BILINEAR", "BICUBIC", "LANCZOS")


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / max(np.square(a.astype(float) - b).mean(), 1e-9)))


def pixels(path: Path, spacing: float) -> tuple[float, float, float]:
    """PSNR in dB: to exact pixels, to the nearest accepted filter, between the two least alike filters."""
    around = 60
    with hp.open_slide(path, spacing) as exact, hp.open_slide(path, spacing, pixels="scaled") as scaled:
        left, top = round(exact.size.width * 0.3), round(exact.size.height * 0.6)
        box = hp.Box(left, top, 1400, 1000)
        wanted, size = hp.Spacing.square(0.5), box.size_at(exact.spacing, hp.Spacing.square(0.5))
        seen, truth = scaled.read(box, wanted), exact.read(box, wanted)
        margin = hp.Size(1400 + 2 * around, 1000 + 2 * around)
        source = Image.fromarray(exact.stored(0, left - around, top - around, margin))
    inner = (around, around, around + 1400, around + 1000)
    accepted = [
        np.asarray(source.resize((size.width, size.height), getattr(Image.Resampling, name), box=inner))
        for name in FILTERS
    ]
    return (
        psnr(seen, truth),
        max(psnr(seen, a) for a in accepted),
        min(psnr(a, b) for a, b in combinations(accepted, 2)),
    )


def codes(path: Path, spacing: float, encoder: hp.Encoder) -> tuple[int, float, float]:
    """Cells with more than half tissue; the lowest and the median cosine of their codes, scaled to exact."""
    found = []
    for kind in ("exact", "scaled"):
        with hp.open_slide(path, spacing, pixels=kind) as slide:
            lattice = lay_lattice(slide, 0.5, 128, 0.0)
            if not found:
                mask = hp.mask_slide(slide, hp.TissueRecipe())
                cells, _ = select_cells(mask, lattice, slide.spacing, 0.5)
            found.append(encode(encoder, np.concatenate(list(read_tiles(slide, lattice, cells)))))
    a, b = (c / np.linalg.norm(c, axis=1, keepdims=True) for c in found)
    cosines = (a * b).sum(axis=1)
    return len(cosines), float(cosines.min()), float(np.median(cosines))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of development data")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    encoder = hp.load_encoder(f"nic:{arguments.data}/nic_encoder_weights/encoder_multitask-4.h5")
    rows = []
    for name in SLIDES:
        for spacing in SPACINGS:
            path = arguments.data / "wsi" / name
            exact, nearest, apart = pixels(path, spacing)
            cells, lowest, median = codes(path, spacing, encoder)
            rows.append(
                {
                    "slide": name, "um_per_px": str(spacing), "psnr_to_exact": round(exact, 1),
                    "psnr_to_nearest_filter": round(nearest, 1), "psnr_between_filters": round(apart, 1),
                    "cells": cells, "lowest_cosine": f"{lowest:.5f}", "median_cosine": f"{median:.5f}",
                }
            )  # fmt: skip
    report = Report("fidelity", rows)
    report.show()
    print(f"written: {report.save(arguments.results)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
