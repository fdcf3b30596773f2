"""The state of a training in its file."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from histopress.core.curve import Epoch
from histopress.core.errors import RunError
from histopress.core.fit_recipe import FitRecipe
from histopress.core.fit_state import STATE_FILE, FitState, last_weights

RECIPE = FitRecipe(epochs=7, patience=7, lr=0.02, weight_decay=0.01, seed=3)


def state(processes: int = 1, epochs: int = 2) -> FitState:
    net = nn.Linear(3, 2)
    curve = [Epoch(i, 1.0, 0.5, 0.1, {"auroc": 0.7}, 0.2, 9.0) for i in range(epochs)]
    weights = dict(net.state_dict())
    return FitState(RECIPE, processes, True, curve, weights, weights, {"state": {}}, {"scale": 2.0})


def test_what_is_saved_is_taken_up(tmp_path: Path) -> None:
    saved = state()
    saved.save(tmp_path)
    loaded = FitState(RECIPE)
    loaded.load(tmp_path, nn.Linear(3, 2))
    assert loaded.curve == saved.curve
    assert [(e.waiting, e.speed) for e in loaded.curve] == [(0.2, 9.0)] * 2
    assert torch.equal(loaded.best_weights["bias"], saved.best_weights["bias"])
    assert (loaded.optimizer, loaded.scaler) == (saved.optimizer, saved.scaler)


def test_a_state_of_the_first_version_is_taken_up(tmp_path: Path) -> None:
    added = ("accumulate", "eps", "milestones", "enough", "enough_epochs")
    recipe = {name: value for name, value in asdict(RECIPE).items() if name not in added}
    net = nn.Linear(3, 2)
    old = {
        "recipe": recipe,
        "curve": [{"epoch": 0, "train": 1.0, "tuning": 0.5, "lr": 0.1}],
        "weights": dict(net.state_dict()),
        "best_weights": dict(net.state_dict()),
        "optimizer": {"state": {}},
    }
    torch.save(old, tmp_path / STATE_FILE)
    loaded = FitState(RECIPE)
    loaded.load(tmp_path, net)
    assert loaded.curve == [Epoch(0, 1.0, 0.5, 0.1)]
    others = [replace(RECIPE, accumulate=2), replace(RECIPE, eps=1e-5), replace(RECIPE, enough=0.0)]
    for other in [*others, replace(RECIPE, schedule="steps", milestones=(3,))]:
        with pytest.raises(RunError, match="another training"):
            FitState(other).load(tmp_path, net)


def test_other_networks_and_other_numbers_of_processes_are_refused(tmp_path: Path) -> None:
    state(processes=2).save(tmp_path)
    with pytest.raises(RunError, match="another training"):
        FitState(RECIPE, 2).load(tmp_path, nn.Linear(3, 4))
    with pytest.raises(RunError, match="devices x nodes = 2"):
        FitState(RECIPE, 1).load(tmp_path, nn.Linear(3, 2))
    state(processes=2, epochs=7).save(tmp_path)
    done = FitState(RECIPE, 1)
    done.load(tmp_path, nn.Linear(3, 2))
    assert done.finished


def test_the_last_weights_can_be_had_alone(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="train first"):
        last_weights(tmp_path)
    saved = replace(state(), best_weights={})
    saved.save(tmp_path)
    assert torch.equal(last_weights(tmp_path)["bias"], saved.weights["bias"])


def test_milestones_are_kept(tmp_path: Path) -> None:
    recipe = replace(RECIPE, schedule="steps", milestones=(2, 5))
    replace(state(), recipe=recipe).save(tmp_path)
    FitState(recipe).load(tmp_path, nn.Linear(3, 2))
