"""Every item is attempted; what fails is listed with its reason and never stops the others."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from histopress.core.errors import HistopressError
from histopress.core.files import write_whole

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """One item that could not be done, and why."""

    item: str
    error: str
    reason: str


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

    def add(self, item: str, error: Exception) -> None:
        """Record one failure."""
        reason = str(error) or type(error).__name__
        log.error("%s", reason if reason.startswith(item) else f"{item}: {reason}")
        self.items.append(Failure(item, type(error).__name__, reason))

    def write(self, folder: Path) -> None:
        """Write `failures.csv` (item, error, reason) into a folder; an empty list leaves only the header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["item", "error", "reason"])
        writer.writerows([f.item, f.error, f.reason] for f in self.items)
        write_whole(folder / "failures.csv", text.getvalue())
