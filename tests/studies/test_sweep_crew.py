from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from histopress.studies import sweep_crew
from histopress.studies.sweep_crew import Waiting, _shares, run_here
from histopress.studies.sweep_trial import LOCK_FILE, Attempt, Trial


def test_cores_are_dealt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(7)), raising=False)
    assert [_shares(count) for count in (1, 3, 9)] == [[7], [3, 2, 2], [1] * 9]


def test_a_trial_that_is_held_rests_and_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(sweep_crew.time, "monotonic", lambda: now[0])
    first, second = Trial((1,), {}), Trial((2,), {})
    waiting = Waiting([first, second])
    assert waiting.take() is first
    waiting.put_back(first)
    assert waiting.take() is second
    assert (waiting.take(), len(waiting)) == (None, 1)
    now[0] += sweep_crew.LOOK_SECONDS
    assert waiting.take() is first
    waiting.put_back(first)
    now[0] += sweep_crew.LOOK_SECONDS
    assert waiting.take() is None, "it rests for longer the second time"
    now[0] += sweep_crew.LOOK_SECONDS
    assert waiting.take() is first


def test_what_others_did_is_seen_before_new_work_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(sweep_crew.time, "monotonic", lambda: now[0])
    trials = [Trial((number,), {}) for number in range(4)]
    waiting = Waiting(trials)
    for trial in trials[:2]:
        assert waiting.take() is trial
        waiting.put_back(trial)
    assert waiting.take() is trials[2]
    now[0] += 60  # the third is done meanwhile
    assert [waiting.take() for _ in range(4)] == [*trials[:2], trials[3], None]


def test_a_waiting_process_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_crew, "LOOK_SECONDS", 0.01)
    held, free = Trial((1,), {}), Trial((2,), {})
    (tmp_path / held.name).mkdir()
    lock = FileLock(tmp_path / held.name / LOCK_FILE)
    lock.acquire()
    told: list[object] = []

    class Tell:
        def ended(self, trial: Trial, attempt: Attempt) -> None:
            told.append((trial.settings, attempt.ending))

        def waits(self, held: int) -> None:
            told.append(held)
            lock.release()

    run_here([held, free], lambda settings, folder: {}, tmp_path, Tell())
    assert told[0] == ((2,), "done")
    assert set(told[1:-1]) == {1}
    assert told[-1] == ((1,), "done")
