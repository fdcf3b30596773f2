"""The curve of a training, and what follows from it: best epoch, end, next learning rate. Pure functions."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Schedule = Literal["cosine", "plateau", "constant", "steps"]


@dataclass(frozen=True)
class Epoch:
    """One point of a curve.

    Attributes:
        epoch: counted from 0.
        train: mean loss over the training part, while training.
        tuning: what the tuning part says afterwards, lower is better: its mean loss, or the learner's own
            judgement; the training loss where there is no tuning part.
        lr: learning rate of the epoch.
        parts: what else the learner says of the epoch, by name.
        waiting: 0 to 1, the share of the training's time that was spent waiting for batches.
        speed: elements trained with per second.
    """

    epoch: int
    train: float
    tuning: float
    lr: float
    parts: dict[str, float] = field(default_factory=dict, hash=False)
    waiting: float = field(default=0.0, compare=False)
    speed: float = field(default=0.0, compare=False)


def best(curve: Sequence[Epoch], tuned: bool = True) -> Epoch:
    """The earliest epoch with the lowest tuning loss; the last one where there is no tuning part."""
    return min(curve, key=lambda e: e.tuning) if tuned else curve[-1]


def finished(curve: Sequence[Epoch], epochs: int, patience: int, tuned: bool = True) -> bool:
    """Whether all epochs are done, or the last `patience` of them brought no lower tuning loss."""
    if len(curve) >= epochs:
        return True
    return tuned and bool(curve) and len(curve) - 1 - best(curve).epoch >= patience


def good_enough(curve: Sequence[Epoch], below: float, times: int) -> bool:
    """Whether the tuning loss was below a number in each of the last so many epochs."""
    return len(curve) >= times and all(e.tuning < below for e in curve[-times:])


def learning_rate(
    schedule: Schedule, highest: float, epochs: int, curve: Sequence[Epoch], milestones: Sequence[int] = ()
) -> float:
    """The learning rate of the epoch that follows on a curve.

    Args:
        schedule: cosine: warm-up over a twentieth of the epochs, then down to a hundredth; plateau: a tenth
            after every 5 epochs without a lower tuning loss, down to a thousandth; constant; steps: a tenth
            from every milestone on.
        highest: learning rate.
        epochs: planned in all.
        curve: so far.
        milestones: epochs, counted from 0.
    """
    if schedule == "constant":
        return highest
    if schedule == "steps":
        return highest * 10.0 ** -sum(len(curve) >= milestone for milestone in milestones)
    if schedule == "plateau":
        return highest * max(10.0 ** -_plateaus(curve), 1e-3)
    warm_up = math.ceil(epochs / 20)
    if len(curve) < warm_up:
        return highest * (len(curve) + 1) / (warm_up + 1)
    way = (len(curve) - warm_up) / max(1, epochs - warm_up)
    return highest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * way)))


def _plateaus(curve: Sequence[Epoch], patience: int = 5) -> int:
    """How many times `patience` epochs in a row went by without a lower tuning loss."""
    lowest, waited, times = math.inf, 0, 0
    for epoch in curve:
        waited = 0 if epoch.tuning < lowest else waited + 1
        lowest = min(lowest, epoch.tuning)
        if waited == patience:
            waited, times = 0, times + 1
    return times


COLUMNS = ("epoch", "train", "tuning", "lr", "waiting", "speed")


def numbers(epoch: Epoch) -> dict[str, float]:
    """All that is known of an epoch, by name; time comes last, since it never is the same twice."""
    learned = {"train": epoch.train, "tuning": epoch.tuning, "lr": epoch.lr}
    return {**learned, **epoch.parts, "waiting": epoch.waiting, "speed": epoch.speed}


def as_csv(curve: Sequence[Epoch]) -> str:
    """The curve as a table, one line an epoch; parts stand in the order in which they came up."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    parts = dict.fromkeys(name for e in curve for name in e.parts)
    names = [*COLUMNS[1:4], *parts, *COLUMNS[4:]]
    writer.writerow(["epoch", *names])
    for e in curve:
        known = numbers(e)
        writer.writerow([e.epoch, *(f"{known.get(name, math.nan):.6g}" for name in names)])
    return text.getvalue()
