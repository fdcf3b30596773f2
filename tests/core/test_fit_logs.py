"""Logs for other programs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from histopress.core.curve import Epoch
from histopress.core.errors import MissingExtraError
from histopress.core.fit import LOG_FILE, FitRecipe, FitResources, Learner, fit
from histopress.core.fit_logs import TENSORBOARD_FOLDER, Events, check_logs


def test_a_missing_package_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "histopress.core.fit_logs.find_spec", lambda name: None if name == "tensorboard" else found(name)
    )
    check_logs(("csv",))
    with pytest.raises(MissingExtraError, match=r"histopress\[tensorboard\]"):
        check_logs(("csv", "tensorboard"))


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events: Any = accumulators.EventAccumulator(str(folder / TENSORBOARD_FOLDER))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_epochs_that_are_trained_again_replace_what_was_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    for first, last, value in ((0, 4, 1.0), (2, 6, 2.0)):
        events = Events(tmp_path, first)
        for i in range(first, last):
            events.add(Epoch(i, value, 4.0, 0.5, {"auroc": 0.75}))
        events.close()
    found = scalars(tmp_path)
    assert found["train"] == [(0, 1.0), (1, 1.0), (2, 2.0), (3, 2.0), (4, 2.0), (5, 2.0)]
    assert found["auroc"] == [(i, 0.75) for i in range(6)]
    assert {"train", "tuning", "lr", "waiting", "speed", "auroc"} == set(found)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_logs_are_written_as_asked(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    train = DataLoader(TensorDataset(torch.rand(6, 3)), batch_size=2)
    recipe = FitRecipe(epochs=3, patience=3, lr=0.1, weight_decay=0.0, seed=1, device="cpu")
    result = fit(Mean(), train, None, recipe, tmp_path, resources=FitResources(logs=("tensorboard",)))
    found = scalars(tmp_path)["train"]
    assert found == [(e.epoch, pytest.approx(e.train)) for e in result.curve]
    assert not (tmp_path / LOG_FILE).exists()


class Mean(Learner):
    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(3))

    def losses(self, batch: Any) -> Tensor:
        return (batch[0] - self.mean).square().mean(dim=1)
