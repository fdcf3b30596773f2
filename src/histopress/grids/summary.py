"""What became of all slides of a compression."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from histopress.core.summary import Summary

if TYPE_CHECKING:
    from histopress.grids.ready import Done


@dataclass(kw_only=True)
class CompressSummary(Summary):
    """What became of all slides.

    Attributes:
        encoder: its card, as plain values.
        slides: asked for.
        compressed: now.
        skipped: that were there already.
        tiles: encoded now, or taken up from an interrupted run.
        cells_left_out: for damage.
        seconds: from the first slide to the last.
        encode_seconds: that encoders were busy, over all processes.
        wait_seconds: that encoders waited for tiles, over all processes.
        engine: how the encoder ran.
    """

    encoder: dict[str, Any]
    slides: int = 0
    compressed: int = 0
    skipped: int = 0
    tiles: int = 0
    cells_left_out: int = 0
    seconds: float = 0.0
    encode_seconds: float = 0.0
    wait_seconds: float = 0.0
    engine: dict[str, Any] = field(default_factory=dict)

    def add(self, done: Done) -> None:
        """Count one slide."""
        self.skipped += done.skipped
        self.compressed += not done.skipped
        if not done.skipped:
            self.tiles += done.tiles
            self.cells_left_out += done.left_out
            self.encode_seconds = round(self.encode_seconds + done.encode_seconds, 3)
            self.wait_seconds = round(self.wait_seconds + done.wait_seconds, 3)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count how long this block takes."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds = round(time.monotonic() - start, 2)

    @property
    def headline(self) -> str:
        """One line for people."""
        rate = self.tiles / self.seconds if self.seconds else 0.0
        damaged = f", {self.cells_left_out} cells left out for damage" if self.cells_left_out else ""
        return (
            f"{self.compressed} compressed, {self.skipped} already there, {len(self.failures)} failed; "
            f"{self.tiles} tiles in {self.seconds:.1f} s ({rate:.0f} tiles/s){damaged}"
        )
