"""One trial of a sweep in its folder: locked while it is done, taken up where it stopped, whole or absent."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from histopress.core.errors import RunError
from histopress.core.failures import Failure, Failures
from histopress.core.files import write_whole
from histopress.core.recipe import digest, plain
from histopress.core.run import environment

TRIAL_FILE = "trial.json"
RESULT_FILE = "result.json"
LOCK_FILE = ".lock"

Value = int | float | str
Work = Callable[[Any, Path], Mapping[str, Value]]
"""(settings, folder) -> results by name; keeps what it resumes from in the folder, and shows no progress."""

Ending = Literal["done", "found", "held", "failed"]


@dataclass(frozen=True)
class Trial:
    """One setting of a sweep.

    Attributes:
        settings: a frozen dataclass of plain values; all that shapes the result, the seed included.
        axes: where the trial stands in tables and figures; `replicate` counts repeats of one setting that
            differ in their seeds, `control` is empty for a real trial, or permuted or noise.
        cost: of the trial beside the others, in any unit, such as pictures seen times pixels; more than 0.
    """

    settings: Any
    axes: Mapping[str, Value]
    cost: float = 1.0

    @property
    def name(self) -> str:
        """Digest of all settings: of the same name is what need not be done again."""
        return digest(self.settings)

    @property
    def title(self) -> str:
        """Name and axes, for people."""
        told = ", ".join(f"{axis} {value}" for axis, value in self.axes.items() if value != "")
        return f"{self.name} ({told})" if told else self.name


@dataclass(frozen=True)
class Attempt:
    """How an attempt at a trial ended.

    Attributes:
        ending: done now; found, as others had done it; held by another process; or failed.
        failure: why, if it failed.
    """

    ending: Ending
    failure: Failure | None = None


@dataclass(frozen=True)
class Result:
    """What came of a trial.

    Attributes:
        values: by name; None for numbers that are not finite.
        seconds: that the attempt took which finished it.
    """

    values: Mapping[str, Value | None]
    seconds: float


def attempt(trial: Trial, work: Work, folder: Path) -> Attempt:
    """Do a trial, unless it is done or another process holds it; whatever goes wrong is told, not raised.

    Args:
        trial: to do.
        work: does it.
        folder: of this trial alone.
    """
    failures = Failures()
    ending: Ending = "failed"
    with failures.attempt(trial.title):
        ending = _attempt(trial, work, folder)
    return Attempt(ending, next(iter(failures), None))


def _attempt(trial: Trial, work: Work, folder: Path) -> Ending:
    if is_done(folder):
        return "found"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE)  # of the system: it ends with the process that holds it
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return "held"
    try:
        if is_done(folder):
            return "found"
        _do(trial, work, folder)
    finally:
        lock.release()
    return "done"


def _do(trial: Trial, work: Work, folder: Path) -> None:
    record = {
        "digest": trial.name,
        "settings": plain(trial.settings),
        "axes": plain(dict(trial.axes)),
        "environment": environment(),
    }
    write_whole(folder / TRIAL_FILE, json.dumps(record, indent=2) + "\n")
    start = time.monotonic()
    values = _checked(work(trial.settings, folder))
    seconds = round(time.monotonic() - start, 3)
    told = {"digest": trial.name, "seconds": seconds, "results": values}
    write_whole(folder / RESULT_FILE, json.dumps(told, indent=2, allow_nan=False) + "\n")


def _checked(results: Mapping[str, Any]) -> dict[str, Value | None]:
    return {str(name): _plain_value(str(name), value) for name, value in results.items()}


def _plain_value(name: str, value: Any) -> Value | None:
    if isinstance(value, str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    raise RunError(
        f"result {name} is {value!r} of type {type(value).__name__}, expected a number or a word; "
        "change what the work of this sweep returns"
    )


def is_done(folder: Path) -> bool:
    """Whether the trial of this folder has its result."""
    return (folder / RESULT_FILE).exists()


def read_result(folder: Path) -> Result:
    """The result of a trial that is done.

    Raises:
        RunError: the file is damaged.
    """
    try:
        told = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
        return Result(dict(told["results"]), float(told["seconds"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{folder / RESULT_FILE} cannot be read ({type(error).__name__}: {error}); "
            "delete it and run again"
        ) from error
