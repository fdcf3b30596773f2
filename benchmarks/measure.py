"""How the benchmarks measure: interleaved rounds, ratios within a round, one table and one JSON each.

Wall times of a shared machine drift; what is run in the same round drifts alike. Everything is therefore run
in turns, and compared by the median over rounds of the ratio within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import signal
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from histopress.core.run import environment

HERE = Path(__file__).parent
MIB = 1 << 20


class MeasureError(Exception):
    """Something that was to be measured did not run; says why."""


@dataclass(frozen=True)
class Cost:
    """What one run took.

    Attributes:
        wall: s.
        cpu: s of processor time, of child processes too.
        peak: bytes of memory at the worst moment, of the whole process tree; 0 where it was not looked at.
        facts: whatever the run tells of itself.
    """

    wall: float
    cpu: float
    peak: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


Series = dict[str, list[Cost]]
"""Name -> costs, one a round."""


def interleaved(tasks: Mapping[str, Callable[[], Cost]], rounds: int) -> tuple[Series, dict[str, str]]:
    """Run every task once a round, each round beginning with another; a task that fails is left out.

    Returns:
        Costs of the tasks that ran in every round, and for the others why not.
    """
    series: Series = {name: [] for name in tasks}
    failed: dict[str, str] = {}
    names = list(tasks)
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            if name in failed:
                continue
            try:
                cost = tasks[name]()
            except MeasureError as error:
                failed[name] = str(error)
                del series[name]
            else:
                series[name].append(cost)
                print(f"  {name}: {cost.wall:.2f} s", file=sys.stderr, flush=True)
    return series, failed


def median(costs: Iterable[Cost], of: str = "wall") -> float:
    """Median over rounds of "wall", "cpu" or "peak"."""
    return statistics.median(getattr(cost, of) for cost in costs)


def ratio(series: Series, over: str, under: str, of: str = "wall") -> tuple[float, float, float]:
    """Median, smallest and largest over rounds of the ratio within a round."""
    pairs = zip(series[over], series[under], strict=True)
    ratios = [getattr(a, of) / getattr(b, of) for a, b in pairs]
    return statistics.median(ratios), min(ratios), max(ratios)


def told(values: tuple[float, float, float]) -> str:
    """A ratio with its range."""
    return f"{values[0]:.2f} ({values[1]:.2f}-{values[2]:.2f})"


@dataclass(frozen=True)
class Report:
    """What a benchmark found.

    Attributes:
        name: of the benchmark and of its file.
        rows: plain values by column.
        absent: what could not be measured, and why.
        facts: what else belongs into the file, such as versions.
        headlines: the few ratios that sum it up, in words.
    """

    name: str
    rows: list[dict[str, Any]]
    absent: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    headlines: dict[str, str] = field(default_factory=dict)

    def show(self) -> None:
        """Print a table."""
        console = Console(width=None if sys.stdout.isatty() else 200)
        console.print(table(self.name, self.rows))
        for name, reason in self.absent.items():
            console.print(f"absent: {name}: {reason}", markup=False)

    def save(self, folder: Path) -> Path:
        """Write it as JSON with the machine, the versions and the command."""
        content = {
            "command": shlex.join(["python", *map(_without_folders, sys.argv)]),
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": environment(),
            **self.facts,
            "headlines": self.headlines,
            "absent": self.absent,
            "rows": self.rows,
        }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(content, indent=1) + "\n")
        return path


def _without_folders(argument: str) -> str:
    """An absolute path as its name alone: where things lie on one machine is nobody else's concern."""
    return Path(argument).name if argument.startswith("/") else argument


def table(title: str, rows: list[dict[str, Any]]) -> Table:
    """Rows of values by column, ready to print."""
    made = Table(title=title, title_justify="left")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        made.add_column(column, justify="right" if _is_number(rows, column) else "left")
    for row in rows:
        made.add_row(*(_shown(row.get(column)) for column in columns))
    return made


def _is_number(rows: list[dict[str, Any]], column: str) -> bool:
    return any(isinstance(row.get(column), int | float) for row in rows)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return "" if value is None else str(value)


def machine() -> dict[str, Any]:
    """What was measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    wanted = {"avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8"}
    return {
        "processor": facts.get("model name", platform.processor()),
        "instructions": sorted(wanted & set(facts.get("flags", "").split())),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30), 1),
        "system": platform.platform(),
        "load_average": os.getloadavg(),
    }


def arguments(description: str) -> argparse.ArgumentParser:
    """The flags that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="a real slide, cmu-1-small-region.svs")
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="slides and outputs")
    parser.add_argument("--peers", type=Path, default=Path("build/peers"), help="environments of the peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="little work, one round: does it run?")
    parser.add_argument("--results", type=Path, help="folder for JSON; benchmarks/results, if not quick")
    return parser


def settle(given: argparse.Namespace) -> argparse.Namespace:
    """Flags with what follows from them: absolute paths, one round when quick, where results go.

    Being told to end is made an exception, so that processes which were started are ended too.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given.rounds = 1 if given.quick else given.rounds
    given.results = given.results or (given.work / "results" if given.quick else HERE / "results")
    for name in ("data", "work", "peers", "results"):
        setattr(given, name, getattr(given, name).resolve())
    return given


def finish(report: Report, given: argparse.Namespace) -> None:
    """Print and save."""
    report.show()
    print(f"written: {report.save(given.results)}", flush=True)
