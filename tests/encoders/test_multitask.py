from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from histopress.core.fit import fit
from histopress.core.fit_recipe import FitRecipe
from histopress.data.patches import PatchSet
from histopress.encoders.encoder import NetworkEncoder
from histopress.encoders.multitask import MultitaskLearner, MultitaskRecipe
from histopress.encoders.networks import StridedConv, StridedConvSettings
from histopress.encoders.task_batches import Mixture, part_loader, train_loader
from histopress.encoders.task_kinds import KINDS

KINDS_OF_LABELS = ("binary", "multiclass", "ordinal", "regression", "multilabel")

Made = Callable[..., PatchSet]


def network(seed: int = 0, dim: int = 6) -> StridedConv:
    torch.manual_seed(seed)
    return StridedConv(StridedConvSettings(32, 2, filters=(8, 12), dim=dim))


def learner(sets: list[PatchSet], recipe: MultitaskRecipe | None = None, **given: object) -> MultitaskLearner:
    torch.manual_seed(1)
    return MultitaskLearner(network(), sets, recipe or MultitaskRecipe(), **given)  # type: ignore[arg-type]


def first_batch(sets: list[PatchSet], size: int = 40) -> object:
    loader = train_loader(sets, Mixture(), batch=size, updates=1)
    loader.generator.manual_seed(0)  # type: ignore[union-attr]
    return next(iter(loader))


def test_the_loss_of_a_tile_is_that_of_its_own_task(made_set: Made) -> None:
    sets = [made_set("binary"), made_set("multiclass", seed=1)]
    found, batch = learner(sets).eval(), first_batch(sets)
    losses = found.losses(batch)
    codes = found.network(batch.tiles)  # type: ignore[attr-defined]
    for t, task in enumerate(found.tasks):
        mine = batch.tasks == t  # type: ignore[attr-defined]
        alone = KINDS[task.kind].loss(found.heads[t](codes[mine]), batch.targets[mine, 0])  # type: ignore[attr-defined]
        torch.testing.assert_close(losses[mine], alone)


def test_missing_labels_teach_nothing(made_set: Made) -> None:
    sets = [made_set("binary")]
    found, batch = learner(sets), first_batch(sets)
    unknown = batch._replace(targets=torch.full_like(batch.targets, torch.nan))  # type: ignore[attr-defined]
    found.losses(unknown).sum().backward()
    assert not found.losses(unknown).any()
    assert all(p.grad is None or not p.grad.any() for p in found.parameters())


def test_numbers_are_standardised_by_the_training_part_alone(made_set: Made) -> None:
    found = made_set("regression")
    far = replace(found, targets=np.where(found.parts == "test", 1e6, found.targets).astype(np.float32))
    assert learner([far]).mean == learner([found]).mean
    known = found.targets[found.rows("train")]
    assert float(learner([found]).mean[0]) == pytest.approx(known.mean())


def test_uncertainty_weighs_tasks_by_what_it_learns(made_set: Made) -> None:
    sets = [made_set("binary"), made_set("regression", seed=1)]
    found, batch = learner(sets, MultitaskRecipe("uncertainty")).eval(), first_batch(sets)
    plain_losses = found.losses(batch)
    with torch.no_grad():
        found.log_variances[1] = 2.0
    losses, second = found.losses(batch), batch.tasks == 1  # type: ignore[attr-defined]
    torch.testing.assert_close(losses[~second], plain_losses[~second])
    torch.testing.assert_close(losses[second], plain_losses[second] * np.exp(-2) + 1)
    assert not learner(sets).log_variances.requires_grad


def test_consistency_costs_nothing_where_codes_do_not_turn(made_set: Made) -> None:
    sets = [made_set("binary")]
    plainly, batch = learner(sets), first_batch(sets)
    torch.manual_seed(3)
    base = plainly.losses(batch)
    torch.manual_seed(3)
    consistent = learner(sets, MultitaskRecipe(consistency=1.0)).losses(batch)
    assert (consistent >= base - 1e-6).all()
    assert float((consistent - base).detach().mean()) > 1e-4


def test_a_teacher_is_learned_and_left_alone(made_set: Made) -> None:
    sets = [made_set("binary")]
    teacher = NetworkEncoder(network(7), "teacher", 0.5)
    before = {n: w.clone() for n, w in teacher.network.state_dict().items()}
    found = learner(sets, MultitaskRecipe(teaching=5.0), teacher=teacher)
    optimizer, batch = torch.optim.Adam(found.parameters(), 1e-2), first_batch(sets)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = found.losses(batch).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] * 0.7
    assert all(torch.equal(w, before[n]) for n, w in teacher.network.state_dict().items())
    assert not any("teacher" in name for name in found.state_dict())


def test_it_learns_tasks_of_every_kind_at_once(made_set: Made, tmp_path: Path) -> None:
    sets = [made_set(kind, seed=k) for k, kind in enumerate(KINDS_OF_LABELS)]  # type: ignore[arg-type]
    found = learner(sets)
    recipe = FitRecipe(epochs=8, patience=8, lr=1e-2, weight_decay=0.0, seed=0, device="cpu")
    loader = train_loader(sets, Mixture(), batch=40, updates=15)
    result = fit(found, loader, part_loader(sets, "tuning"), recipe, tmp_path)
    found.eval()
    with torch.inference_mode():
        for batch in part_loader(sets, "test"):
            found.losses(batch)
    assert min(found.scores().values()) > 0.8
    assert result.best.tuning < 0.2
    header = (tmp_path / "log.csv").read_text().splitlines()[0]
    assert "ordinal Spearman" in header
    assert "multiclass train loss" in header


def test_labels_that_mean_nothing_give_chance(made_set: Made, tmp_path: Path) -> None:
    found = made_set("binary", 400)
    rng = np.random.default_rng(0)
    found = replace(found, targets=rng.permutation(found.targets))
    shuffled = learner([found])
    recipe = FitRecipe(epochs=3, patience=8, lr=1e-2, weight_decay=0.0, seed=0, device="cpu")
    fit(shuffled, train_loader([found], Mixture(), batch=40, updates=10), None, recipe, tmp_path)
    shuffled.eval()
    with torch.inference_mode():
        for batch in part_loader([found], "test"):
            shuffled.losses(batch)
    assert 0.3 < shuffled.scores()["binary"] < 0.7


def test_resumed_equals_uninterrupted(made_set: Made, tmp_path: Path) -> None:
    sets = [made_set("binary"), made_set("multiclass", seed=1)]
    weights = []
    for folder, stops in (("whole", [99]), ("resumed", [2, 99])):
        for stop in stops:
            found = learner(sets, MultitaskRecipe("uncertainty", consistency=0.5))
            recipe = FitRecipe(epochs=4, patience=9, lr=1e-2, weight_decay=0.0, seed=0, device="cpu")
            loader = train_loader(sets, Mixture(), batch=16, updates=4)
            tuning = _Stopping(part_loader(sets, "tuning"), stop)
            try:
                fit(found, loader, tuning, recipe, tmp_path / folder, save_seconds=0)  # type: ignore[arg-type]
            except KeyboardInterrupt:
                continue
        weights.append(torch.load(tmp_path / folder / "last.pt", weights_only=True)["weights"])
    assert all(torch.equal(w, weights[1][name]) for name, w in weights[0].items())


class _Stopping:
    """A loader that presses Ctrl-C when it is asked once too often."""

    def __init__(self, loader: object, times: int) -> None:
        self.loader, self.left = loader, times

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    def __iter__(self) -> object:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return iter(self.loader)  # type: ignore[call-overload]
