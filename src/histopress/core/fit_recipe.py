"""How to train, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from histopress.core.curve import Schedule
from histopress.core.errors import RecipeError

Optimizer = Literal["adamw", "adam", "rmsprop", "sgd"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Log = Literal["csv", "tensorboard"]


@dataclass(frozen=True)
class FitRecipe:
    """How to train.

    Attributes:
        epochs: at most this many passes over the training part.
        patience: stop after this many epochs without a lower tuning loss.
        lr: highest learning rate.
        weight_decay: of the optimiser; decoupled for adamw, an L2 penalty for the others.
        seed: of everything random.
        optimizer: adamw, adam, rmsprop, or sgd with momentum 0.9.
        schedule: of the learning rate, see `curve.learning_rate`.
        clip: largest norm of the gradient; 0 for no limit.
        precision: 32-true, bf16-mixed, or 16-mixed, which needs a GPU.
        device: auto (a GPU where there is one), cpu or gpu.
        accumulate: batches whose gradients are averaged for one update. What is left at the end of an epoch
            is an update too, a smaller one.
        eps: added to the root of the mean squared gradient, which sgd has not.
        milestones: epochs, counted from 0, from which on the learning rate is a tenth, with schedule steps.
        enough: stop once the tuning loss was below this for `enough_epochs` epochs in a row; None for never.
        enough_epochs: see there.

    Raises:
        RecipeError: there are milestones without schedule steps, or they fall.
    """

    epochs: int
    patience: int
    lr: float
    weight_decay: float
    seed: int
    optimizer: Optimizer = "adamw"
    schedule: Schedule = "cosine"
    clip: float = 1.0
    precision: Precision = "32-true"
    device: Literal["auto", "cpu", "gpu"] = "auto"
    accumulate: int = 1
    eps: float = 1e-8
    milestones: tuple[int, ...] = ()
    enough: float | None = None
    enough_epochs: int = 1

    def __post_init__(self) -> None:
        steps = self.schedule == "steps"
        if (self.milestones and not steps) or list(self.milestones) != sorted(self.milestones):
            raise RecipeError(
                f"milestones {self.milestones} of schedule {self.schedule}, expected epochs that do not "
                "fall, and schedule steps; change one of them"
            )


@dataclass(frozen=True)
class FitResources:
    """What a training runs on, and what it writes besides its state.

    Logs do not shape the result. Devices and nodes do: each process takes whole batches, so an update is
    made of devices x nodes batches and an epoch has so many fewer updates. A training can only be taken up
    by as many processes as began it, and their number belongs to its identity.

    Attributes:
        devices: GPUs of each machine, or processes where it trains on the CPU. They are started by torchrun
            or SLURM, or else by `fit`; learner and loaders must then pickle, and the script that trains
            needs its `if __name__ == "__main__"`.
        nodes: machines, which share the folder. More than one must be started by torchrun or SLURM.
        logs: csv is the curve as `log.csv`; tensorboard writes events to the folder `tensorboard`.
    """

    devices: int = 1
    nodes: int = 1
    logs: tuple[Log, ...] = ("csv",)

    @property
    def processes(self) -> int:
        """How many train together."""
        return self.devices * self.nodes
