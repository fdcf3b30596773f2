"""Training: resumes bit for bit, stops in time, keeps the best, stays quiet."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from histopress.core.curve import Epoch
from histopress.core.errors import RecipeError, RunError
from histopress.core.fit import (
    LOG_FILE,
    STATE_FILE,
    FitRecipe,
    FitResources,
    FitResult,
    Judgement,
    Learner,
    fit,
)

RECIPE = FitRecipe(epochs=7, patience=7, lr=0.02, weight_decay=0.01, seed=3, device="cpu")


class Line(Learner):
    """A small regression with dropout and batch norm, so that randomness and buffers matter."""

    def __init__(self, stop_at: int | None = None, error: type[BaseException] = RuntimeError) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.net = nn.Sequential(
                nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 1)
            )
        self.steps = 0
        self.stop_at = stop_at
        self.error = error

    def losses(self, batch: Any) -> Tensor:
        if self.training:
            self.steps += 1
            if self.steps == self.stop_at:
                raise self.error("pulled the plug")
        x, y = batch
        if self.training:
            x = x + 0.1 * torch.randn_like(x)
        return (self.net(x)[:, 0] - y).square()


def data(elements: int, seed: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(elements, 5, generator=generator)
    return TensorDataset(x, x[:, 0] - 2 * x[:, 3])


def loaders(own_generator: bool = False) -> tuple[DataLoader[Any], DataLoader[Any]]:
    generator = torch.Generator() if own_generator else None
    train = DataLoader(data(22, 1), batch_size=4, shuffle=True, generator=generator)
    return train, DataLoader(data(9, 2), batch_size=2)


def run(learner: Line, folder: Path, recipe: FitRecipe = RECIPE, **kwargs: Any) -> FitResult:
    return fit(learner, *loaders(), recipe, folder, save_seconds=0.0, **kwargs)


def untimed(folder: Path) -> list[str]:
    """The lines of a log without the columns of time, `waiting` and `speed`, which come last."""
    return [line.rsplit(",", 2)[0] for line in (folder / LOG_FILE).read_text().splitlines()]


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("step", [3, 6, 7, 20, 36])
@pytest.mark.parametrize("own_generator", [False, True])
def test_resumed_equals_uninterrupted(
    tmp_path: Path, step: int, own_generator: bool, error: type[BaseException]
) -> None:
    whole = Line()
    once = fit(whole, *loaders(own_generator), RECIPE, tmp_path / "whole")
    with pytest.raises(error):
        broken = Line(stop_at=step, error=error)
        fit(broken, *loaders(own_generator), RECIPE, tmp_path / "broken", save_seconds=0.0)
    resumed = Line()
    torch.manual_seed(step)
    twice = fit(resumed, *loaders(own_generator), RECIPE, tmp_path / "broken")
    assert resumed.steps < whole.steps or step <= 6
    assert twice == once
    assert same(whole, resumed)
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "broken")


def test_resumes_after_several_stops_and_when_patience_had_ended(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=40, patience=3, lr=0.2, schedule="plateau")
    whole = Line()
    once = run(whole, tmp_path / "whole", recipe)
    assert len(once.curve) < recipe.epochs
    for step in (8, 13):
        with pytest.raises(RuntimeError, match="plug"):
            run(Line(stop_at=step), tmp_path / "broken", recipe)
    resumed = Line()
    assert run(resumed, tmp_path / "broken", recipe) == once
    assert same(whole, resumed)


def test_a_second_call_trains_nothing_and_gives_the_same(tmp_path: Path) -> None:
    first, again = Line(), Line()
    result = run(first, tmp_path)
    assert run(again, tmp_path) == result
    assert again.steps == 0
    assert same(first, again)


def test_the_best_epoch_is_kept_and_patience_ends_the_training(tmp_path: Path) -> None:
    class Worse(Line):
        """Tuning loss falls for three epochs and rises from then on."""

        def losses(self, batch: Any) -> Tensor:
            loss = super().losses(batch)
            epoch = (self.steps - 1) // 6
            return loss if self.training else 0 * loss + abs(epoch - 2)

    recipe = replace(RECIPE, epochs=30, patience=4)
    learner = Worse()
    result = run(learner, tmp_path, recipe)
    assert (result.best.epoch, len(result.curve)) == (2, 7)
    until_best = Worse()
    run(until_best, tmp_path / "short", replace(recipe, epochs=30, patience=0))
    assert not same(learner, until_best)
    third = Line()
    fit(third, loaders()[0], None, replace(recipe, schedule="constant", epochs=3), tmp_path / "third")
    constant = Worse()
    run(constant, tmp_path / "constant", replace(recipe, schedule="constant"))
    assert same(third, constant)


def test_without_a_tuning_part_the_last_epoch_is_kept(tmp_path: Path) -> None:
    result = fit(Line(), loaders()[0], None, RECIPE, tmp_path)
    assert result.best == result.curve[-1]
    assert len(result.curve) == RECIPE.epochs


def test_it_learns(tmp_path: Path) -> None:
    result = run(Line(), tmp_path, replace(RECIPE, epochs=40, patience=40))
    assert result.best.tuning < 0.5 * result.curve[0].tuning


def test_the_seed_decides(tmp_path: Path) -> None:
    one, same_seed, other = Line(), Line(), Line()
    run(one, tmp_path / "one")
    torch.manual_seed(99)
    run(same_seed, tmp_path / "same")
    run(other, tmp_path / "other", replace(RECIPE, seed=4))
    assert same(one, same_seed)
    assert not same(one, other)


def test_the_callers_random_numbers_stay_as_they_were(tmp_path: Path) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), float(torch.rand(()))

    def reset() -> None:
        random.seed(1)
        np.random.seed(2)
        torch.manual_seed(3)

    reset()
    expected = draw()
    reset()
    run(Line(), tmp_path)
    assert draw() == expected


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(Line(), tmp_path)
    out, err = capfd.readouterr()
    assert out == ""
    assert "Lightning" not in err
    assert "GPU" not in err


def test_every_epoch_is_told_also_those_never_run(tmp_path: Path) -> None:
    class Count:
        done = 0

        def advance(self, amount: int = 1, note: str = "") -> None:
            self.done += amount

    bar = Count()
    run(Line(), tmp_path, replace(RECIPE, epochs=30, patience=1, lr=0.5), bar=bar)
    assert bar.done == 30
    again = Count()
    run(Line(), tmp_path, replace(RECIPE, epochs=30, patience=1, lr=0.5), bar=again)
    assert again.done == 30


def test_weight_decay_spares_biases_and_scales(tmp_path: Path) -> None:
    class Flat(Line):
        """A loss that does not depend on the weights: only decay moves them."""

        def losses(self, batch: Any) -> Tensor:
            return 0 * super().losses(batch)

    before, learner = Flat(), Flat()
    fit(learner, loaders()[0], None, replace(RECIPE, weight_decay=1.0), tmp_path)
    for (name, old), new in zip(before.named_parameters(), learner.parameters(), strict=True):
        assert torch.equal(old, new) == (old.ndim == 1), name


def test_the_state_of_another_training_is_refused(tmp_path: Path) -> None:
    run(Line(), tmp_path)
    with pytest.raises(RunError, match=STATE_FILE):
        run(Line(), tmp_path, replace(RECIPE, lr=0.5))


def test_a_loss_that_is_no_number_is_an_error_that_names_the_remedy(tmp_path: Path) -> None:
    class Broken(Line):
        def losses(self, batch: Any) -> Tensor:
            return super().losses(batch) * float("nan")

    with pytest.raises(RunError, match=r"loss is nan.*lower lr"):
        run(Broken(), tmp_path)


def test_bf16_trains_in_mixed_precision(tmp_path: Path) -> None:
    seen = set()

    class Types(Line):
        def losses(self, batch: Any) -> Tensor:
            seen.add(self.net[0](batch[0]).dtype)
            return super().losses(batch).float()

    result = run(Types(), tmp_path, replace(RECIPE, precision="bf16-mixed"))
    assert seen == {torch.bfloat16}
    assert all(isinstance(epoch, Epoch) for epoch in result.curve)


class Judging(Line):
    """Prefers the third epoch, whatever its loss; randomness and state of its own epoch only."""

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        assert self.training
        self.epoch, self.epochs = epoch, epochs
        self.seen = 0

    def losses(self, batch: Any) -> Tensor:
        self.seen += len(batch[0]) if self.training else 0
        return super().losses(batch)

    def judgement(self) -> Judgement | None:
        assert not self.training
        assert not torch.is_grad_enabled()
        return Judgement(abs(self.epoch - 2.0), {"seen": np.float32(self.seen), "of": self.epochs})


def test_a_learner_judges_for_itself(tmp_path: Path) -> None:
    learner = Judging()
    result = run(learner, tmp_path, replace(RECIPE, patience=3))
    assert (result.best.epoch, len(result.curve)) == (2, 6)
    assert [e.tuning for e in result.curve] == [2, 1, 0, 1, 2, 3]
    assert result.best.parts == {"seen": 22, "of": 7}
    assert untimed(tmp_path)[0] == "epoch,train,tuning,lr,seen,of"
    assert untimed(tmp_path)[3].endswith(",22,7")
    third = Line()
    fit(
        third, loaders()[0], None, replace(RECIPE, epochs=3, schedule="constant"), tmp_path / "third"
    )  # fmt: skip
    constant = Judging()
    run(constant, tmp_path / "constant", replace(RECIPE, schedule="constant"))
    assert same(third, constant)


def test_without_a_tuning_part_no_judgement_is_asked(tmp_path: Path) -> None:
    result = fit(Judging(), loaders()[0], None, RECIPE, tmp_path)
    assert result.best == result.curve[-1]
    assert result.best.tuning == result.best.train
    assert result.best.parts == {}


def test_a_resumed_judgement_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, broken, resumed = Judging(), Judging(stop_at=20), Judging()
    once = run(whole, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="plug"):
        run(broken, tmp_path / "broken")
    assert run(resumed, tmp_path / "broken") == once
    assert same(whole, resumed)
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "broken")


def test_a_part_cannot_be_called_as_a_column_of_the_log_is() -> None:
    with pytest.raises(RunError, match=r"\['lr'\]"):
        Judgement(1.0, {"lr": 2.0, "auroc": 0.5})


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    def trained(batch: int, accumulate: int) -> nn.Module:
        learner = Plain()
        loader = DataLoader(data(24, 1), batch_size=batch)
        recipe = replace(RECIPE, accumulate=accumulate)
        fit(learner, loader, None, recipe, tmp_path / f"{batch} {accumulate}")
        return learner

    small, large, apart = trained(3, 4), trained(12, 1), trained(3, 1)
    assert close(small, large)
    assert not close(small, apart)


@pytest.mark.parametrize("optimizer", ["rmsprop", "sgd", "adam", "adamw"])
def test_optimisers_step_as_torchs_do(tmp_path: Path, optimizer: Any) -> None:
    recipe = replace(
        RECIPE, optimizer=optimizer, epochs=3, lr=1e-3, eps=1e-3, clip=0.0, weight_decay=0.1,
        schedule="steps", milestones=(1, 2),
    )  # fmt: skip
    loader, ours, plain = DataLoader(data(12, 1), batch_size=4), Plain(), Plain()
    fit(ours, loader, None, recipe, tmp_path)
    groups = [
        {"params": [p for p in plain.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in plain.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    stepper: torch.optim.Optimizer = {
        "rmsprop": lambda: torch.optim.RMSprop(groups, lr=1e-3, eps=1e-3),
        "sgd": lambda: torch.optim.SGD(groups, lr=1e-3, momentum=0.9),
        "adam": lambda: torch.optim.Adam(groups, lr=1e-3, eps=1e-3),
        "adamw": lambda: torch.optim.AdamW(groups, lr=1e-3, eps=1e-3),
    }[optimizer]()
    for epoch in range(3):
        for group in stepper.param_groups:
            group["lr"] = 1e-3 * 10.0**-epoch
        for batch in loader:
            stepper.zero_grad()
            plain.losses(batch).mean().backward()
            stepper.step()
    assert same(ours, plain)
    assert not same(ours, Plain())


def test_good_enough_ends_the_training_and_is_remembered(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=30, patience=30, enough=100.0, enough_epochs=3)
    result = run(Line(), tmp_path, recipe)
    assert len(result.curve) == 3
    again = Line()
    assert run(again, tmp_path, recipe) == result
    assert again.steps == 0


def test_milestones_need_steps_and_do_not_fall() -> None:
    for wrong in ({"milestones": (2,)}, {"schedule": "steps", "milestones": (3, 2)}):
        with pytest.raises(RecipeError, match="milestones"):
            replace(RECIPE, **wrong)


class Plain(Learner):
    """A regression without any randomness."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))

    def losses(self, batch: Any) -> Tensor:
        return (self.net(batch[0])[:, 0] - batch[1]).square()


def close(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return all(torch.allclose(a[k], b[k], rtol=1e-3, atol=1e-4) for k in a)


def test_long_epochs_tell_how_far_they_have_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = []

    class Notes:
        def advance(self, amount: int = 1, note: str = "") -> None:
            notes.append((amount, note))

    monkeypatch.setattr("histopress.core.fit_keeper.NOTE_SECONDS", 0.0)
    run(Line(), tmp_path, replace(RECIPE, epochs=2), bar=Notes())
    assert sum(amount for amount, _ in notes) == 2
    within = [note for amount, note in notes if amount == 0 and note]
    assert within[0].startswith("epoch 1, batch 1 of 6, ")
    assert within[11].startswith("epoch 2, batch 6 of 6, 0 s")


def test_time_is_taken(tmp_path: Path) -> None:
    for epoch in run(Line(), tmp_path).curve:
        assert 0 < epoch.waiting < 1
        assert epoch.speed > 0


@pytest.mark.parametrize(
    ("recipe", "resources", "message"),
    [
        ({}, {"devices": 0}, "devices = 0"),
        ({"accumulate": 0}, {}, "accumulate = 0"),
        ({"precision": "16-mixed"}, {}, "needs a GPU"),
        ({"device": "gpu"}, {"devices": 99}, "devices = 99"),
        ({}, {"nodes": 2}, "torchrun or SLURM"),
    ],
)
def test_what_cannot_be_is_told_before_the_training(
    tmp_path: Path, recipe: dict[str, Any], resources: dict[str, Any], message: str
) -> None:
    learner = Line()
    with pytest.raises(RunError, match=message):
        run(learner, tmp_path, replace(RECIPE, **recipe), resources=FitResources(**resources))
    assert learner.steps == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_on_a_gpu_resumes(tmp_path: Path, precision: Any) -> None:
    recipe = replace(RECIPE, device="gpu", precision=precision)
    whole, resumed = Line(), Line()
    once = run(whole, tmp_path / "whole", recipe)
    with pytest.raises(RuntimeError, match="plug"):
        run(Line(stop_at=20), tmp_path / "broken", recipe)
    assert run(resumed, tmp_path / "broken", recipe) == once
    assert same(whole, resumed)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_the_same_twice(tmp_path: Path) -> None:
    recipe = replace(RECIPE, device="gpu")
    one, two = Line(), Line()
    assert run(one, tmp_path / "one", recipe) == run(two, tmp_path / "two", recipe)
    assert same(one, two)
    assert next(one.parameters()).device.type == "cpu"
