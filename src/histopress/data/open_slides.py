"""Slides that stay open for a while and are shared by threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from histopress.data.slide import Slide

KEPT = 2
"""Few enough for plain pictures, which are held in memory as long as they are open."""


@dataclass
class _Open:
    slide: Slide
    users: int = 0


class OpenSlides:
    """Opens each slide once for all threads that use it at a time.

    Args:
        opener: opens one by its name.
        kept: slides that stay open though nobody uses them.
    """

    def __init__(self, opener: Callable[[str], Slide], kept: int = KEPT) -> None:
        self._opener = opener
        self._kept = kept
        self._lock = Lock()
        self._open: OrderedDict[str, _Open] = OrderedDict()

    @contextmanager
    def use(self, name: str) -> Iterator[Slide]:
        """A slide, open within the block; raises what the opener raises."""
        with self._lock:
            if name not in self._open:
                self._open[name] = _Open(self._opener(name))
            held = self._open[name]
            self._open.move_to_end(name)
            held.users += 1
        try:
            yield held.slide
        finally:
            with self._lock:
                held.users -= 1
                self._close_idle(self._kept)

    def close(self) -> None:
        """Close what nobody uses."""
        with self._lock:
            self._close_idle(0)

    def _close_idle(self, kept: int) -> None:
        idle = [name for name, held in self._open.items() if not held.users]
        for name in idle[: max(0, len(idle) - kept)]:
            self._open.pop(name).slide.close()
