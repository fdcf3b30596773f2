"""Processes on this machine that train together, started here where neither torchrun nor SLURM did."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing import get_start_method, set_start_method
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing import get_context
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes

from histopress.core.errors import HistopressError, RunError
from histopress.core.progress import Progress

POLL_SECONDS = 0.2
GRACE_SECONDS = 2.0


class Mute:
    """Progress that nobody is to see."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Say nothing."""

    def expect(self, total: int) -> None:
        """Say nothing."""


class Told(Mute):
    """Progress that is told to the process that started this one."""

    def __init__(self, messages: Any) -> None:
        self.messages = messages

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Pass it on."""
        self.messages.put((amount, note))


@dataclass(frozen=True)
class _Group:
    """What each process is told."""

    processes: int
    backend: str
    folder: Path
    messages: Any
    train: Callable[[Any, Progress], None]
    work: bytes
    workers: str


def spawn(
    train: Callable[[Any, Progress], None], work: Any, processes: int, backend: str, bar: Progress
) -> None:
    """Run `train(work, bar)` in so many processes that form one group, and wait for all of them.

    They meet through a file and talk over the loopback alone, so that no port is open to the network.

    Args:
        train: a function of a module.
        work: a copy for each process.
        processes: on this machine.
        backend: of torch.distributed, gloo or nccl.
        bar: told what the first process tells.

    Raises:
        RunError: the work cannot be sent to processes, or one of them died.
        HistopressError: whatever kind the first process that failed raised; errors of other families come
            as torch's ProcessRaisedException with their traceback.
    """
    with tempfile.TemporaryDirectory(prefix="histopress-") as folder:
        messages = get_context("spawn").SimpleQueue()
        try:
            # as plain bytes: tensors in shared memory may be gone before a process opens them
            sent = pickle.dumps(work)
            group = _Group(processes, backend, Path(folder), messages, train, sent, get_start_method())
            running = start_processes(_rank, (group,), processes, join=False)  # type: ignore[no-untyped-call]
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            raise RunError(
                f"learner and loaders cannot be sent to other processes ({error}); define their classes and "
                f"functions in a module, or start the training with torchrun"
            ) from error
        try:
            _wait(running, messages, bar)
        finally:
            _end(running.processes)


def _wait(running: Any, messages: Any, bar: Progress) -> None:
    """Pass on what the processes tell, until all are done or one has failed."""
    try:
        done = False
        while not done:
            done = running.join(timeout=POLL_SECONDS)
            _pass_on(messages, bar)
    except ProcessExitedException as error:
        _pass_on(messages, bar)
        raise RunError(f"process {error.error_index} of the training died: {error}") from error
    except ProcessRaisedException:
        _pass_on(messages, bar)
        raise


def _end(processes: Iterable[Any]) -> None:
    """Give processes that still run time to leave whole files behind, then end them."""
    for process in processes:
        process.join(GRACE_SECONDS)
        process.terminate()
        process.join()


def _pass_on(messages: Any, bar: Progress) -> None:
    while not messages.empty():
        message = messages.get()
        if isinstance(message, BaseException):
            raise message
        bar.advance(*message)


def _rank(rank: int, group: _Group) -> None:
    """One of the processes."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    for library in ("GLOO", "NCCL"):
        os.environ.setdefault(f"{library}_SOCKET_IFNAME", loopback)
    set_start_method(
        group.workers, force=True
    )  # loaders start their workers as they would have in the parent
    torch.set_num_threads(max(1, torch.get_num_threads() // group.processes))
    meeting = (group.folder / "meeting").as_uri()
    torch.distributed.init_process_group(
        group.backend, init_method=meeting, rank=rank, world_size=group.processes
    )
    try:
        group.train(pickle.loads(group.work), Mute() if rank else Told(group.messages))
    except HistopressError as error:
        group.messages.put(error)
        raise
    except KeyboardInterrupt as interrupt:
        group.messages.put(interrupt)
        sys.exit(1)
    finally:
        torch.distributed.destroy_process_group()
