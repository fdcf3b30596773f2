"""The actors of a cluster: started, given one slide after the other, replaced when they die."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from histopress.core.errors import ClusterError, HistopressError
from histopress.encoders.engine_cache import EngineChoice
from histopress.grids.cluster_board import DEATHS, Board, Task

log = logging.getLogger(__name__)

DEPTH = 2
"""Slides an actor has at once: one is encoded, the next is opened and its tissue found."""

PATIENCE = 600.0
"""Seconds to wait for the cluster to give room for any actor."""

STEP = 30.0
"""Seconds after which waiting is told."""

Ref = Any
"""What Ray promises."""


@dataclass(eq=False)
class Member:
    """An actor.

    Attributes:
        handle: to call it by.
        ready: whether its encoder runs.
        tasks: what it is doing, by what Ray promises for it.
        alone: whether it does a slide that actors have died of.
    """

    handle: Any
    ready: bool = False
    tasks: dict[Ref, Task] = field(default_factory=dict)
    alone: bool = False


class Crew:
    """All actors of a run."""

    def __init__(self, hire: Callable[[], Any], count: int) -> None:
        """Start actors; they come when the cluster gives room.

        Args:
            hire: starts one `CompressActor` and gives its handle.
            count: of actors.
        """
        self._hire = hire
        self._members = [Member(hire()) for _ in range(count)]
        self._starting: dict[Ref, Member] = {}
        self._lost_at_start = 0
        self._last_error: HistopressError = ClusterError("the cluster lost all actors; run again")

    def choose(self, precision: str) -> EngineChoice:
        """Let the first actor that comes choose how encoders run, for all of them.

        Raises:
            ClusterError: none comes, or each dies.
            HistopressError: what the actor says.
        """
        waiting: dict[Ref, Member] = {m.handle.arrive.remote(): m for m in self._members}
        reason = ""
        for _ in range(DEATHS):
            first = next(iter(_wait(list(waiting), PATIENCE)), None)
            if first is None:
                break
            member = waiting.pop(first)
            try:
                ray.get(first)
                choice: EngineChoice = _answer(member.handle.choose.remote(precision))
            except RayError as error:
                reason = _first_line(error)
                self._replace(member)
                continue
            for each in self._members:
                self._start(each, choice)
            return choice
        if reason:
            raise ClusterError(f"actors die while they load the encoder ({reason}); look at Ray's logs")
        raise ClusterError(
            f"the cluster gave no room for an actor in {PATIENCE:.0f} s; look at `ray status`, free some "
            "of it, or ask for fewer --workers"
        )

    def run(self, board: Board, choice: EngineChoice) -> None:
        """Do all that is on the board; if no actor is left, what remains fails with the reason."""
        since = time.monotonic()
        while board.left:
            self._hand_out(board)
            done = _wait([*self._starting, *self._promised()], STEP)
            for ref in done:
                self._settle(ref, board, choice)
            if done or any(member.tasks for member in self._members):
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                self._last_error = ClusterError("the cluster gave no room for new actors; run again")
                self._members = []
            else:
                log.warning("%d slides wait for the cluster to give room for an actor", board.left)
            if not self._members:
                board.abandon(self._last_error)

    def dismiss(self) -> None:
        """End all actors."""
        goodbye = [member.handle.leave.remote() for member in self._members if member.ready]
        _wait(goodbye, 10.0, len(goodbye))
        for member in self._members:
            ray.kill(member.handle)

    def _promised(self) -> Iterator[Ref]:
        for member in self._members:
            yield from member.tasks

    def _start(self, member: Member, choice: EngineChoice) -> None:
        self._starting[member.handle.start.remote(choice)] = member

    def _hand_out(self, board: Board) -> None:
        """First one task for everyone, then a second one, while there are more than actors."""
        ready = [member for member in self._members if member.ready and not member.alone]
        for depth in range(DEPTH):
            for member in ready:
                wanted = len(member.tasks) == depth and not member.alone
                if not wanted or (depth and board.fresh < len(self._members)):
                    continue
                task = board.next(idle=not member.tasks)
                if task is not None:
                    member.alone = board.is_suspect(task)
                    member.tasks[_submit(member, task, board)] = task

    def _settle(self, ref: Ref, board: Board, choice: EngineChoice) -> None:
        """Take what Ray promised, or make up for the actor that did not live to give it."""
        if ref in self._starting:
            self._settle_start(ref, self._starting.pop(ref), choice)
            return
        member = next((m for m in self._members if ref in m.tasks), None)
        if member is None:
            return  # its actor was found dead a moment ago
        try:
            board.done(member.tasks[ref], _answer(ref))
        except RayError as error:
            self._bury(member, board, choice, _first_line(error))
            return
        except Exception as error:  # noqa: BLE001 - it is listed, whatever it is
            board.failed(member.tasks[ref], error)
        del member.tasks[ref]
        member.alone = member.alone and bool(member.tasks)

    def _settle_start(self, ref: Ref, member: Member, choice: EngineChoice) -> None:
        try:
            _answer(ref)
            member.ready = True
        except RayError as error:
            self._lost_at_start += 1
            if self._lost_at_start < DEATHS * len(self._members):
                self._start(self._replace(member), choice)
            else:
                self._leave_out(member, ClusterError(f"an actor dies at its start ({_first_line(error)})"))
        except HistopressError as error:
            self._leave_out(member, error)

    def _leave_out(self, member: Member, error: HistopressError) -> None:
        """Go on without an actor whose node cannot do what the others do."""
        log.error("one actor less: %s", error)
        self._last_error = error
        self._members.remove(member)
        ray.kill(member.handle)

    def _bury(self, member: Member, board: Board, choice: EngineChoice, reason: str) -> None:
        """Put back all that an actor was doing, and have another one in its place."""
        log.warning("an actor died (%s); %d slides are tried again", reason, len(member.tasks))
        for task in member.tasks.values():
            board.died(task, reason)
        self._start(self._replace(member), choice)

    def _replace(self, member: Member) -> Member:
        ray.kill(member.handle)
        fresh = Member(self._hire())
        self._members[self._members.index(member)] = fresh
        return fresh


def _submit(member: Member, task: Task, board: Board) -> Ref:
    if task.first is None:
        return member.handle.compress.remote(task.job)
    return member.handle.encode.remote(task.job, board.plans[task.job], task.first)


def _wait(refs: list[Ref], seconds: float, count: int = 1) -> list[Ref]:
    """Those that are there within so many seconds."""
    if not refs:
        return []
    found: list[Ref] = ray.wait(refs, num_returns=count, timeout=seconds)[0]
    return found


def _answer(ref: Ref) -> Any:
    """What an actor gives back, or raises.

    Raises:
        RayError: the actor died.
    """
    try:
        return ray.get(ref)
    except RayTaskError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, HistopressError | OSError):
            raise cause from None
        raise RuntimeError(f"{type(cause).__name__}: {cause}") from error


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
