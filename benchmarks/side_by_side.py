"""All benchmarks of speed and size beside those of other tools, in one go.

    python benchmarks/side_by_side.py --data REAL.svs [--work DIR] [--peers DIR] [--only PART,...] [--quick]

Each part runs by itself, prints its table and writes its JSON; what it says in few words stands at the end.
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import measure
import peers
from measure import HERE, Report

PARTS = ("engines", "training", "reading", "extraction", "area", "grid_size")
FILES = {"training": "encoder_training"}
"""Script and results of a part, where they are not called as the part is."""

ALONE = {"engines", "training"}
"""Parts that need no environments of other tools."""

SHARED = ("data", "work", "peers", "rounds", "results")
"""Flags that are handed on to the parts."""


def command(part: str, given: Namespace) -> list[str]:
    """How a part is run."""
    start = [sys.executable, str(HERE / f"{FILES.get(part, part)}.py")]
    if part == "engines":  # needs neither slides nor peers
        few = ["--seconds", "1", "--only", "small conv, 128"] if given.quick else []
        return [*start, "-o", str(given.results / "engines.json"), *few]
    flags = [word for flag in SHARED for word in (f"--{flag}", str(getattr(given, flag)))]
    return [*start, *flags, *["--quick"] * given.quick]


def run(part: str, given: Namespace) -> str:
    """Run one part; gives the reason if it failed."""
    print(f"\n{part}", flush=True)
    code = subprocess.run(command(part, given), check=False).returncode
    return f"exit code {code}; its own words stand above" if code else ""


def headlines(part: str, path: Path) -> list[dict[str, str]]:
    """What a part wrote, in few words."""
    found: dict[str, Any] = json.loads(path.read_text())
    said = _of_engines(found["rows"]) if part == "engines" else found["headlines"]
    return [{"part": part, "what": what, "ratio": ratio} for what, ratio in said.items()]


def _of_engines(rows: list[dict[str, Any]]) -> dict[str, str]:
    """For each network the fastest engine of each precision, against the plain encoder."""
    best: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["ratio"]):
        if not row["engine"].startswith("plain"):
            best[f"{row['network']}, {row['engine'].split()[-1]}"] = row
    return {f"{name}: {row['engine']} / plain, tiles/s": f"{row['ratio']:.2f}" for name, row in best.items()}


def main() -> None:
    parser = measure.arguments(__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help="parts, by comma")
    given = measure.settle(parser.parse_args())
    parts = given.only.split(",")
    found = [peers.find(name, given.peers) for name in peers.PEERS if set(parts) - ALONE]
    absent = {one.peer.name: one.absent for one in found if one.absent}
    rows: list[dict[str, str]] = []
    for part in parts:
        reason = run(part, given)
        if reason:
            absent[part] = reason
        else:
            for path in sorted(given.results.glob(f"{FILES.get(part, part)}*.json")):
                rows += headlines(part, path)
    measure.finish(Report("side_by_side", rows, absent, {"quick": given.quick}), given)
    sys.exit(any(part in absent for part in PARTS))


if __name__ == "__main__":
    main()
