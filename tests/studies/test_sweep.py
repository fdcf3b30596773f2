from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from histopress.core.errors import RecipeError, RunError
from histopress.core.recipe import digest
from histopress.studies.sweep import SweepSummary, Trial, _Told, run_sweep, span
from histopress.studies.sweep_trial import Attempt

HERE = Path(__file__).parent


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the work, where other processes find it too."""
    monkeypatch.syspath_prepend(str(HERE))
    return importlib.import_module("sweep_work")


def start(output: Path, processes: int, *tasks: str) -> subprocess.Popen[str]:
    """The same sweep in another process."""
    command = [sys.executable, str(HERE / "sweep_work.py"), str(output), str(processes), *tasks]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_asking_twice_runs_nothing(tmp_path: Path, sweep: Any) -> None:
    asked = sweep.trials("plain", "plain", "plain")
    first, second = (run_sweep(asked, sweep.work, tmp_path, title="numbers") for _ in range(2))
    assert (first.before, first.now, second.before, second.now) == (0, 3, 3, 0)
    assert {sweep.attempts(tmp_path / "runs" / digest(trial.settings)) for trial in asked} == {1}
    pd.testing.assert_frame_equal(first.table, second.table)
    assert second.headline.startswith("numbers: 3 of 3 runs done (3 before, 0 now), in ")
    assert json.loads((tmp_path / "summary.json").read_text()) == second.facts
    record = json.loads((tmp_path / "runs" / asked[1].name / "trial.json").read_text())
    assert record["settings"] == {"number": 1, "task": "plain"}
    assert record["axes"] == {"number": 1, "control": ""}


def test_equal_settings_are_done_once_and_stand_in_all_their_rows(tmp_path: Path, sweep: Any) -> None:
    settings = [sweep.Settings(1), sweep.Settings(2), sweep.Settings(1)]
    asked = [Trial(s, {"figure": f, "number": s.number}) for s, f in zip(settings, "aab", strict=True)]
    summary = run_sweep(asked, sweep.work, tmp_path)
    assert (summary.trials, summary.runs, summary.now) == (3, 2, 2)
    table = pd.read_parquet(tmp_path / "results.parquet")
    assert table["figure"].tolist() == ["a", "a", "b"]
    assert table["test_accuracy"].tolist() == [0.1, 0.2, 0.1]
    assert sweep.attempts(tmp_path / "runs" / asked[0].name) == 1


def test_trials_are_done_in_their_order(tmp_path: Path) -> None:
    order: list[int] = []

    def work(settings: tuple[int], folder: Path) -> dict[str, int]:
        order.append(settings[0])
        return {}

    run_sweep([Trial((n,), {}) for n in (3, 1, 2, 1)], work, tmp_path)
    assert order == [3, 1, 2]


def test_a_failing_trial_is_listed_and_tried_again(tmp_path: Path, sweep: Any) -> None:
    asked = sweep.trials("plain", "fail", "plain")
    summary = run_sweep(asked, sweep.work, tmp_path)
    assert summary.table is not None
    assert summary.table["number"].tolist() == [0, 2]
    listed = pd.read_csv(tmp_path / "failures.csv")
    assert listed["slide"].tolist() == [f"{asked[1].name} (number 1)"]
    assert "number 1 is broken" in listed["reason"][0]
    assert "1 failed" in summary.headline
    (tmp_path / "runs" / "mended").touch()
    again = run_sweep(asked, sweep.work, tmp_path)
    assert (again.before, again.now, len(again.failures)) == (2, 1, 0)
    assert pd.read_csv(tmp_path / "failures.csv").empty


def test_a_process_that_is_killed_takes_one_trial_with_it_which_is_resumed(
    tmp_path: Path, sweep: Any
) -> None:
    asked = sweep.trials("plain", "die", "plain", "fail", "plain")
    summary = run_sweep(asked, sweep.work, tmp_path, processes=2)
    assert (summary.now, len(summary.failures)) == (3, 2)
    reasons = {failure.item: failure.reason for failure in summary.failures}
    assert "died (Killed)" in reasons[asked[1].title]
    assert "number 3 is broken" in reasons[asked[3].title]
    (tmp_path / "runs" / "mended").touch()
    again = run_sweep(asked, sweep.work, tmp_path)
    assert (again.now, len(again.failures)) == (2, 0)
    assert [sweep.attempts(tmp_path / "runs" / trial.name) for trial in asked] == [1, 2, 1, 2, 1]
    assert (tmp_path / "runs" / asked[1].name / "steps.txt").read_text() == "half and half"


def test_two_processes_on_one_folder_do_each_trial_once(tmp_path: Path, sweep: Any) -> None:
    tasks = ("wait", "plain", "plain", "plain", "plain")
    other = start(tmp_path, 1, *tasks)
    summary = run_sweep(sweep.trials(*tasks), sweep.work, tmp_path)
    told, errors = other.communicate(timeout=sweep.PATIENCE)
    assert other.returncode == 0, errors
    facts = json.loads(told)
    assert sorted([summary.now, facts["now"]]) == [1, 4]
    assert summary.now + summary.elsewhere + summary.before == 5
    assert facts["now"] + facts["elsewhere"] + facts["before"] == 5
    assert {sweep.attempts(folder) for folder in (tmp_path / "runs").iterdir()} == {1}
    assert len(pd.read_csv(tmp_path / "results.csv")) == 5


def test_ctrl_c_ends_all_processes_and_leaves_whole_files(tmp_path: Path, sweep: Any) -> None:
    running = start(tmp_path, 2, "write", "write", "write")
    sweep.until(lambda: len(list(tmp_path.glob("runs/*/.weights*.partial*"))) == 2)
    children = [int(p.read_text()) for p in tmp_path.glob("runs/*/attempts.txt")]
    running.send_signal(signal.SIGINT)
    try:
        running.communicate(timeout=sweep.PATIENCE)
    finally:
        running.kill()
    assert running.returncode != 0
    assert len(set(children)) == 2
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {"attempts.txt", "trial.json", ".lock"}


@pytest.mark.parametrize(
    ("trials", "processes", "message"),
    [([], 1, "no trials"), ([Trial((), {})], 0, "0 processes"), ([Trial((), {}, cost=0)], 1, "cost 0")],
)
def test_what_cannot_be_asked_for(tmp_path: Path, trials: list[Trial], processes: int, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        run_sweep(trials, lambda settings, folder: {}, tmp_path, processes=processes)


def test_work_that_other_processes_cannot_import(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="in a module, or use one process"):
        run_sweep([Trial((), {})], lambda settings, folder: {}, tmp_path, processes=2)


@dataclass
class Bar:
    """Notes what it is told."""

    done: int = 0
    note: str = ""

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.done += amount
        self.note = note

    def expect(self, total: int) -> None:
        raise AssertionError(total)


def test_progress_counts_by_cost_and_takes_no_time_for_what_was_done_before(tmp_path: Path) -> None:
    left = [Trial((n,), {}, cost=cost) for n, cost in enumerate((1.0, 3.0, 4.0))]
    summary, bar = SweepSummary(output=tmp_path, runs=9, before=6), Bar()
    told, seen = _Told(summary, bar, left), []
    for trial, ending in zip(left, ("done", "found", "done"), strict=True):
        told.ended(trial, Attempt(ending))  # type: ignore[arg-type]
        seen.append(bar.done)
    assert seen == [12, 50, 100]
    assert bar.note == "9 of 9 runs"
    assert (summary.now, summary.elsewhere) == (2, 1)
    told.waits(2)
    assert bar.note == "waiting for 2 runs that other processes hold"


def test_lengths_of_time() -> None:
    words = [span(seconds) for seconds in (0.3, 42, 90, 3600, 12_000, 200_000)]
    assert words == ["0.3 s", "42 s", "2 min", "1 h 0 min", "3 h 20 min", "2 d 7 h"]
