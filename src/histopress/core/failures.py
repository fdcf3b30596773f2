"""Every item is attempted; what fails is listed with its reason and never stops the others."""

from __future__ import annotations

import csv
import errno
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from histopress.core.errors import HistopressError
from histopress.core.files import write_whole
from histopress.core.location import Location

log = logging.getLogger(__name__)

COLUMNS = ("slide", "stage", "reason", "remedy")

REMEDIES = {
    errno.ENOSPC: "free some space on the disk and run again: what is done is kept",
    getattr(errno, "EDQUOT", -1): "free some of your quota and run again: what is done is kept",
    errno.EACCES: "check who owns the file and its folder",
    errno.EPERM: "check who owns the file and its folder",
    errno.ENOENT: "check the path",
    errno.EIO: "the disk or the network failed: copy the file to another disk and run again",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or use fewer workers",
}
"""What to do about errors of the system."""


@dataclass(frozen=True)
class Failure:
    """One item that could not be done.

    Attributes:
        item: a slide, mostly as its path.
        stage: what was being done: open, mask, read, encode, write; empty where there is only one.
        reason: what was found, and what was expected.
        remedy: what to do about it.
    """

    item: str
    stage: str
    reason: str
    remedy: str

    @classmethod
    def of(cls, item: str, error: BaseException) -> Failure:
        """Take an error apart: what comes after the last semicolon of our messages says what to do."""
        text = str(error) or type(error).__name__
        stage = str(getattr(error, "stage", ""))
        if isinstance(error, HistopressError):
            reason, _, remedy = text.rpartition("; ")
            return cls(item, stage, reason or text, remedy if reason else "")
        if isinstance(error, OSError):
            return cls(
                item, stage, text, REMEDIES.get(error.errno or 0, "see what the system says, and run again")
            )
        kind = type(error).__name__
        return cls(item, stage, f"unexpected {kind}: {text}", "please report it, with the log if you can")


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Errors raised in this block carry the name of the stage, unless an inner one has named itself."""
    try:
        yield
    except Exception as error:
        if not hasattr(error, "stage"):
            error.stage = name  # type: ignore[attr-defined]
        raise


class Failures:
    """Collects what went wrong, item by item."""

    def __init__(self) -> None:
        self.items: list[Failure] = []

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Failure]:
        return iter(self.items)

    @contextmanager
    def attempt(self, item: str) -> Iterator[None]:
        """Run a block for one item; an error in it is recorded and logged, and the caller goes on."""
        try:
            yield
        except (HistopressError, OSError) as error:
            self.add(item, error)
        except Exception as error:
            log.exception("%s: unexpected %s; please report it", item, type(error).__name__)
            self.add(item, error)

    def add(self, item: str, error: BaseException) -> None:
        """Record one failure."""
        text = str(error) or type(error).__name__
        log.error("%s", text if text.startswith(item) else f"{item}: {text}")
        self.items.append(Failure.of(item, error))

    def write(self, folder: Location) -> None:
        """Write `failures.csv` (slide, stage, reason, remedy); an empty list leaves only the header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([f.item, f.stage, f.reason, f.remedy] for f in self.items)
        write_whole(folder / "failures.csv", text.getvalue())
