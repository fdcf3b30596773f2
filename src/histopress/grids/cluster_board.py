"""Which slides and strips are still to be done on a cluster, and what became of the others."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from histopress.core.errors import HistopressError, SlideError
from histopress.core.failures import stage
from histopress.core.location import Location
from histopress.core.progress import Progress
from histopress.data.damage import Damage
from histopress.grids import store
from histopress.grids.cluster_actor import Order, Plan, Strip
from histopress.grids.jobs import Job
from histopress.grids.ready import Done

if TYPE_CHECKING:
    from histopress.grids.summary import CompressSummary

DEATHS = 3
"""Actors that a slide may take along before it is given up."""


@dataclass(frozen=True)
class Task:
    """A slide, or the strip of a slide that begins with this cell."""

    job: Job
    first: int | None = None


class Board:
    """The slides of one run.

    Attributes:
        plans: of slides that are being done in strips.
    """

    def __init__(
        self, jobs: list[Job], order: Order, work: Path, summary: CompressSummary, bar: Progress
    ) -> None:
        """Begin with whole slides.

        Args:
            jobs: slides.
            order: says where grids go, and how large a strip is.
            work: local folder where strips are joined.
            summary: told of what becomes of slides.
            bar: told of slides.
        """
        self.plans: dict[Job, Plan] = {}
        self._order, self._work, self._summary, self._bar = order, work, summary, bar
        self._fresh = deque(Task(job) for job in jobs)
        self._again: deque[Task] = deque()
        self._unfinished = set(jobs)
        self._deaths: Counter[Job] = Counter()
        self._joins: dict[Job, Join] = {}

    @property
    def left(self) -> int:
        """Slides that are neither done nor given up."""
        return len(self._unfinished)

    @property
    def fresh(self) -> int:
        """Tasks that nobody has tried."""
        return len(self._fresh)

    def next(self, idle: bool) -> Task | None:
        """The next task, if there is one: those that an actor died of only for one that is idle."""
        for tasks in (self._fresh, self._again) if idle else (self._fresh,):
            while tasks:
                task = tasks.popleft()
                if task.job in self._unfinished:
                    return task
        return None

    def is_suspect(self, task: Task) -> bool:
        """Whether an actor died while it did this slide; it is then done alone."""
        return self._deaths[task.job] > 0

    def done(self, task: Task, outcome: Done | Plan | Strip) -> None:
        """Take what an actor answers."""
        if task.job not in self._unfinished:
            return
        if isinstance(outcome, Plan):
            self._share_out(task.job, outcome)
        elif isinstance(outcome, Strip):
            self._join(task, outcome)
        else:
            self._finish(task.job, outcome)

    def failed(self, task: Task, error: BaseException) -> None:
        """Give a slide up; what is left of its strips goes with it."""
        if task.job in self._unfinished:
            with self._summary.failures.attempt(str(task.job.path)):
                self._close(task.job)
                raise error

    def died(self, task: Task, reason: str) -> None:
        """Put back what an actor was doing when it died, unless that is the third time."""
        self._deaths[task.job] += 1
        if self._deaths[task.job] < DEATHS:
            self._again.append(task)
            return
        self.failed(
            task,
            SlideError(
                f"{task.job.path}: {DEATHS} times the actor that compressed it died, the last time since "
                f"{reason}; give actors more memory with fewer --workers, or try it alone without --cluster"
            ),
        )

    def abandon(self, error: HistopressError) -> None:
        """Give up all that is left, for one reason."""
        for job in sorted(self._unfinished, key=lambda job: job.slide):
            self.failed(Task(job), type(error)(f"{job.path}: {error}"))

    def _share_out(self, job: Job, plan: Plan) -> None:
        self.plans[job] = plan
        self._joins[job] = Join(job, plan, self._order, self._work)
        strips = range(0, len(plan.cells), self._order.strip)
        self._fresh.extendleft(Task(job, first) for first in reversed(strips))

    def _join(self, task: Task, strip: Strip) -> None:
        with self._summary.failures.attempt(str(task.job.path)):
            try:
                finished = self._joins[task.job].add(strip)
            except BaseException:
                self._close(task.job)
                raise
            if finished:
                self._finish(task.job, finished)

    def _finish(self, job: Job, done: Done) -> None:
        self._summary.add(done)
        self._close(job)

    def _close(self, job: Job) -> None:
        self._unfinished.discard(job)
        self.plans.pop(job, None)
        self._joins.pop(job, None)
        self._bar.advance(note=job.slide)


class Join:
    """Writes the strips of one slide in their order, in whatever order they come."""

    def __init__(self, job: Job, plan: Plan, order: Order, work: Path) -> None:
        suffix = store.FOLDER_SUFFIX if order.resources.folders else store.SUFFIX
        self._path: Location = order.output / f"{job.slide}{suffix}"
        self._on_bad_tile = order.recipe.on_bad_tile
        self._plan, self._work = plan, work / job.slide
        self._writer: store.GridWriter | None = None
        self._waiting: dict[int, Strip] = {}
        self._seconds = [0.0, 0.0]

    def add(self, strip: Strip) -> Done | None:
        """Take a strip; after the last one the grid is put in its place.

        Raises:
            GridError: codes cannot be stored.
            UnreadableSlideError: no cell is left.
        """
        self._waiting[strip.first] = strip
        with stage("write"):
            writer = self._begun(strip.codes.shape[1])
            while writer.rows_done in self._waiting:
                self._append(writer, self._waiting.pop(writer.rows_done))
            if writer.rows_done < writer.tiles:
                return None
            left_out = writer.finish(self._path)
            store.discard_twin(self._path)
        return Done(writer.tiles - left_out, False, left_out, *self._seconds)

    def _begun(self, dim: int) -> store.GridWriter:
        plan = self._plan
        if self._writer is None:
            self._writer = store.GridWriter(
                self._work, plan.header, plan.cells, plan.tissue, dim, source=plan.state
            )
        return self._writer

    def _append(self, writer: store.GridWriter, strip: Strip) -> None:
        damage = Damage(self._on_bad_tile)
        damage.tiles, damage.cells = set(strip.bad_tiles), set(strip.bad_cells)
        for start in range(0, len(strip.codes), store.CHUNK):
            writer.append(strip.codes[start : start + store.CHUNK], damage)
        self._seconds[0] += strip.encode_seconds
        self._seconds[1] += strip.wait_seconds
