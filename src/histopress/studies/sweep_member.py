"""A process of a sweep: does one trial at a time, and leaves only whole files, whatever ends it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from histopress.core.children import deaf_to_ctrl_c, end_with_parent
from histopress.core.errors import RunError
from histopress.core.failures import Failures
from histopress.core.progress import set_up_logging
from histopress.studies.sweep_trial import Attempt, Trial, Value, Work, attempt

GRACE_SECONDS = 5.0


class Member:
    """A process that does one trial at a time.

    Attributes:
        process: may be dead.
        pipe: has something to read when an attempt has ended.
        trial: that it is at.
        threads: that it may use.
    """

    def __init__(self, work: bytes, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.threads = threads
        self.trial: Trial | None = None
        self.process = context.Process(target=_serve, args=(theirs, work, threads), name="sweep")
        with deaf_to_ctrl_c():
            self.process.start()
        theirs.close()

    def give(self, trial: Trial, folder: Path) -> None:
        """Have it do a trial in a folder."""
        self.trial = trial
        try:
            self.pipe.send((trial, folder))
        except BrokenPipeError:
            return  # it died just now: `answer` tells

    def answer(self) -> Attempt:
        """How the attempt ended; the process has answered or is dead."""
        assert self.trial is not None
        try:
            found = self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, ConnectionResetError):
            found = None
        return found if isinstance(found, Attempt) else self._died(self.trial)

    def end(self, deadline: float) -> None:
        """Wait until it has ended, or end it by force when `time.monotonic()` passes the deadline."""
        self.process.join(max(0.0, deadline - time.monotonic()))
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()

    def _died(self, trial: Trial) -> Attempt:
        self.process.join(GRACE_SECONDS)
        code = self.process.exitcode or 0
        how = signal.strsignal(-code) if code < 0 else f"exit code {code}"
        error = RunError(
            f"the process that did it died ({how}), perhaps out of memory; run again to take it up where it "
            "stopped, with fewer processes if memory was short"
        )
        failures = Failures()
        failures.add(trial.title, error)
        return Attempt("failed", failures.items[0])


def _serve(pipe: Connection, work: bytes, threads: int) -> None:
    """What each process does: trials, until it is ended."""
    end_with_parent()
    signal.signal(signal.SIGTERM, _leave)
    _share_cores(threads)
    set_up_logging()
    while True:
        trial, folder = pipe.recv()
        pipe.send(attempt(trial, _Unpacked(work), folder))


@dataclass(frozen=True)
class _Unpacked:
    """Work that is imported when it is called: the threads are counted out by then."""

    packed: bytes

    def __call__(self, settings: Any, folder: Path) -> Mapping[str, Value]:
        work: Work = pickle.loads(self.packed)
        return work(settings, folder)


def _share_cores(threads: int) -> None:
    """Use so many threads, unless the user has said how many."""
    if "OMP_NUM_THREADS" in os.environ:
        return
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _leave(*_: Any) -> None:
    """As an error that nobody catches, so that half-written files are taken away."""
    sys.exit(1)
