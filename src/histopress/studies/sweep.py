"""A study as a list of trials: asked for twice, done once; resumed when it broke off; shared out to many.

A trial lies in `runs/<digest of its settings>/`: what it resumes from, `trial.json`, and `result.json` when
it is done. Several processes, and several machines that see the same folder, may work on one sweep: start the
same command on each.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histopress.core.errors import RecipeError
from histopress.core.failures import Failures
from histopress.core.progress import Progress, progress
from histopress.core.summary import Summary
from histopress.studies.sweep_crew import run_here, run_in_processes
from histopress.studies.sweep_trial import Attempt, Result, Trial, Work, is_done, read_result

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SweepSummary", "Trial", "Work", "run_sweep"]

RUNS = "runs"
WHOLE = 100
"""Units of the bar: percent."""


@dataclass(kw_only=True)
class SweepSummary(Summary):
    """What became of a sweep.

    Attributes:
        title: of the sweep.
        trials: asked for.
        runs: different ones among them.
        before: runs that were done already.
        now: runs done by this call.
        elsewhere: runs that others did meanwhile.
        seconds: that this call took.
        table: one row for every trial that is done; see `sweep_tables`.
    """

    title: str = ""
    trials: int = 0
    runs: int = 0
    before: int = 0
    now: int = 0
    elsewhere: int = 0
    seconds: float = 0.0
    table: pd.DataFrame | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """Counts; the results stand in `results.parquet`."""
        return {name: value for name, value in super().facts.items() if name != "table"}

    @property
    def done(self) -> int:
        """Runs that have their result."""
        return self.before + self.now + self.elsewhere

    @property
    def headline(self) -> str:
        """For people."""
        told = f"{self.done} of {self.runs} runs done ({self.before} before, {self.now} now"
        told += f", {self.elsewhere} by other processes)" if self.elsewhere else ")"
        if len(self.failures):
            told += f", {len(self.failures)} failed (see failures.csv)"
        lead = f"{self.title}: " if self.title else ""
        return f"{lead}{told}, in {span(self.seconds)}; results in {self.output}"


def run_sweep(
    trials: Sequence[Trial], work: Work, output: Path, *, processes: int = 1, title: str = ""
) -> SweepSummary:
    """Do all trials that are not done yet, in their order, and put all results into one table.

    A trial that fails is listed in `failures.csv`, stops no other, and is tried again by the next call.

    Args:
        trials: may hold the same settings under several axes; they are done once.
        work: (settings, folder) -> results by name: numbers and words. A function of a module, if there are
            several processes.
        output: folder of the sweep.
        processes: on this machine; 1 works in this one.
        title: of the sweep, for people.

    Returns:
        What became of it; also as `results.parquet`, `results.csv`, `summary.json` and `failures.csv`.

    Raises:
        RecipeError: there is nothing to do, a cost is not positive, or there is not one process.
        RunError: the work cannot be sent to other processes.
    """
    from histopress.studies.sweep_tables import as_table, write_table

    _check(trials, processes)
    start = time.monotonic()
    distinct = {trial.name: trial for trial in reversed(trials)}
    order = [distinct[name] for name in dict.fromkeys(trial.name for trial in trials)]
    left = [trial for trial in order if not is_done(output / RUNS / trial.name)]
    summary = SweepSummary(output=output, title=title, trials=len(trials), runs=len(order))
    summary.before = len(order) - len(left)
    if left:
        with progress(title or "sweep", WHOLE, "%") as bar:
            _share_out(left, work, output / RUNS, processes, _Told(summary, bar, left))
    results = _results(order, output / RUNS, summary.failures)
    summary.table = as_table(trials, results)
    summary.seconds = round(time.monotonic() - start, 3)
    write_table(summary.table, output)
    summary.write()
    return summary


def _check(trials: Sequence[Trial], processes: int) -> None:
    if not trials:
        raise RecipeError("a sweep of no trials, expected one or more; name values for its axes")
    if processes < 1:
        raise RecipeError(f"{processes} processes, expected 1 or more; change it")
    for trial in trials:
        if not 0 < trial.cost < float("inf"):
            raise RecipeError(f"{trial.title}: cost {trial.cost}, expected more than 0; change it")


def _share_out(left: Sequence[Trial], work: Work, runs: Path, processes: int, told: _Told) -> None:
    if processes == 1:
        run_here(left, work, runs, told)
    else:
        run_in_processes(left, work, runs, told, processes)


def _results(trials: Iterable[Trial], runs: Path, failures: Failures) -> dict[str, Result]:
    """Those that are there by now; what failed here and was done by others is no failure."""
    done = [trial for trial in trials if is_done(runs / trial.name)]
    titles = {trial.title for trial in done}
    failures.items = [failure for failure in failures if failure.item not in titles]
    found: dict[str, Result] = {}
    for trial in done:
        with failures.attempt(trial.title):
            found[trial.name] = read_result(runs / trial.name)
    return found


class _Told:
    """Counts what becomes of trials, and shows how far the sweep has come, by cost.

    What was done before counts neither as work nor as time.
    """

    def __init__(self, summary: SweepSummary, bar: Progress, left: Sequence[Trial]) -> None:
        self._summary, self._bar = summary, bar
        self._total, self._spent, self._shown = sum(trial.cost for trial in left), 0.0, 0
        self._start = time.monotonic()

    def ended(self, trial: Trial, attempt: Attempt) -> None:
        """Count one trial."""
        self._summary.now += attempt.ending == "done"
        self._summary.elsewhere += attempt.ending == "found"
        if attempt.failure is not None:
            self._summary.failures.items.append(attempt.failure)
        self._spent += trial.cost
        shown = round(WHOLE * self._spent / self._total)
        self._bar.advance(shown - self._shown, self._note())
        self._shown = shown

    def waits(self, held: int) -> None:
        """Say that there is nothing to do but to wait."""
        runs = "1 run that another process holds" if held == 1 else f"{held} runs that other processes hold"
        self._bar.advance(0, f"waiting for {runs}")

    def _note(self) -> str:
        failed = len(self._summary.failures)
        told = f"{self._summary.done} of {self._summary.runs} runs" + (f", {failed} failed" if failed else "")
        left = (time.monotonic() - self._start) * (self._total / self._spent - 1)
        return f"{told}, about {span(left)} left" if left >= 1 else told


def span(seconds: float) -> str:
    """A length of time in words, such as 3 h 20 min."""
    minutes, hours, days = round(seconds / 60), round(seconds / 3600), seconds / 86400
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{int(days)} d {int(days % 1 * 24)} h"
