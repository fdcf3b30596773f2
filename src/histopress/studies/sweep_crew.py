"""Trials shared out: in this process, or to several, each of which may die and takes one trial with it.

Other processes and machines may work on the same folder; the lock of a trial tells who does it.
"""

from __future__ import annotations

import math
import os
import pickle
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Protocol

from histopress.core.errors import RunError
from histopress.studies.sweep_member import GRACE_SECONDS, Member
from histopress.studies.sweep_trial import Attempt, Trial, Work, attempt

LOOK_SECONDS = 0.2
"""How soon a trial that another process holds is looked at again; twice as long every time."""

LONGEST_LOOK_SECONDS = 30.0
POLL_SECONDS = 1.0


class Tell(Protocol):
    """Told what becomes of trials."""

    def ended(self, trial: Trial, attempt: Attempt) -> None:
        """A trial was done, found done, or failed."""

    def waits(self, held: int) -> None:
        """Nothing is left but so many trials that other processes hold."""


class Waiting:
    """Trials in their order; those that others hold are looked at again after a rest, before new ones."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._line, self._held = deque(trials), list[tuple[float, Trial]]()
        self._rests: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._line) + len(self._held)

    def take(self) -> Trial | None:
        """One whose rest is over, else the first of the line; none if all that are left rest."""
        due, trial = min(self._held, key=lambda held: held[0], default=(math.inf, None))
        if trial is not None and due <= time.monotonic():
            self._held.remove((due, trial))
            return trial
        return self._line.popleft() if self._line else None

    def put_back(self, trial: Trial) -> None:
        """Another process holds it."""
        rest = self._rests.get(trial.name, LOOK_SECONDS)
        self._rests[trial.name] = min(2 * rest, LONGEST_LOOK_SECONDS)
        self._held.append((time.monotonic() + rest, trial))


def run_here(trials: Sequence[Trial], work: Work, runs: Path, tell: Tell) -> None:
    """Do trials one after the other in this process.

    Args:
        trials: all of different names.
        work: does one.
        runs: folder of the folders of all trials.
        tell: what becomes of them.
    """
    waiting = Waiting(trials)
    while waiting:
        trial = waiting.take()
        if trial is None:
            tell.waits(len(waiting))
            time.sleep(LOOK_SECONDS)
        else:
            _note(trial, attempt(trial, work, runs / trial.name), waiting, tell)


def run_in_processes(trials: Sequence[Trial], work: Work, runs: Path, tell: Tell, processes: int) -> None:
    """Do trials in several processes, one each at a time.

    A process that dies fails the trial that it was at, and another takes its place. Ctrl-C, and any error
    here, ends all processes; they leave what they write whole or not at all.

    Args:
        trials: all of different names.
        work: a function of a module, as it is sent to the processes by its name.
        runs: folder of the folders of all trials.
        tell: what becomes of them.
        processes: at most.

    Raises:
        RunError: the work or its settings cannot be sent to other processes.
    """
    waiting, crew = Waiting(trials), _Crew(_sent(work, trials), runs)
    try:
        crew.start(_shares(min(processes, len(trials))))
        while waiting or crew.busy:
            crew.hand_out(waiting)
            if waiting and not crew.busy:
                tell.waits(len(waiting))
            for trial, found in crew.answers():
                _note(trial, found, waiting, tell)
    finally:
        crew.end()


def _note(trial: Trial, found: Attempt, waiting: Waiting, tell: Tell) -> None:
    if found.ending == "held":
        waiting.put_back(trial)
    else:
        tell.ended(trial, found)


def _sent(work: Work, trials: Sequence[Trial]) -> bytes:
    try:
        pickle.dumps(list(trials))
        return pickle.dumps(work)
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        raise RunError(
            f"the work of this sweep cannot be sent to other processes ({error}); define the function and "
            "its settings in a module, or use one process"
        ) from error


def _shares(processes: int) -> list[int]:
    """Threads for each of so many processes: the cores are dealt out, one at least."""
    mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    each, over = divmod(len(mine), processes)
    return [max(1, each + (place < over)) for place in range(processes)]


class _Crew:
    """The processes of a sweep."""

    def __init__(self, work: bytes, runs: Path) -> None:
        self._work, self._runs = work, runs
        self._members: list[Member] = []

    def start(self, shares: Sequence[int]) -> None:
        for threads in shares:
            self._members.append(Member(self._work, threads))

    @property
    def busy(self) -> list[Member]:
        return [member for member in self._members if member.trial is not None]

    def hand_out(self, waiting: Waiting) -> None:
        """Give a trial to everyone who has none; who is dead is replaced first."""
        for place, member in enumerate(self._members):
            trial = waiting.take() if member.trial is None else None
            if trial is not None:
                if not member.process.is_alive():
                    member.pipe.close()
                    self._members[place] = Member(self._work, member.threads)
                self._members[place].give(trial, self._runs / trial.name)

    def answers(self) -> Iterator[tuple[Trial, Attempt]]:
        """Wait a moment for answers, and for deaths, which a pipe that the dead one's children hold hides."""
        if not self.busy:
            time.sleep(LOOK_SECONDS)
        answered = wait([member.pipe for member in self.busy], POLL_SECONDS if self.busy else 0)
        for member in self.busy:
            if member.pipe in answered or not member.process.is_alive():
                trial, found = member.trial, member.answer()
                member.trial = None
                assert trial is not None
                yield trial, found

    def end(self) -> None:
        """End all processes: they are asked first, and have a moment to clear up."""
        for member in self._members:
            member.process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for member in self._members:
            member.end(deadline)
