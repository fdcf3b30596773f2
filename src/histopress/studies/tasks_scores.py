"""The encoders of the study of tasks, and what is found of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """One encoder of the study.

    Attributes:
        name: of its folder, or as the catalogue names it.
        group: what it stands for: "multitask", a method without labels, or its name.
        tasks: that it was trained on with labels.
        seed: of its training; -1 for encoders that were not trained here.
    """

    name: str
    group: str
    tasks: tuple[str, ...] = ()
    seed: int = -1

    @property
    def trained(self) -> bool:
        """Whether the study trains it."""
        return self.seed >= 0


@dataclass(frozen=True)
class Score:
    """How good the codes of one encoder are for one task.

    Attributes:
        encoder: see `Candidate.name`.
        group: see `Candidate.group`.
        tasks: number of tasks that it was trained on.
        seed: of its training.
        task: that it was judged on, or "mosaics of" one.
        seen: whether that task was one of them.
        measure: what was measured, of a linear probe on frozen codes.
        point: its value.
        low: lower limit, by groups of the test part.
        high: upper limit.
    """

    encoder: str
    group: str
    tasks: int
    seed: int
    task: str
    seen: bool
    measure: str
    point: float
    low: float
    high: float
