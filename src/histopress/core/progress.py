"""Progress bars on a terminal, plain lines elsewhere, and the set-up of logging."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

QUIET_SECONDS = 2.0
LINE_SECONDS = 10.0


class Progress(Protocol):
    """Told how far some work has come."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """This many more units are done."""

    def expect(self, total: int) -> None:
        """The whole work is now thought to be this many units."""


@contextmanager
def progress(title: str, total: int, unit: str) -> Iterator[Progress]:
    """Show rate and time left of work that takes over two seconds, on standard error.

    Args:
        title: what is done.
        total: how many units there are.
        unit: name of a unit, in the plural, for example "tiles".
    """
    if sys.stderr.isatty():
        with _bar(title, total, unit) as bar:
            yield bar
    else:
        lines = _Lines(title, total, unit)
        yield lines
        lines.close()


@contextmanager
def _bar(title: str, total: int, unit: str) -> Iterator[Progress]:
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("{task.fields[rate]}"),
        rich_progress.TimeRemainingColumn(),
        rich_progress.TextColumn("{task.fields[note]}"),
    )
    start = time.monotonic()
    with rich_progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, rate="", note="")

        class Bar:
            done = 0

            def advance(self, amount: int = 1, note: str = "") -> None:
                self.done += amount
                seconds = max(time.monotonic() - start, 1e-3)
                bar.update(task, advance=amount, rate=f"{self.done / seconds:.3g} {unit}/s", note=note)

            def expect(self, total: int) -> None:
                bar.update(task, total=total)

        yield Bar()


class _Lines:
    """One plain line every ten seconds, none for short work."""

    def __init__(self, title: str, total: int, unit: str) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done = 0
        self.start = self.last = time.monotonic()
        self.note = ""

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.done += amount
        self.note = note
        if time.monotonic() - self.last > LINE_SECONDS:
            self.last = time.monotonic()
            self._print()

    def expect(self, total: int) -> None:
        self.total = total

    def close(self) -> None:
        if time.monotonic() - self.start > QUIET_SECONDS:
            self._print()

    def _print(self) -> None:
        seconds = time.monotonic() - self.start
        rate = self.done / max(seconds, 1e-3)
        left = (self.total - self.done) / rate if rate else 0.0
        line = f"{self.title}: {self.done}/{self.total} {self.unit}, {rate:.3g} {self.unit}/s"
        line += f", {left:.0f} s left" if left >= 1 else f", {seconds:.0f} s"
        print(line + (f" ({self.note})" if self.note else ""), file=sys.stderr, flush=True)


def set_up_logging(verbose: bool = False) -> None:
    """Send the package's log to standard error: warnings and worse, or everything when verbose."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger = logging.getLogger("histopress")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
