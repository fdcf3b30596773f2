"""How long does it take from a slide to its features on disk? Whole processes, from start to exit.

    python benchmarks/extraction.py --data REAL.svs [--peers DIR] [--quick] [--encoders small,resnet50]

Every tool finds tissue, cuts 256 px tiles at 0.5 um/px and encodes them with the same weights, each as it
ships and with other numbers of workers and other batches. The first round runs all of these, later rounds the
default and the best of each tool. Tools keep slightly different tiles, so times are compared per tile.
"""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import measure
import numpy as np
import peers
import slides
from measure import HERE, MIB, Cost, MeasureError, Report, Series
from peers import Installed
from processes import run_measured

from histopress import load_encoder

OURS = "histopress"
AS_SHIPPED = "as shipped"
FIRST = "as shipped, first run on a machine"
"""Finds the fastest way to run the encoder, which later runs remember."""
COMPARED = ("fp32", "bf16")
"""Our variants that peers are compared with."""
TILE = 256
ALSO = ("timm", "openslide-bin", "wsidata", "hs2p", "cucim-cu12")
"""Further packages whose versions matter, where they are there."""

VARIANTS: dict[str, dict[str, tuple[str, ...]]] = {
    OURS: {
        "fp32": ("--precision", "fp32"),
        "bf16": ("--precision", "bf16"),
        "fp32, exact pixels": ("--precision", "fp32", "--pixels", "exact"),
        FIRST: ("--precision", "auto"),
    },
    "lazyslide": {AS_SHIPPED: (), "2 workers": ("--workers", "2")},
    "slide2vec": {AS_SHIPPED: (), "0 workers": ("--workers", "0"), "2 workers": ("--workers", "2")},
    "tiatoolbox": {
        AS_SHIPPED: (),
        "batch 32": ("--batch", "32"),
        "batch 32, 2 workers": ("--batch", "32", "--workers", "2"),
    },
}


@dataclass(frozen=True)
class Encoder:
    """An encoder as we and as the peers name it, and the slides it is run on."""

    ours: str
    peers: str
    slide: str
    quick_slide: str


def small(folder: Path, dim: int = 128) -> Path:
    """Five convolutions of stride 2 with weights drawn from seed 0, saved once."""
    from histopress.encoders.encoder import save_encoder
    from histopress.encoders.networks import StridedConvSettings
    from histopress.encoders.untrained import random_weights

    target = folder / f"small-{dim}"
    if not (target / "card.json").exists():
        settings = StridedConvSettings(tile=TILE, shrink=1, filters=(32, 64, 96, 128, 128), dim=dim)
        save_encoder(random_weights(0, settings, spacing=0.5, name=target.name), target)
    return target


def known(work: Path) -> dict[str, Encoder]:
    """The encoders that can be asked for."""
    folder = str(small(work / "encoders"))
    return {
        "small": Encoder(folder, folder, "a40", "t40"),
        "resnet50": Encoder(f"timm:resnet50,tile={TILE}", "timm:resnet50", "s40", "t40"),
    }


def commands(encoder: Encoder, slide: Path, tool: str, python: Path, output: Path) -> dict[str, list[str]]:
    """Variant -> command."""
    if tool == OURS:
        line = str(HERE / "workers" / "histopress_here.py")
        start = [str(python), line, "compress", str(slide), "-o", str(output)]
        start += ["--encoder", encoder.ours, "--device", "cpu"]
    else:
        script = HERE / "workers" / f"extract_{tool}.py"
        start = [str(python), str(script), encoder.peers, str(slide), str(output)]
    return {variant: [*start, *flags] for variant, flags in VARIANTS[tool].items()}


def extract(command: list[str], output: Path, cache: Path | None = None) -> Cost:
    """Run one extraction into an empty folder; `cache` is where histopress remembers the fastest way."""
    for folder in (output, output.with_name("no-cache")):
        shutil.rmtree(folder, ignore_errors=True)
    output.mkdir(parents=True)
    kept = cache or output.with_name("no-cache")
    cost, said = run_measured(command, HISTOPRESS_CACHE=str(kept))
    summary = output / "summary.json"
    facts = json.loads(summary.read_text() if summary.exists() else said.strip().splitlines()[-1])
    if not facts["tiles"]:
        raise MeasureError("no tile was encoded")
    files = (f for f in output.rglob("*") if f.is_file() and f.parent.name != "encoder")
    written = sum(f.stat().st_size for f in files)
    engine = facts.get("engine", {})
    how = " ".join(filter(None, (engine.get("precision"), engine.get("backend"), facts.get("reader"))))
    told = {"tiles": facts["tiles"], "written": written, "how": how}
    return Cost(cost.wall, cost.cpu, cost.peak, told)


def run_encoder(
    encoder: Encoder, given: Namespace, installed: dict[str, Installed]
) -> tuple[Series, dict[str, str]]:
    """All variants once, then for the remaining rounds the default and the best of each tool."""
    name = encoder.quick_slide if given.quick else encoder.slide
    slide = slides.find(name, given.data, given.work / "slides")
    tasks: dict[str, Callable[[], Cost]] = {}
    for tool in VARIANTS:
        output = given.work / "features" / tool
        if installed[tool].absent:
            continue
        for variant, command in commands(encoder, slide, tool, installed[tool].python, output).items():
            if given.quick and tool != OURS and variant != AS_SHIPPED:
                continue
            cache = None if variant == FIRST else given.work / "cache"
            tasks[f"{tool}, {variant}"] = partial(extract, command, output, cache)
    remember(encoder, tuple(VARIANTS[OURS]), given, installed[OURS].python)
    series, failed = measure.interleaved(tasks, 1)
    if given.rounds > 1:
        chosen = {name: tasks[name] for name in _worth_repeating(series)}
        more, failed_later = measure.interleaved(chosen, given.rounds - 1)
        series |= {name: series[name] + costs for name, costs in more.items()}
        failed |= failed_later
    return series, failed


def remember(encoder: Encoder, variants: tuple[str, ...], given: Namespace, python: Path) -> None:
    """Let histopress find the fastest way to run an encoder beforehand, as after a first slide.

    What fails here is no loss: it fails in its turn too, where the reason is kept.
    """
    slide = slides.find("t40", given.data, given.work / "slides")
    output = given.work / "features" / "before"
    known = commands(encoder, slide, OURS, python, output)
    for variant in variants:
        if variant != FIRST:
            with suppress(MeasureError):
                extract(known[variant], output, given.work / "cache")


def _worth_repeating(series: Series) -> list[str]:
    """Ours, and of each peer its default and its best."""
    chosen = [name for name in series if name.startswith(OURS) or name.endswith(AS_SHIPPED)]
    for tool in VARIANTS:
        own = [name for name in series if name.startswith(f"{tool},")]
        chosen += sorted(own, key=lambda name: series[name][0].wall)[:1]
    return list(dict.fromkeys(chosen))


def rows_of(encoder: str, series: Series) -> list[dict[str, Any]]:
    """One row a variant; ratios to ours are per tile and within a round, so over the rounds both ran in."""
    rows = []
    for name, costs in series.items():
        tiles = costs[-1].facts["tiles"]
        row: dict[str, Any] = {"encoder": encoder, "tool": name, "how": costs[-1].facts["how"]}
        row |= {"rounds": len(costs), "tiles": tiles}
        row |= {
            "wall s": measure.median(costs),
            "cpu s": measure.median(costs, "cpu"),
            "wall ms/tile": 1e3 * measure.median(costs) / tiles,
            "peak MiB": round(measure.median(costs, "peak") / MIB),
            "written MiB": round(costs[-1].facts["written"] / MIB, 2),
        }
        for precision in COMPARED:
            ours = series.get(f"{OURS}, {precision}")
            if ours:
                scale = ours[-1].facts["tiles"] / tiles
                pair = {"peer": costs, "ours": ours[: len(costs)]}
                ratio = measure.ratio(pair, "peer", "ours")
                row[f"per tile x {precision}"] = measure.told(tuple(scale * r for r in ratio))
        rows.append(row)
    return rows


def headlines_of(encoder: str, rows: list[dict[str, Any]]) -> dict[str, str]:
    """The best variant of each peer, per tile, against ours."""
    found = {}
    for tool in VARIANTS:
        own = [row for row in rows if row["tool"].startswith(f"{tool},")]
        if tool != OURS and own:
            best = min(own, key=lambda row: row["wall ms/tile"])
            for precision in COMPARED:
                what = f"{encoder}: {best['tool']} / ours {precision}, wall per tile"
                found[what] = best.get(f"per tile x {precision}", "not measured")
    return found


def check_codes(encoder: Encoder, installed: dict[str, Installed], work: Path) -> dict[str, float]:
    """How far the peers' codes of some tiles are from ours, as a share of the spread of codes."""
    from histopress.encoders.encoder import encode

    source, target = work / "tiles.npy", work / "codes.npy"
    tiles = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8).repeat(32, 1).repeat(32, 2)
    np.save(source, tiles)
    ours = encode(load_encoder(encoder.ours), tiles, device="cpu")
    found = {}
    for name, peer in installed.items():
        if not peer.absent and name != OURS:
            script = str(HERE / "workers" / "bare_encoders.py")
            run_measured([str(peer.python), script, encoder.peers, str(source), str(target)])
            found[name] = float(np.abs(np.load(target) - ours).max() / ours.std())
    return found


def main() -> None:
    parser = measure.arguments(__doc__.splitlines()[0])
    parser.add_argument("--encoders", default="small,resnet50", help="by comma")
    given = measure.settle(parser.parse_args())
    peers.needed(OURS, given.peers)
    installed = {name: peers.find(name, given.peers) for name in VARIANTS}
    versions = {name: peer.version("torch", name, *ALSO) for name, peer in installed.items()}
    for name, encoder in known(given.work).items():
        if name in given.encoders.split(","):
            different = check_codes(encoder, installed, given.work)
            series, failed = run_encoder(encoder, given, installed)
            rows = rows_of(name, series)
            absent = {tool: peer.absent for tool, peer in installed.items() if peer.absent} | failed
            facts = {"peer_versions": versions, "codes_differ_by_standard_deviations": different}
            measure.finish(Report(f"extraction_{name}", rows, absent, facts, headlines_of(name, rows)), given)


if __name__ == "__main__":
    main()
