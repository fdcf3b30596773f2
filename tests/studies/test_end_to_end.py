"""Training end to end: learns what can be learned, nothing else, and goes on as if it had never stopped."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from histopress.core.errors import RecipeError, RunError
from histopress.core.fit import LOG_FILE, STATE_FILE
from histopress.studies import end_to_end
from histopress.studies.end_to_end import (
    ANSWERS_FILE,
    RESULT_FILE,
    WEIGHTS_FILE,
    PictureResult,
    train_end_to_end,
    trained_network,
)
from histopress.studies.end_to_end_learner import PictureLearner
from histopress.studies.end_to_end_recipe import EndToEndRecipe, EndToEndResources
from histopress.studies.noise_pictures import NoisePictures
from histopress.studies.patchnet_recipe import PatchnetRecipe
from histopress.studies.patchnets import make_patchnet, prepare
from histopress.studies.pictures import Chosen, Pictures, Sample, permuted

RECIPE = EndToEndRecipe(
    PatchnetRecipe(field=5, width=-4, dropout=0.1),
    lr=1e-2,
    batch=16,
    accumulate=1,
    updates=60,
    look_every=10,
    device="cpu",
)
OFTEN = EndToEndResources(save_seconds=0.0)


@dataclass(frozen=True)
class Stripes:
    """Stripes that lie, stand or (of three classes) are none, in noise."""

    count: int
    seed: int
    classes: int = 2

    @property
    def identity(self) -> str:
        return f"stripes {self}"

    @property
    def shape(self) -> tuple[int, int, int]:
        return (16, 24, 1)

    @property
    def o2i(self) -> float:
        return 1.0

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.arange(self.count) % self.classes

    def __len__(self) -> int:
        return self.count

    def draw(self, index: int) -> Sample:
        random, label = np.random.default_rng([self.seed, index]), int(self.labels[index])
        row, col = np.mgrid[:16, :24]
        light = 60 * ((row, col, 0 * row)[label] % 4 < 2)
        picture = (random.integers(0, 190, (16, 24)) + light).astype(np.uint8)
        return Sample(picture[..., np.newaxis], label, np.zeros((0, 4), np.int64))


TRAIN, TUNING, TEST = Stripes(96, 0), Stripes(40, 1), Stripes(200, 2)


def run(folder: Path, recipe: EndToEndRecipe = RECIPE, **kwargs: Any) -> PictureResult:
    return train_end_to_end(TRAIN, TUNING, TEST, recipe, folder, **kwargs)


class Small(nn.Module):
    """Stands in for a network under test, which takes longer to learn; has dropout and buffers."""

    def __init__(self, recipe: PatchnetRecipe, channels: int, classes: int, seed: int = 0) -> None:
        super().__init__()
        self.recipe, self.checkpointing = recipe, False
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            width = round(256 * 2**recipe.width)
            self.body = nn.Sequential(nn.Conv2d(channels, width, 5, 2), nn.BatchNorm2d(width), nn.ReLU())
            self.head = nn.Sequential(nn.Dropout(recipe.dropout), nn.Linear(width, classes))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.body(pictures).mean((2, 3)))
        return found


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Trained are stand-ins, unless a test says otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(end_to_end, "make_patchnet", Small)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was never stopped."""
    folder = tmp_path_factory.mktemp("finished")
    run(folder)
    return folder


def untimed(result: PictureResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(result).items() if name != "seconds"}


def test_it_learns(finished: Path) -> None:
    found = run(finished)
    assert found.outcome == "learned"
    assert min(found.train_accuracy, found.test_accuracy, found.last_test_accuracy) > 0.85
    assert found.test_auroc > 0.9
    assert (found.chance, found.looks, found.pictures_seen) == (0.5, 6, 60 * 16)
    assert found.seconds > 0


def test_it_leaves_the_best_weights_and_their_answers(finished: Path) -> None:
    found, table = run(finished), pd.read_parquet(finished / ANSWERS_FILE)
    net = trained_network(finished)
    with torch.no_grad():
        pictures = torch.from_numpy(np.stack([TEST.draw(i).picture for i in range(len(TEST))]))
        p = net(prepare(pictures)).softmax(1)[:, 1].numpy()
    assert np.allclose(table["p"], p, atol=1e-5)
    assert table["label"].tolist() == TEST.labels.tolist()
    assert ((table["p"] > 0.5) == table["label"]).mean() == pytest.approx(found.test_accuracy)
    assert found.parameters == sum(p.numel() for p in net.parameters())
    log = pd.read_csv(finished / LOG_FILE)
    best = log.sort_values(["tuning_accuracy", "tuning_loss"], ascending=[False, True]).iloc[0]
    assert found.best_look == best["epoch"] + 1
    assert found.tuning_accuracy == pytest.approx(best["tuning_accuracy"])
    assert {f.name for f in finished.iterdir()} == {
        "run.json", "done", LOG_FILE, ANSWERS_FILE, RESULT_FILE, WEIGHTS_FILE,
    }  # fmt: skip


def test_what_is_done_is_not_done_again(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(end_to_end, "fit", never)
    assert asdict(run(finished)) == json.loads((finished / RESULT_FILE).read_text())
    with pytest.raises(RunError, match=r"lr: 0.01 there, 0.1 asked"):
        run(finished, replace(RECIPE, lr=0.1))


@pytest.mark.parametrize("stop", [7, 33])
def test_resumed_equals_uninterrupted(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    steps, losses = 0, PictureLearner.losses

    def breaking(learner: PictureLearner, batch: Any) -> torch.Tensor:
        nonlocal steps
        steps += learner.training
        if steps == stop:
            raise RuntimeError("pulled the plug")
        return losses(learner, batch)

    monkeypatch.setattr(PictureLearner, "losses", breaking)
    with pytest.raises(RuntimeError, match="plug"):
        run(tmp_path, resources=OFTEN)
    assert (tmp_path / STATE_FILE).exists() == (stop > 10)
    torch.manual_seed(stop)
    expected = torch.get_rng_state()
    assert untimed(run(tmp_path, resources=replace(OFTEN, keep_weights=False))) == untimed(run(finished))
    assert torch.equal(torch.get_rng_state(), expected)
    answers = [pd.read_parquet(folder / ANSWERS_FILE) for folder in (tmp_path, finished)]
    assert answers[0].equals(answers[1])
    with pytest.raises(RecipeError, match="keep_weights"):
        trained_network(tmp_path)


def test_stopped_while_scoring_it_scores_again(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(end_to_end, "write_answers", broken)
        with pytest.raises(OSError, match="disk full"):
            run(tmp_path)
    assert untimed(run(tmp_path)) == untimed(run(finished))


def test_permuted_labels_leave_nothing_to_learn(tmp_path: Path) -> None:
    parts: list[Pictures] = [permuted(TRAIN, 1), permuted(TUNING, 2), TEST]
    found = train_end_to_end(*parts, replace(RECIPE, updates=20), tmp_path)
    assert found.outcome in ("optimisation failure", "generalisation failure")
    assert found.test_accuracy < 0.7


def test_noise_is_memorised_and_tells_nothing_of_other_noise(tmp_path: Path) -> None:
    parts = [NoisePictures(16, 24, 1, count=count, seed=seed) for seed, count in enumerate((16, 40, 200))]
    recipe = replace(RECIPE, network=PatchnetRecipe(width=-2), updates=150, look_every=50)
    found = train_end_to_end(*parts, recipe, tmp_path)
    assert found.last_train_accuracy == 1
    assert found.outcome == "generalisation failure"


def test_three_classes(tmp_path: Path) -> None:
    parts = [replace(part, classes=3) for part in (TRAIN, TUNING, TEST)]
    found = train_end_to_end(*parts, replace(RECIPE, updates=80, look_every=20), tmp_path)
    assert found.outcome == "learned"
    assert found.test_auroc > 0.9
    assert list(pd.read_parquet(tmp_path / ANSWERS_FILE).columns) == ["index", "label", "p0", "p1", "p2"]


def test_easy_tasks_may_end_early(tmp_path: Path) -> None:
    recipe = replace(RECIPE, updates=200, look_every=10, stop_at=0.8, stop_after=2)
    found = run(tmp_path, recipe)
    assert found.looks < 20
    log = pd.read_csv(tmp_path / LOG_FILE)["tuning_accuracy"]
    good = (log >= 0.8).tolist()
    assert good[-2:] == [True, True]
    assert not any(a and b for a, b in itertools.pairwise(good[:-1]))


def test_every_look_is_told(finished: Path, tmp_path: Path) -> None:
    class Count:
        done = 0

        def advance(self, amount: int = 1, note: str = "") -> None:
            self.done += amount

        def expect(self, total: int) -> None:
            raise AssertionError(total)

    for folder in (finished, tmp_path):
        bar = Count()
        run(folder, replace(RECIPE, updates=60 if folder == finished else 10, look_every=10), bar=bar)
        assert bar.done == (6 if folder == finished else 1)


def test_networks_under_test_are_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end_to_end, "make_patchnet", make_patchnet)
    recipe = replace(
        RECIPE, network=PatchnetRecipe(width=-5), updates=4, look_every=2, precision="bf16-mixed"
    )
    few = [Chosen(part, tuple(range(20))) for part in (TRAIN, TUNING, TEST)]
    found = train_end_to_end(*few, replace(recipe, accumulate=2, checkpointing=True), tmp_path)
    assert found.pictures_seen == 4 * 2 * 16
    assert found.parameters == sum(p.numel() for p in trained_network(tmp_path).parameters())


@dataclass(frozen=True)
class Odd(Stripes):
    """Classes that are not counted from 0."""

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.arange(self.count) % 2 + 1


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((Odd(8, 0), TUNING, TEST), "counted from 0"),
        ((TRAIN, Chosen(TUNING, (0, 2)), TEST), "two or more"),
        ((TRAIN, TUNING, Stripes(9, 0, 3)), "all of which train holds"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    tmp_path: Path, parts: tuple[Pictures, Pictures, Pictures], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        train_end_to_end(*parts, RECIPE, tmp_path)
