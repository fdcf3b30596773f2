"""What the sweeps of these tests do: in a module of its own, which other processes import within a moment."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from histopress.core.files import whole
from histopress.studies.sweep import Trial, run_sweep

PATIENCE = 60.0
ATTEMPTS = "attempts.txt"


@dataclass(frozen=True)
class Settings:
    number: int
    task: str = "plain"


def attempts(folder: Path) -> int:
    return len((folder / ATTEMPTS).read_text().splitlines())


def work(settings: Settings, folder: Path) -> Mapping[str, int | float | str]:
    """Counts its attempts in its folder, then does what the settings ask for."""
    with (folder / ATTEMPTS).open("a") as file:
        file.write(f"{os.getpid()}\n")
    TASKS[settings.task](settings, folder)
    return {
        "test_accuracy": settings.number / 10,
        "outcome": "learned",
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
    }


def fail(settings: Settings, folder: Path) -> None:
    """Until somebody mends the sweep."""
    if not (folder.parent / "mended").exists():
        raise ValueError(f"number {settings.number} is broken")


def die_at_first(settings: Settings, folder: Path) -> None:
    """In the middle, as for want of memory; then goes on from there."""
    steps = folder / "steps.txt"
    if not steps.exists():
        steps.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    steps.write_text(steps.read_text() + " and half")


def wait_for_the_others(settings: Settings, folder: Path) -> None:
    until(lambda: len(list(folder.parent.glob("*/result.json"))) == 4)


def write_for_ever(settings: Settings, folder: Path) -> None:
    with whole(folder / "weights.bin") as partial:
        partial.write_bytes(b"half")
        time.sleep(PATIENCE)


TASKS: dict[str, Callable[[Settings, Path], None]] = {
    "plain": lambda settings, folder: None,
    "fail": fail,
    "die": die_at_first,
    "wait": wait_for_the_others,
    "write": write_for_ever,
}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what this test waits for does not come")
        time.sleep(0.02)


def trials(*tasks: str) -> list[Trial]:
    return [Trial(Settings(n, task), {"number": n, "control": ""}) for n, task in enumerate(tasks)]


def main(output: str, processes: str, *tasks: str) -> None:
    summary = run_sweep(trials(*tasks), work, Path(output), processes=int(processes))
    print(json.dumps(summary.facts))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    main(*sys.argv[1:])
