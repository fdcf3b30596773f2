"""Other processes: run and watched with all that they start, or kept waiting for questions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from measure import Cost, MeasureError

SAMPLE_SECONDS = 0.1
CHILDREN_EVERY = 10
"""Samples between two looks for new child processes, as those take milliseconds."""


def run_measured(command: Sequence[str], limit: float = 3600, **environ: str) -> tuple[Cost, str]:
    """Run a command to its end: wall from start to exit, CPU and peak memory of its process tree.

    Memory is the resident sets added up, so that pages which processes share count more than once.

    Returns:
        The cost, and what it printed to standard output.

    Raises:
        MeasureError: it failed, or took longer than `limit` s.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=errors, env={**os.environ, **environ}, start_new_session=True
        )
        watch = _Watch(process.pid)
        timer = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C does not reach a session of its own
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            wall = time.perf_counter() - start
            timer.cancel()
            peak = watch.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            last = (errors.read().strip() or output.read().strip() or "it said nothing").splitlines()[-1]
            raise MeasureError(f"exit code {process.returncode} after {wall:.0f} s: {last[-400:]}")
        return Cost(wall, used.ru_utime + used.ru_stime, peak), output.read()


class _Watch(threading.Thread):
    """Looks at the memory of a process and of all below it until told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.tree = [psutil.Process(pid)]
        self.peak, self.over = 0, threading.Event()
        self.start()

    def run(self) -> None:
        looks = 0
        while not self.over.wait(SAMPLE_SECONDS):
            if looks % CHILDREN_EVERY == 0:
                self.tree = self.tree[:1] + self._children()
            looks += 1
            self.peak = max(self.peak, sum(map(_resident, self.tree)))

    def _children(self) -> list[psutil.Process]:
        try:
            return self.tree[0].children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def stop(self) -> int:
        self.over.set()
        self.join()
        return self.peak


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


class Worker:
    """A process that answers questions, one JSON line each, so that environments take turns."""

    def __init__(self, python: Path | str, script: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [str(python), str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **question: Any) -> dict[str, Any]:
        """Ask and wait for the answer; raises MeasureError when it is an error, or there is none."""
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise MeasureError("the process has ended") from error
        line = self.process.stdout.readline()
        if not line:
            raise MeasureError(f"the process ended with code {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise MeasureError(answer["error"])
        return answer

    def close(self) -> None:
        """Let it end."""
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
