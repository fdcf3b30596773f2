"""Manners for Lightning while it trains: repeatable, silent, and out of the way of Ctrl-C."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning


@contextmanager
def deterministic_kernels() -> Iterator[None]:
    """Let cuDNN use only kernels that answer the same every time."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what Lightning says about itself: banners, advice on workers, its own deprecations."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PossibleUserWarning)
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"lightning\.")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C leave as KeyboardInterrupt; Lightning makes an exit of it and ignores the next ones."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from stop
