"""Does memory stay flat as slides grow? `histopress compress` on slides of 1, 4 and 16 gigapixels.

    python benchmarks/area.py --data REAL.svs [--gigapixels 1,4,16] [--encoder NAME] [--quick]

A process of its own for each slide; memory is the resident set of its whole process tree at the worst moment.
Compared is with the smallest slide: time should grow with the area, memory should not.
"""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from typing import Any

import measure
import peers
import slides
from extraction import OURS, Encoder, commands, extract, remember, small
from measure import MIB, Report, Series

VARIANT = "bf16"


def run(given: Namespace, areas: list[int]) -> tuple[Series, dict[str, str]]:
    """One task a slide."""
    name = given.encoder or str(small(given.work / "encoders"))
    python = peers.needed(OURS, given.peers)
    encoder = Encoder(name, "", "", "")
    remember(encoder, (VARIANT,), given, python)
    output, tasks = given.work / "features" / "area", {}
    for area in areas:
        slide = slides.find(f"{area}gpx", given.data, given.work / "slides")
        command = commands(encoder, slide, OURS, python, output)[VARIANT]
        tasks[slide.stem] = partial(extract, command, output, given.work / "cache")
    return measure.interleaved(tasks, given.rounds)


def rows_of(series: Series, given: Namespace) -> list[dict[str, Any]]:
    """One row a slide."""
    rows, first = [], next(iter(series), "")
    for name, costs in series.items():
        tiles, size = costs[-1].facts["tiles"], slides.GIGAPIXELS[int(name.removesuffix("gpx"))]
        file = (given.work / "slides" / f"{name}.svs").stat().st_size
        rows.append(
            {
                "slide": name,
                "gigapixels": size.width * size.height / 1e9,
                "file MiB": round(file / MIB),
                "tiles": tiles,
                "wall s": measure.median(costs),
                "cpu s": measure.median(costs, "cpu"),
                "tiles/s": tiles / measure.median(costs),
                "peak MiB": round(measure.median(costs, "peak") / MIB),
                f"peak x {first}": measure.told(measure.ratio(series, name, first, "peak")),
                f"wall x {first}": measure.told(measure.ratio(series, name, first)),
            }
        )
    return rows


def main() -> None:
    parser = measure.arguments(__doc__.splitlines()[0])
    parser.add_argument("--gigapixels", default="1,4,16", help="by comma")
    parser.add_argument("--encoder", help="instead of the small one, as `histopress compress` takes it")
    given = measure.settle(parser.parse_args())
    areas = [1] if given.quick else [int(area) for area in given.gigapixels.split(",")]
    series, failed = run(given, areas)
    rows = rows_of(series, given)
    headlines = {
        f"{row['slide']}: {column}": row[column] for row in rows for column in row if " x " in column
    }
    versions = peers.find(OURS, given.peers).version("torch", "openslide-bin")
    facts = {"precision": VARIANT, "rounds": given.rounds, "ours": versions}
    measure.finish(Report("area", rows, failed, facts, headlines), given)


if __name__ == "__main__":
    main()
