"""Laws that hold for every kind of target."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from histopress.core.errors import HeadError, RecipeError
from histopress.heads.objectives import KINDS, SURVIVAL, Objective, describe, restore
from histopress.heads.targets import make_objective, parse_target

TEXTS = {
    "binary": "er:binary(neg<pos)",
    "multiclass": "kind:multiclass",
    "corn": "grade:ordinal(1<2<3<4)",
    "cumulative": "grade:ordinal(1<2<3<4,cumulative)",
    "huber": "age:regression",
    "mse": "age:regression(mse)",
    "cox": "os:survival(time=months,event=dead)",
    "breslow": "os:survival(time=months,event=dead,ties=breslow)",
    "hazards": "os:survival(time=months,event=dead,hazards,bins=5)",
    "multilabel": "findings:multilabel",
    "joint": "grade:ordinal(1<2<3<4),er:binary,age:regression,os:survival(time=months,event=dead)",
}
ALONE = [name for name in TEXTS if name not in ("cox", "breslow", "joint")]


def cohort(patients: int = 160, seed: int = 0) -> tuple[pd.DataFrame, torch.Tensor]:
    """Labels of every kind that hang on one hidden number, and (patients, 3) codes that tell it."""
    random = np.random.default_rng(seed)
    signal = random.normal(size=patients)
    months = random.exponential(30 * np.exp(-1.5 * signal)).round(1) + 0.1
    ends = random.exponential(60, size=patients).round(1) + 0.1
    extra = np.where(signal > 0, "mitoses;", "") + np.where(random.random(patients) < 0.5, "a", "b").astype(
        object
    )
    labels = pd.DataFrame(
        {
            "er": np.where(signal + 0.3 * random.normal(size=patients) > 0.5, "pos", "neg"),
            "kind": np.digitize(signal, [-0.6, 0.6]).astype(str),
            "grade": np.digitize(signal, [-0.8, 0.0, 0.8]) + 1,
            "age": 60 + 10 * signal,
            "months": np.minimum(months, ends),
            "dead": (months <= ends).astype(int),
            "findings": extra,
        },
        index=[f"p{i}" for i in range(patients)],
    )
    codes = np.stack([signal, *random.normal(size=(2, patients))], axis=1)
    return labels, torch.tensor(codes, dtype=torch.float32)


LABELS, CODES = cohort()


def made(name: str) -> Objective:
    return make_objective(parse_target(TEXTS[name]), LABELS).learned(LABELS)


def some_logits(objective: Objective, cases: int, scale: float = 1.0) -> torch.Tensor:
    torch.manual_seed(3)
    return (scale * torch.randn(cases, objective.outputs)).requires_grad_()


@pytest.fixture(params=TEXTS)
def objective(request: pytest.FixtureRequest) -> Objective:
    return made(request.param)


def test_shapes_are_as_they_are_said_to_be(objective: Objective) -> None:
    targets = objective.targets(LABELS)
    assert targets.shape == (len(LABELS), objective.width)
    assert targets.dtype == torch.float32
    logits = some_logits(objective, len(LABELS))
    assert objective.losses(logits, targets).shape == (len(LABELS),)
    assert objective.balance(targets).shape == (len(LABELS),)
    values = objective.scores(logits)
    assert values.shape == (len(LABELS), len(objective.values))
    assert values.dtype == np.float64
    pieces = objective.apart(values)
    assert [p.shape[1] for p in pieces] == [len(part.values) for part in objective.parts]
    for part, piece in zip(objective.parts, pieces, strict=True):
        assert part.single(piece).shape == (len(LABELS),)
        assert len(part.truth(LABELS)) == len(LABELS)
        assert part.kind in KINDS
    assert objective.width == sum(part.width for part in objective.parts)
    assert objective.outputs == sum(part.outputs for part in objective.parts)
    assert set(objective.sources) <= set(LABELS)


def test_losses_are_about_one_before_training(objective: Objective) -> None:
    targets = objective.targets(LABELS)
    for part, own in zip(
        objective.parts, torch.split(targets, [p.width for p in objective.parts], dim=1), strict=True
    ):
        loss = part.losses(torch.zeros(len(own), part.outputs), own).mean()
        assert 0.5 < float(loss) < 1.6


def test_the_order_of_cases_does_not_matter(objective: Objective) -> None:
    logits, targets = some_logits(objective, len(LABELS)), objective.targets(LABELS)
    order = torch.randperm(len(LABELS))
    mixed = objective.losses(logits[order], targets[order])
    torch.testing.assert_close(mixed, objective.losses(logits, targets)[order], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALONE)
def test_the_loss_of_a_case_does_not_depend_on_its_batch(name: str) -> None:
    objective = made(name)
    assert not objective.compares
    logits, targets = some_logits(objective, 9), objective.targets(LABELS)[:9]
    alone = torch.cat([objective.losses(logits[i : i + 1], targets[i : i + 1]) for i in range(9)])
    torch.testing.assert_close(objective.losses(logits, targets), alone)


@pytest.mark.parametrize("name", ["cox", "joint"])
def test_kinds_that_compare_cases_say_so(name: str) -> None:
    assert made(name).compares


def test_cases_without_a_label_cost_and_teach_nothing(objective: Objective) -> None:
    targets = objective.targets(LABELS)
    targets[::3] = float("nan")
    logits = some_logits(objective, len(LABELS))
    losses = objective.losses(logits, targets)
    losses.sum().backward()
    assert logits.grad is not None
    assert (losses[::3] == 0).all()
    assert (logits.grad[::3] == 0).all()
    kept = ~torch.isnan(targets).any(dim=1)
    torch.testing.assert_close(losses[kept], objective.losses(logits[kept], targets[kept]))
    assert (objective.balance(targets)[::3] == 0).all()


def test_nothing_but_missing_labels_is_a_loss_of_nothing(objective: Objective) -> None:
    logits = some_logits(objective, 4)
    losses = objective.losses(logits, torch.full((4, objective.width), float("nan")))
    losses.sum().backward()
    assert logits.grad is not None
    assert (losses == 0).all()
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("scale", [0.0, 80.0, 3000.0])
def test_losses_and_gradients_are_finite_whatever_the_logits(objective: Objective, scale: float) -> None:
    logits = some_logits(objective, len(LABELS), scale)
    losses = objective.losses(logits, objective.targets(LABELS))
    losses.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(losses).all()
    assert torch.isfinite(logits.grad).all()


def test_an_objective_comes_back_from_its_description(objective: Objective) -> None:
    settled = objective.settled(some_logits(objective, len(LABELS)).detach(), objective.targets(LABELS))
    for state in (objective, settled, objective.unbalanced()):
        assert restore(json.loads(json.dumps(describe(state)))) == state


def test_gradient_descent_finds_a_planted_signal(objective: Objective) -> None:
    """A linear head learns to order unseen patients by what was planted, for every part."""
    torch.manual_seed(0)
    head = torch.nn.Linear(3, objective.outputs)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    targets = objective.targets(LABELS)
    for _ in range(150):
        optimizer.zero_grad()
        objective.losses(head(CODES), targets).mean().backward()
        optimizer.step()
    settled = objective.settled(head(CODES).detach(), targets)
    _, codes = cohort(seed=1)
    for part, values in zip(settled.parts, settled.apart(settled.scores(head(codes))), strict=True):
        if part.target in ("findings=a", "findings=b"):
            continue
        told = values @ np.arange(3) if part.kind == "multiclass" else part.single(values)
        assert pd.Series(told).corr(pd.Series(codes[:, 0].numpy()), method="spearman") > 0.9


def test_weights_make_classes_count_alike() -> None:
    for name in ("binary", "multiclass", "corn"):
        objective = made(name)
        targets = objective.targets(LABELS)
        weights = objective.balance(targets)
        sums = [float(weights[targets[:, 0] == c].sum()) for c in targets.unique()]
        assert sums == pytest.approx([sums[0]] * len(sums))
        assert float(weights.mean()) == pytest.approx(1)
        assert torch.equal(objective.unbalanced().balance(targets), torch.ones(len(targets)))


def test_strata_and_labels_go_by_patient(objective: Objective) -> None:
    strata = objective.strata(LABELS)
    assert strata.index.equals(LABELS.index)
    assert not strata.isna().any()
    assert objective.labelled(LABELS).all()
    nothing = pd.DataFrame(None, index=LABELS.index, columns=LABELS.columns, dtype=object)
    assert not objective.labelled(nothing).any()
    assert objective.targets(nothing).isnan().all()


def test_every_kind_knows_its_name() -> None:
    assert {name: kind.kind for name, kind in KINDS.items()} == {name: name for name in KINDS}
    assert {kind.kind for kind in SURVIVAL.values()} == {"survival"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda d: d | {"kind": "survivl"}, HeadError),
        (lambda d: {"target": "x"}, HeadError),
        (lambda d: d | {"nonsense": 3}, RecipeError),
    ],
)
def test_a_wrong_description_is_refused(
    change: Callable[[dict[str, Any]], dict[str, Any]], error: type[Exception]
) -> None:
    with pytest.raises(error):
        restore(change(describe(made("cox"))))


def test_old_descriptions_are_read() -> None:
    plain = {"kind": "binary", "target": "er", "classes": ["no", "yes"], "weights": [0.5, 1.5]}
    assert restore(plain).values == ("p:no", "p:yes")
