"""Compression by several processes, one slide each at a time; a process that dies takes one slide with it."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from histopress.core.children import deaf_to_ctrl_c, end_with_parent
from histopress.core.errors import SlideError
from histopress.core.location import Location
from histopress.core.progress import Progress, progress

if TYPE_CHECKING:
    from histopress.grids.compress import CompressRecipe, Resources
    from histopress.grids.compressor import Compressor
    from histopress.grids.jobs import Job
    from histopress.grids.ready import Done
    from histopress.grids.summary import CompressSummary

_compressor: Compressor | None = None


def compress_in_processes(
    jobs: Sequence[Job],
    output: Location,
    recipe: CompressRecipe,
    resources: Resources,
    summary: CompressSummary,
) -> None:
    """Spread jobs over `resources.workers` processes and count what becomes of them in the summary.

    When a process dies (out of memory, a crash inside a codec), the slides that were being done are tried
    again one by one, each in a process of its own, so that only the guilty one fails; the others go on.
    """
    waiting = deque(jobs)
    with progress("compress", len(jobs), "slides") as bar:
        tell = _Tell(summary, bar)
        while waiting:
            for job in _round(waiting, resources.workers, output, recipe, resources, tell):
                if _round(deque([job]), 1, output, recipe, resources, tell):
                    tell.died(job)


class _Tell:
    """Counts what becomes of slides."""

    def __init__(self, summary: CompressSummary, bar: Progress) -> None:
        self._summary, self._bar = summary, bar

    def done(self, job: Job, future: Future[Done]) -> None:
        with self._summary.failures.attempt(str(job.path)):
            self._summary.add(future.result())
        self._bar.advance(note=job.slide)

    def died(self, job: Job) -> None:
        error = SlideError(
            f"{job.path}: the process that compressed it died, perhaps out of memory or in a damaged part of "
            "the file; try it alone with --workers 1"
        )
        self._summary.failures.add(str(job.path), error)
        self._bar.advance(note=job.slide)


def _round(  # noqa: PLR0917 - private, and called twice
    waiting: deque[Job],
    workers: int,
    output: Location,
    recipe: CompressRecipe,
    resources: Resources,
    tell: _Tell,
) -> list[Job]:
    """Take jobs until there are no more, or until a process dies; returns those that were being done then."""
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        min(workers, len(waiting)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_set_up,
        initargs=(output, recipe, resources, workers),
    )
    try:
        dead = _spread(pool, waiting, workers, tell)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    pool.shutdown()
    return dead


def _spread(pool: ProcessPoolExecutor, waiting: deque[Job], workers: int, tell: _Tell) -> list[Job]:
    """Give every process one job at a time; returns those that were being done when one of them died."""
    doing: dict[Future[Done], Job] = {}
    dead: list[Job] = []
    while doing or (waiting and not dead):
        while waiting and not dead and len(doing) < workers:
            job = waiting.popleft()
            try:
                with deaf_to_ctrl_c():
                    doing[pool.submit(_compress, job)] = job
            except BrokenProcessPool:
                dead.append(job)
        for future in wait(doing, return_when=FIRST_COMPLETED).done:
            job = doing.pop(future)
            if isinstance(future.exception(), BrokenProcessPool):
                dead.append(job)
            else:
                tell.done(job, future)
    return dead


def _set_up(output: Location, recipe: CompressRecipe, resources: Resources, workers: int) -> None:
    """Once in every process: the encoder, and a fair share of the cores."""
    global _compressor  # noqa: PLW0603 - one per process, as process pools have no other place for it
    from histopress.encoders.catalogue import load_encoder
    from histopress.grids.compress import start_engine
    from histopress.grids.compressor import Compressor

    end_with_parent()
    engine = start_engine(load_encoder(recipe.encoder), output, recipe, resources, workers)
    _compressor = Compressor(engine, output, recipe, resources)


def _compress(job: Job) -> Done:
    assert _compressor is not None
    bar = Silent()
    return _compressor.compress(_compressor.get_ready(job), bar)


class Silent:
    """Progress inside a worker; the parent shows slides instead."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Say nothing."""

    def expect(self, total: int) -> None:
        """Say nothing."""
