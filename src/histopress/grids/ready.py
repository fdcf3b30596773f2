"""A slide that is ready to be encoded, what became of one, and a clock for what lies between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histopress.core.errors import UnreadableSlideError
from histopress.core.failures import stage
from histopress.core.location import State, state_of
from histopress.data.slide import Slide
from histopress.grids.grid import GridHeader
from histopress.grids.jobs import Job


@dataclass(frozen=True)
class Done:
    """What became of one slide.

    Attributes:
        tiles: of its grid.
        skipped: whether its grid was there already.
        left_out: cells that touch damaged parts of the slide.
        encode_seconds: that the encoder was busy.
        wait_seconds: that it waited for tiles.
    """

    tiles: int
    skipped: bool
    left_out: int = 0
    encode_seconds: float = 0.0
    wait_seconds: float = 0.0

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class Ready:
    """A slide that is open, locked, and known by its cells."""

    job: Job
    slide: Slide
    state: State
    header: GridHeader
    cells: NDArray[np.int32]
    tissue: NDArray[np.float32]
    held: ExitStack

    def check_unchanged(self) -> None:
        """Make sure that all pixels read so far are those of the file that was opened.

        Raises:
            UnreadableSlideError: its size or its time has changed.
        """
        if state_of(self.job.path) != self.state:
            with stage("read"):
                raise UnreadableSlideError(f"{self.job.path}: the file changed while it was read; run again")

    def close(self) -> None:
        """Let go of the slide and its lock."""
        self.held.close()


class Clock:
    """Adds up how long the encoder works, and how long it waits."""

    def __init__(self) -> None:
        self.encoding = self.waiting = self._start = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.encoding += time.perf_counter() - self._start

    def waited_for(self, batches: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """The same batches; the time until each comes is counted."""
        start = time.perf_counter()
        with stage("read"):
            for batch in batches:
                self.waiting += time.perf_counter() - start
                yield batch
                start = time.perf_counter()
