"""Compression by several processes, one slide each at a time; a process that dies takes one slide with it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.errors import SlideError
from histopress.core.progress import Progress, progress

if TYPE_CHECKING:
    from histopress.grids.compress import CompressRecipe, CompressSummary, Resources
    from histopress.grids.compressor import Compressor, Done
    from histopress.grids.jobs import Job

_compressor: Compressor | None = None


def compress_in_processes(
    jobs: Sequence[Job],
    output: Path,
    recipe: CompressRecipe,
    resources: Resources,
    summary: CompressSummary,
) -> None:
    """Spread jobs over `resources.workers` processes and count what becomes of them in the summary.

    When a process dies (out of memory, a crash inside a codec), the slides that were not finished are tried
    again one by one, each in a process of its own, so that only the guilty one fails.
    """
    with progress("compress", len(jobs), "slides") as bar:
        unfinished = _round(jobs, resources.workers, output, recipe, resources, summary, bar)
        for job in unfinished:
            if _round([job], 1, output, recipe, resources, summary, bar):
                error = SlideError(
                    f"{job.path}: the process that compressed it died, perhaps out of memory or in a damaged "
                    "part of the file; try it alone with --workers 1"
                )
                summary.failures.add(str(job.path), error)
                bar.advance(note=job.slide)


def _round(  # noqa: PLR0917 - private, and called twice
    jobs: Sequence[Job],
    workers: int,
    output: Path,
    recipe: CompressRecipe,
    resources: Resources,
    summary: CompressSummary,
    bar: Progress,
) -> list[Job]:
    """Try every job once; returns those whose process died or never started them."""
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_set_up,
        initargs=(output, recipe, resources, workers),
    )
    unfinished = []
    with pool:
        futures: dict[Future[Done], Job] = {pool.submit(_compress, job): job for job in jobs}
        for future in as_completed(futures):
            job = futures[future]
            if isinstance(future.exception(), BrokenProcessPool):
                unfinished.append(job)
                continue
            with summary.failures.attempt(str(job.path)):
                summary.add(future.result())
            bar.advance(note=job.slide)
    return unfinished


def _set_up(output: Path, recipe: CompressRecipe, resources: Resources, workers: int) -> None:
    """Once in every process: the encoder, and a fair share of the cores."""
    global _compressor  # noqa: PLW0603 - one per process, as process pools have no other place for it
    from histopress.encoders.catalogue import load_encoder
    from histopress.grids.compress import start_engine
    from histopress.grids.compressor import Compressor

    engine = start_engine(load_encoder(recipe.encoder), output, recipe, resources, workers)
    _compressor = Compressor(engine, output, recipe, resources)


def _compress(job: Job) -> Done:
    assert _compressor is not None
    bar = _Silent()
    return _compressor.compress(_compressor.get_ready(job), bar)


class _Silent:
    """Progress inside a worker; the parent shows slides instead."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        pass

    def expect(self, total: int) -> None:
        pass
