"""The state of a training in its file: what it takes to go on as if it had never been stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from histopress.core.curve import Epoch, finished, good_enough
from histopress.core.errors import RunError
from histopress.core.files import whole
from histopress.core.fit_recipe import FitRecipe

STATE_FILE = "last.pt"


@dataclass
class FitState:
    """All that a training is after an epoch.

    Attributes:
        recipe: how it is trained.
        processes: that train together.
        tuned: whether there is a tuning part.
        curve: all epochs so far.
        weights: after the last epoch.
        best_weights: after the best one.
        optimizer: its state.
        scaler: of the gradients in 16-mixed, else empty.
    """

    recipe: FitRecipe
    processes: int = 1
    tuned: bool = True
    curve: list[Epoch] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        recipe = self.recipe
        enough = recipe.enough is not None and good_enough(self.curve, recipe.enough, recipe.enough_epochs)
        return enough or finished(self.curve, recipe.epochs, recipe.patience, self.tuned)

    def save(self, folder: Path) -> None:
        """Write the state, all of it or nothing."""
        state = {name: getattr(self, name) for name in ("weights", "best_weights", "optimizer", "scaler")}
        state |= {"recipe": asdict(self.recipe), "processes": self.processes}
        with whole(folder / STATE_FILE) as partial:
            torch.save(state | {"curve": [asdict(e) for e in self.curve]}, partial)

    def load(self, folder: Path, learner: nn.Module) -> None:
        """Take up the state in the folder, if there is one.

        Raises:
            RunError: it is the state of another training, or of another number of processes.
        """
        path = folder / STATE_FILE
        if not path.exists():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        fits = _shapes(state["weights"]) == _shapes(learner.state_dict())
        if not fits or {**_DEFAULTS, **state["recipe"]} != asdict(self.recipe):
            raise RunError(f"{path} is the state of another training; delete it to train anew")
        self.curve = [Epoch(**e) for e in state["curve"]]
        self.weights, self.best_weights = state["weights"], state["best_weights"]
        self.optimizer, self.scaler = state["optimizer"], state.get("scaler", {})
        began = state.get("processes", 1)
        if began != self.processes and not self.finished:
            raise RunError(
                f"{path} was begun by {began} processes, and {self.processes} are to go on; that would give "
                f"another result: go on with devices x nodes = {began}, or delete it to train anew"
            )


def last_weights(folder: Path) -> dict[str, Tensor]:
    """The weights after the last epoch of a training, be it the best one or not.

    Raises:
        RunError: the folder holds no state of a training.
    """
    path = folder / STATE_FILE
    if not path.exists():
        raise RunError(f"{path} is missing, expected the state of a training; train first")
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)["weights"]
    return weights


_DEFAULTS = {"accumulate": 1, "eps": 1e-8, "milestones": (), "enough": None, "enough_epochs": 1}
"""Settings that states of earlier versions lack."""


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in weights.items()}
