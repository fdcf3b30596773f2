"""Processes that serve another one: deaf to Ctrl-C, which is for their parent, and gone when it is gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started in this block never see Ctrl-C: it is for their parent, which ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Called in a child: it ends as soon as the process that started it is gone, however that ended."""
    Thread(target=_outlive, name="parent", daemon=True).start()


def _outlive() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
