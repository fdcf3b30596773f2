"""What a search for leaks finds, in words, and who stands in which part of which fold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from histopress.data.splits import Fold

Level = Literal["problem", "warning", "note"]

MOST_NAMED = 5
"""Patients, slides or pairs that a text names; of more it tells how many."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        level: problem (scores cannot be believed), warning (look into it) or note (checked, nothing amiss).
        title: what it is about.
        text: what was found, why it matters and what to do.
    """

    level: Level
    title: str
    text: str


class Parts:
    """Tells whether patients are ever on different sides of a split."""

    def __init__(self, folds: Sequence[Fold]) -> None:
        """Note the part of every patient in every fold."""
        self._of: list[dict[str, str]] = [
            {p: name for name in ("train", "tuning", "test") for p in getattr(fold, name)} for fold in folds
        ]

    def apart(self, patients: Iterable[str]) -> bool:
        """Whether some fold has these patients in more than one part."""
        own = list(patients)
        return any(len({parts[p] for p in own if p in parts}) > 1 for parts in self._of)


def some(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
