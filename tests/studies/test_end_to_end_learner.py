"""A network as it is trained: updates as the recipe says, judged by wrong pictures first and loss second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from histopress.core.fit import fit
from histopress.studies.end_to_end_learner import PictureLearner, answers
from histopress.studies.end_to_end_pictures import Batch
from histopress.studies.end_to_end_recipe import EndToEndRecipe
from histopress.studies.patchnet_recipe import PatchnetRecipe
from histopress.studies.patchnets import Patchnet, make_patchnet, prepare

RECIPE = EndToEndRecipe(
    PatchnetRecipe(field=5, width=-5), lr=1e-3, batch=4, epochs=2, milestones=(1,), full=0, device="cpu"
)


def pictures(count: int, seed: int = 0) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)
    size = (4, 16, 24, 1)
    return [
        (
            torch.randint(0, 256, size, generator=generator, dtype=torch.uint8),
            torch.randint(0, 2, (4,), generator=generator),
        )
        for _ in range(count)
    ]


def network(recipe: EndToEndRecipe = RECIPE) -> Patchnet:
    return make_patchnet(recipe.network, 1, 2, seed=0)


def trained(recipe: EndToEndRecipe, batches: list[Batch], folder: Path) -> Patchnet:
    learner = PictureLearner(network(recipe), recipe)
    loader = torch.utils.data.DataLoader(batches, batch_size=None)  # type: ignore[arg-type,var-annotated]
    fit(learner, loader, None, recipe.fitting(4 * len(batches), 4), folder)
    return learner.net


def by_hand(batches: list[Batch], steps_after: int, divided_by: int, clip: float = 0.0) -> Patchnet:
    """RMSProp, two epochs, the second at a tenth of the learning rate; updates after so many batches."""
    net = network()
    ordered = sorted(
        net.parameters(), key=lambda p: p.ndim <= 1
    )  # sums of norms depend on it in the last bit
    optimizer = torch.optim.RMSprop(net.parameters(), lr=RECIPE.lr, eps=RECIPE.eps)
    for epoch in range(2):
        optimizer.param_groups[0]["lr"] = RECIPE.lr * 0.1**epoch
        for number, (x, y) in enumerate(batches, start=1):
            (F.cross_entropy(net(prepare(x)), y) / divided_by).backward()
            if number % steps_after == 0 or number == len(batches):
                if clip:
                    nn.utils.clip_grad_norm_(ordered, clip)
                optimizer.step()
                optimizer.zero_grad()
    return net


def close(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.allclose(a, b, atol=2e-5, rtol=1e-4) for a, b in pairs)


def test_accumulated_gradients_are_averaged_and_limited_where_that_is_asked_for(tmp_path: Path) -> None:
    batches = pictures(9)
    free = trained(RECIPE, batches, tmp_path / "free")
    assert close(free, by_hand(batches, steps_after=4, divided_by=4))
    limited = trained(replace(RECIPE, clip=1e-4), batches, tmp_path / "limited")
    assert close(limited, by_hand(batches, steps_after=4, divided_by=4, clip=1e-4))
    assert not close(free, limited)


def test_quirks_are_the_published_behaviour(tmp_path: Path) -> None:
    batches = pictures(9)
    quirky = trained(replace(RECIPE, quirks=True, clip=1e-4), batches, tmp_path)
    assert close(quirky, by_hand(batches, steps_after=3, divided_by=4))
    assert not close(quirky, by_hand(batches, steps_after=4, divided_by=4))


def test_checkpointing_changes_no_gradient() -> None:
    found = []
    for recipe in (RECIPE, replace(RECIPE, checkpointing=True)):
        learner = PictureLearner(network(), recipe).train()
        learner.losses(pictures(1)[0]).mean().backward()
        found.append([p.grad for p in learner.parameters() if p.grad is not None])
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(*found, strict=True))


def test_compiled_weights_are_called_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(nn.Module, "compile", lambda net, **settings: asked.append((net, settings)))
    monkeypatch.setattr(torch.compiler, "reset", lambda: asked.append("earlier ones are forgotten"))
    net = network()
    learner = PictureLearner(net, replace(RECIPE, compile=True))
    assert asked == ["earlier ones are forgotten", (net, {"dynamic": False})]
    assert learner.state_dict().keys() == PictureLearner(network(), RECIPE).state_dict().keys()


class Told(Patchnet):
    """Answers what it is told."""

    told: Tensor

    def forward(self, pictures: Tensor) -> Tensor:
        return self.told


def judgement(logits: list[list[float]], labels: list[int]) -> float:
    net = Told(RECIPE.network, 1, 2)
    net.told = torch.tensor(logits)
    learner = PictureLearner(net, RECIPE)
    batch = (torch.zeros(len(labels), 16, 24, 1, dtype=torch.uint8), torch.tensor(labels))
    learner.begin_epoch(0, 1)
    learner.train().losses(batch)
    learner.eval().losses(batch)
    told = learner.judgement()
    right = (net.told.argmax(1) == batch[1]).double().mean().item()
    assert told.parts["tuning_accuracy"] == told.parts["train_accuracy"] == pytest.approx(right)
    learner.begin_epoch(1, 1)
    assert not learner.tuning_right
    return told.tuning


def test_fewer_wrong_pictures_come_first_and_a_lower_loss_second() -> None:
    sure, unsure = [[9.0, 0.0], [0.0, 9.0]], [[0.1, 0.0], [0.0, 0.1]]
    assert judgement(sure, [0, 1]) < judgement(unsure, [0, 1]) < 1
    assert 1 <= judgement(unsure, [0, 0]) < judgement(sure, [0, 0]) < 2
    assert 2 <= judgement(unsure, [1, 0]) < judgement([[9e9, 0.0], [0.0, 9e9]], [1, 0]) <= 3


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_answers_are_probabilities_in_order(precision: str) -> None:
    net, batches = network(), pictures(2)
    found = answers(net, batches, torch.device("cpu"), precision)  # type: ignore[arg-type]
    mixed = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed")
    with torch.no_grad(), mixed:
        expected = torch.cat([net(prepare(x)) for x, _ in batches]).float().softmax(1)
    assert np.allclose(found.p, expected, atol=1e-6)
    assert np.array_equal(found.labels, torch.cat([y for _, y in batches]))
    assert found.p.sum(1) == pytest.approx(np.ones(8))
